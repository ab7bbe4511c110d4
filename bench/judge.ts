import type { Figure, Target, Unit } from './figures.ts';
import type { DriverName } from './server/messages.ts';
import { ratio, type Spread, spread } from './statistics.ts';
import type { Measurement } from './trials.ts';

/** A figure with all that was measured of it. */
export type Row = {
  readonly figure: Figure;
  /** Absent when sentlog was not among the drivers. */
  readonly sentlog?: Measurement;
  /** On the log that the comparators have, when that is another one. */
  readonly smaller?: Measurement;
  readonly overPostgres?: Measurement;
  readonly sqlite?: Measurement;
  readonly postgres?: Measurement;
  /** What the target's `where` names, over PostgreSQL. */
  readonly room?: Measurement;
};

export function rowOf(figure: Figure, measurements: readonly Measurement[]): Row {
  const own = measurements.filter(one => one.figure === figure.name);
  const of = (driver: Measurement['driver']) => own.filter(one => one.driver === driver);
  const [sentlog, smaller] = of('sentlog').toSorted((a, b) => b.messages - a.messages);
  const [overPostgres] = of('sentlog-postgres');
  const [sqlite] = of('plain-sqlite');
  const [postgres] = of('plain-postgres');
  const where = figure.postgresTarget?.where;
  const room = measurements.find(one => one.figure === where && one.driver === 'sentlog-postgres');
  return {
    figure,
    ...(sentlog !== undefined && { sentlog }),
    ...(smaller !== undefined && { smaller }),
    ...(overPostgres !== undefined && { overPostgres }),
    ...(sqlite !== undefined && { sqlite }),
    ...(postgres !== undefined && { postgres }),
    ...(room !== undefined && { room }),
  };
}

/** sentlog's figure over the comparator's, on logs of the same size where sentlog has one. */
export function comparison({ sentlog, smaller }: Row, comparator: Measurement | undefined): Spread | undefined {
  const ofSameSize = sentlog?.messages === comparator?.messages ? sentlog : (smaller ?? sentlog);
  return quotient(ofSameSize, comparator);
}

export function quotient(own: Measurement | undefined, comparator: Measurement | undefined): Spread | undefined {
  return own === undefined || comparator === undefined ? undefined : ratio(own.values, comparator.values);
}

/** How the figure grew from the smaller log to the larger one. */
export function growth({ sentlog, smaller }: Row): Spread | undefined {
  return smaller === undefined ? undefined : quotient(sentlog, smaller);
}

/** A target, and what it is held against. */
export type Judged = {
  readonly target: Target;
  readonly own: Measurement;
  readonly growth?: Spread;
  readonly room?: Spread;
  /** The figure over a comparator's. */
  readonly over: Readonly<Partial<Record<DriverName, Spread | undefined>>>;
};

/** The targets of a figure whose engine was measured, the embedded one's first. */
export function judgedIn(row: Row): { readonly sentlog?: Judged; readonly overPostgres?: Judged } {
  const { figure, sentlog, overPostgres, sqlite, postgres, room } = row;
  const grown = growth(row);
  return {
    ...(sentlog !== undefined &&
      figure.target !== undefined && {
        sentlog: {
          target: figure.target,
          own: sentlog,
          ...(grown !== undefined && { growth: grown }),
          over: { 'plain-sqlite': comparison(row, sqlite), 'plain-postgres': comparison(row, postgres) },
        },
      }),
    ...(overPostgres !== undefined &&
      figure.postgresTarget !== undefined && {
        overPostgres: {
          target: figure.postgresTarget,
          own: overPostgres,
          ...(room !== undefined && { room: spread(room.values) }),
          over: { 'plain-postgres': quotient(overPostgres, postgres) },
        },
      }),
  };
}

/** `figure`: itself. `growth`: beside its own on the smaller log. `ratio`: beside the comparator's. */
export type Shortfall = { readonly of: 'figure' | 'growth' | 'ratio'; readonly by: string };

/** Each part of a target that the figure is short of, and by how much; empty when it is reached. */
export function shortfalls({ target, own, growth: grown, over }: Judged): readonly Shortfall[] {
  const { median } = spread(own.values);
  const short: Shortfall[] = [];
  const below = (of: Shortfall['of'], value: number | undefined, least: number | undefined) => {
    if (value !== undefined && least !== undefined && value < least)
      short.push({ of, by: `short by ${percent(1 - value / least)}` });
  };
  const above = (of: Shortfall['of'], value: number | undefined, most: number | undefined) => {
    if (value !== undefined && most !== undefined && value > most)
      short.push({ of, by: `over by ${percent(value / most - 1)}` });
  };
  const { timesAtLeast, timesAtMost } = target;
  below('figure', median, target.atLeast);
  above('figure', median, target.atMost);
  above('growth', grown?.median, target.growthAtMost);
  if (timesAtLeast !== undefined) below('ratio', over[timesAtLeast.driver]?.median, timesAtLeast.times);
  if (timesAtMost !== undefined) above('ratio', over[timesAtMost.driver]?.median, timesAtMost.times);
  return short;
}

/** The most that the machine has room for, when that is less than the target asks for: it is not judged then. */
export function roomBelow({ target, room }: Judged): number | undefined {
  return room !== undefined && room.median < (target.atLeast ?? 0) ? room.median : undefined;
}

/** The target in words; empty when there is none. */
export function targetText(target: Target | undefined, unit: Unit): string {
  if (target === undefined) return '';
  const { atLeast, where, atMost, growthAtMost, timesAtLeast, timesAtMost } = target;
  const name = (driver: DriverName) => (driver === 'plain-sqlite' ? 'SQLite' : 'PostgreSQL');
  return [
    ...(atLeast === undefined
      ? []
      : [`≥ ${amount(atLeast, unit)}${where === undefined ? '' : ' where the cores allow'}`]),
    ...(atMost === undefined ? [] : [`≤ ${amount(atMost, unit)}`]),
    ...(growthAtMost === undefined ? [] : [`≤ ${growthAtMost} × smaller log`]),
    ...(timesAtLeast === undefined ? [] : [`≥ ${timesAtLeast.times} × ${name(timesAtLeast.driver)}`]),
    ...(timesAtMost === undefined ? [] : [`≤ ${timesAtMost.times} × ${name(timesAtMost.driver)}`]),
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
