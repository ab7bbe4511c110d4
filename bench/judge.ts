import type { Figure, Unit } from './figures.ts';
import { ratio, type Spread, spread } from './statistics.ts';
import type { Measurement } from './trials.ts';

/** A figure with all that was measured of it. */
export type Row = {
  readonly figure: Figure;
  /** Absent when sentlog was not among the drivers. */
  readonly sentlog?: Measurement;
  /** On the log that the comparators have, when that is another one. */
  readonly smaller?: Measurement;
  readonly sqlite?: Measurement;
  readonly postgres?: Measurement;
};

export function rowOf(figure: Figure, measurements: readonly Measurement[]): Row {
  const own = measurements.filter(one => one.figure === figure.name);
  const of = (driver: Measurement['driver']) => own.filter(one => one.driver === driver);
  const [sentlog, smaller] = of('sentlog').toSorted((a, b) => b.messages - a.messages);
  const [sqlite] = of('plain-sqlite');
  const [postgres] = of('plain-postgres');
  return {
    figure,
    ...(sentlog !== undefined && { sentlog }),
    ...(smaller !== undefined && { smaller }),
    ...(sqlite !== undefined && { sqlite }),
    ...(postgres !== undefined && { postgres }),
  };
}

/** sentlog's figure over the comparator's, on logs of the same size where sentlog has one. */
export function comparison(row: Row, comparator: Measurement | undefined): Spread | undefined {
  const own = row.smaller ?? row.sentlog;
  return own === undefined || comparator === undefined ? undefined : ratio(own.values, comparator.values);
}

/** How the figure grew from the smaller log to the larger one. */
export function growth({ sentlog, smaller }: Row): Spread | undefined {
  return sentlog === undefined || smaller === undefined ? undefined : ratio(sentlog.values, smaller.values);
}

/** Each part of a target that the figure is short of, and by how much; empty when it is reached. */
export function shortfalls(row: Row): readonly string[] {
  const { target } = row.figure;
  if (target === undefined || row.sentlog === undefined) return [];
  const { median } = spread(row.sentlog.values);
  const short: string[] = [];
  const below = (value: number | undefined, least: number | undefined, what: string) => {
    if (value !== undefined && least !== undefined && value < least)
      short.push(`short by ${percent(1 - value / least)}${what}`);
  };
  const above = (value: number | undefined, most: number | undefined, what: string) => {
    if (value !== undefined && most !== undefined && value > most)
      short.push(`over by ${percent(value / most - 1)}${what}`);
  };
  below(median, target.atLeast, '');
  above(median, target.atMost, '');
  above(growth(row)?.median, target.growthAtMost, ' in growth');
  const { timesAtLeast } = target;
  const comparator = timesAtLeast?.driver === 'plain-sqlite' ? row.sqlite : row.postgres;
  if (timesAtLeast !== undefined) below(comparison(row, comparator)?.median, timesAtLeast.times, ' as a ratio');
  return short;
}

/** The target in words; empty when there is none. */
export function targetText({ target, unit }: Figure): string {
  if (target === undefined) return '';
  const { atLeast, atMost, growthAtMost, timesAtLeast } = target;
  return [
    ...(atLeast === undefined ? [] : [`≥ ${amount(atLeast, unit)}`]),
    ...(atMost === undefined ? [] : [`≤ ${amount(atMost, unit)}`]),
    ...(growthAtMost === undefined ? [] : [`≤ ${growthAtMost} × smaller log`]),
    ...(timesAtLeast === undefined
      ? []
      : [`≥ ${timesAtLeast.times} × ${timesAtLeast.driver === 'plain-sqlite' ? 'SQLite' : 'PostgreSQL'}`]),
  ].join(', ');
}

export function amount(value: number, unit: Unit): string {
  const text = digits(value);
  if (unit === '') return text;
  return unit === '/s' ? `${text}/s` : `${text} ${unit}`;
}

/** Three significant digits, and all of them before the point. */
export function digits(value: number): string {
  const whole = Math.abs(value) >= 100;
  return value.toLocaleString('en-US', whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}

function percent(share: number): string {
  return `${digits(share * 100)} %`;
}
