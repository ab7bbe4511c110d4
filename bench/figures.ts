import type { DriverName } from './server/messages.ts';

export type Unit = '/s' | 'ms' | 's' | 'MB' | 'bytes' | '';

/** What a figure must reach; all that is given holds at once. */
export type Target = {
  readonly atLeast?: number;
  /** Not held against it where this figure of the same case is below `atLeast`: the machine has no room for more. */
  readonly where?: string;
  readonly atMost?: number;
  /** At most this many times its figure on the smaller log. */
  readonly growthAtMost?: number;
  /** At least this many times the comparator's figure. */
  readonly timesAtLeast?: { readonly driver: DriverName; readonly times: number };
  /** At most this many times the comparator's figure. */
  readonly timesAtMost?: { readonly driver: DriverName; readonly times: number };
};

/** A row of the table. */
export type Figure = {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** Of the embedded engine. */
  readonly target?: Target;
  /** Of the engine over PostgreSQL. */
  readonly postgresTarget?: Target;
};
