import type { CaseResult } from './bench.ts';
import {
  amount,
  comparison,
  digits,
  growth,
  type Judged,
  judgedIn,
  quotient,
  type Row,
  roomBelow,
  rowOf,
  type Shortfall,
  shortfalls,
  targetText,
} from './judge.ts';
import { type Spread, spread } from './statistics.ts';
import type { Measurement } from './trials.ts';

export const columns = [
  'what',
  'reach',
  'sentlog',
  'reached',
  'sentlog, smaller log',
  'growth',
  'one SQLite file',
  'sentlog : SQLite',
  'one PostgreSQL table',
  'sentlog : PostgreSQL',
  'sentlog over PostgreSQL',
  'its reach',
  'reached by it',
  'over PostgreSQL : PostgreSQL',
] as const;
export type Column = (typeof columns)[number];
export type Cells = Readonly<Record<Column, string>>;

export function rowsOf({ case: one, measurements }: CaseResult): readonly Row[] {
  return one.figures.map(figure => rowOf(figure, measurements));
}

/** A Markdown table of those of the columns that any of the rows has something in. */
export function table(among: readonly Column[], rows: readonly Cells[]): readonly string[] {
  const used = among.filter(column => rows.some(row => row[column] !== ''));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(used), line(used.map(() => '---')), ...rows.map(row => line(used.map(column => row[column])))];
}

/** What a row has in each column; `range` writes a figure, `text` its median. */
export function cellsOf(row: Row, range: (of: Spread, text: (median: number) => string) => string): Cells {
  const { figure, sentlog, smaller, sqlite, postgres, overPostgres } = row;
  const judged = judgedIn(row);
  const value = (measurement: Measurement | undefined) =>
    measurement === undefined ? '' : range(spread(measurement.values), median => amount(median, figure.unit));
  const ratioText = (of: Spread | undefined) => (of === undefined || figure.unit === '' ? '' : range(of, digits));
  return {
    what: figure.title,
    reach: sentlog === undefined ? '' : targetText(figure.target, figure.unit),
    sentlog: value(sentlog),
    reached: reached(judged.sentlog),
    'sentlog, smaller log': value(smaller),
    growth: ratioText(growth(row)),
    'one SQLite file': value(sqlite),
    'sentlog : SQLite': ratioText(comparison(row, sqlite)),
    'one PostgreSQL table': value(postgres),
    'sentlog : PostgreSQL': ratioText(comparison(row, postgres)),
    'sentlog over PostgreSQL': value(overPostgres),
    'its reach': overPostgres === undefined ? '' : targetText(figure.postgresTarget, figure.unit),
    'reached by it': reached(judged.overPostgres),
    'over PostgreSQL : PostgreSQL': ratioText(quotient(overPostgres, postgres)),
  };
}

/** The median, and the whole range of the trials. */
export function wholeRange({ median, least, greatest, trials }: Spread, text: (median: number) => string): string {
  return trials === 1 ? text(median) : `${text(median)} (${digits(least)}–${digits(greatest)})`;
}

/** What a shortfall is said to be of, in the tables. */
const ofWhat: Readonly<Record<Shortfall['of'], string>> = { figure: '', growth: ' in growth', ratio: ' as a ratio' };

function reached(judged: Judged | undefined): string {
  if (judged === undefined) return '';
  const room = roomBelow(judged);
  if (room !== undefined) return `not judged: room for ${digits(room)}`;
  const short = shortfalls(judged).map(({ of, by }) => `${by}${ofWhat[of]}`);
  return short.length === 0 ? 'yes' : short.join(', ');
}
