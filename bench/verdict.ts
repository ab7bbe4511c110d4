import type { CaseResult } from './bench.ts';
import { judgedIn, roomBelow, type Shortfall, shortfalls } from './judge.ts';
import { type Cells, type Column, cellsOf, rowsOf, table } from './table.ts';

/** What decides whether sentlog is of use: figures by their case and name, and what a reader calls them. */
export const headlines = [
  ['record-ndjson', 'rate', 'recording in batches of 1,000'],
  ['record-single', 'rate', 'recording one message a request'],
  ['processes', 'times', 'recording by two processes, times one'],
  ['reports', 'random', 'status reports on any messages'],
  ['logs-latest', 'p99-of-50', 'the latest 50, p99'],
  ['filters', 'destination-p99', 'the latest to a destination, p99'],
  ['rare', 'rare-status-p99', 'a status that 1 in 100,000 has, p99'],
  ['summary', 'all-p99', 'a summary of 48 hours, p99'],
  ['stream', 'destination-delay-p99', 'from recording to 1,000 listeners, p99'],
  ['mirror', 'lag', 'a mirror of 500 messages a second, from sent to kept, p99'],
  ['sending', 'many', 'sending over 20 pages, with all receipts'],
  ['sending', 'accepted', 'accepting messages to send, 100 a request'],
  ['start', 'killed', 'starting after kill -9'],
  ['drop', 'duration', 'dropping the oldest part of the log'],
  ['memory', 'peak', 'memory, most while reading'],
  ['footprint', 'disk', 'disk for a message'],
] as const;

const headlineColumns: readonly Column[] = [
  'what',
  'reach',
  'sentlog',
  'reached',
  'sentlog : SQLite',
  'sentlog : PostgreSQL',
  'sentlog over PostgreSQL',
  'its reach',
  'reached by it',
  'over PostgreSQL : PostgreSQL',
];

const howToRead = 'Medians; pages and summaries server side. A ratio below 1 is less time, or fewer messages.';

const shortOf: readonly (readonly [Shortfall['of'], string])[] = [
  ['figure', 'the figure itself'],
  ['growth', 'how it grows from the smaller log to the larger one'],
  ['ratio', 'the ratio to the comparator'],
];

/** What the results come to: the figures that decide, then everything that falls short. */
export function verdict(results: readonly CaseResult[]): string {
  const judgements = results.flatMap(judgementsOf);
  const judged = judgements.filter(({ isJudged }) => isJudged);
  const missed = judged.filter(({ short }) => short.length > 0);
  const withheld = judgements.length - judged.length;
  const count =
    `Targets reached: ${judged.length - missed.length} of ${judged.length}` +
    (withheld === 0 ? '.' : `; ${withheld} not judged, since this machine has no room for it.`);
  const groups = shortOf.flatMap(([of, title]) => {
    const lines = missed.flatMap(({ name, short }) =>
      short.filter(one => one.of === of).map(({ by }) => `- ${name}: ${by}`),
    );
    return lines.length === 0 ? [] : ['', `### Short of its target: ${title} (${lines.length})`, '', ...lines];
  });
  const decisive = decisiveRows(results);
  return [
    '## In short',
    ...(decisive.length === 0 ? [] : ['', howToRead, '', ...table(headlineColumns, decisive)]),
    ...(judgements.length === 0 ? [] : ['', count, ...groups]),
  ].join('\n');
}

function decisiveRows(results: readonly CaseResult[]): readonly Cells[] {
  return headlines.flatMap(([caseName, figure, what]) => {
    const row = results
      .filter(result => result.case.name === caseName)
      .flatMap(rowsOf)
      .find(one => one.figure.name === figure);
    return row === undefined ? [] : [{ ...cellsOf(row, ({ median }, text) => text(median)), what }];
  });
}

type Judgement = { readonly name: string; readonly isJudged: boolean; readonly short: readonly Shortfall[] };

function judgementsOf(result: CaseResult): readonly Judgement[] {
  const { name } = result.case;
  return rowsOf(result).flatMap(row =>
    Object.entries(judgedIn(row)).map(([engine, judged]) => ({
      name: `${engine === 'sentlog' ? name : `${name} over PostgreSQL`}, ${row.figure.title}`,
      isJudged: roomBelow(judged) === undefined,
      short: shortfalls(judged),
    })),
  );
}
