import type { LogShape } from '../dataset/shape.ts';
import type { Backend } from '../drivers.ts';
import type { Figure } from '../figures.ts';
import type { LoadGenerator } from '../load/generator.ts';
import type { LoadResult, Plan } from '../load/plan.ts';
import type { ServerProcess } from '../server/handle.ts';
import type { DriverName } from '../server/messages.ts';
import type { Sizes } from '../sizes.ts';

/** What recording a whole log came to, before any case ran on it. */
export type Preparation = {
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly diskBytes: number;
};

/** One run of a case on one driver; nothing runs on the log yet. */
export type Trial = {
  readonly driver: DriverName;
  /** Counted from 0. */
  readonly round: number;
  readonly backend: Backend;
  /** What the log holds; of an empty log: what may be recorded into it. */
  readonly shape: LogShape;
  readonly sizes: Sizes;
  readonly load: LoadGenerator;
  /** Absent on an empty log. */
  readonly preparation?: Preparation;
};

export type Outcome = {
  /** A value for each of the case's figures. */
  readonly figures: Readonly<Record<string, number>>;
  /** Digests of answers that must be the same on every driver. */
  readonly answers?: Readonly<Record<string, string>>;
};

export type Case = {
  readonly name: string;
  readonly title: string;
  /**
   * `none`: a new empty log for each trial. `greatest`: the large log of sentlog, the small one of the others.
   * `both`: as `greatest`, and sentlog on the small log, too.
   */
  readonly logs: 'none' | 'greatest' | 'both';
  /** Those that it can run on, when not all. */
  readonly drivers?: readonly DriverName[];
  /** Of an empty log: how many messages are recorded. */
  messages?(sizes: Sizes, driver: DriverName): number;
  /** The figures come from the log's preparation, of which there is one. */
  readonly once?: true;
  readonly figures: readonly Figure[];
  run(trial: Trial): Promise<Outcome>;
};

export const bySize = (driver: DriverName, sizes: { readonly sentlog: number; readonly comparators: number }) =>
  driver === 'sentlog' ? sizes.sentlog : sizes.comparators;

/** A fresh server process for the time of `work`. */
export async function serving<T>(trial: Trial, work: (server: ServerProcess) => Promise<T>): Promise<T> {
  const server = await trial.backend.start();
  const result = await work(server);
  await trial.backend.stop(server);
  return result;
}

export function runLoad(trial: Trial, server: ServerProcess, plan: Plan): Promise<LoadResult> {
  return trial.load.run(server.port, server.authorization, plan);
}

export function perSecond({ records, durationMs }: LoadResult): number {
  return records / (durationMs / 1_000);
}
