import type { Row } from '../../../postgres/cells.ts';
import { Connections, type PoolOptions } from '../../../postgres/connections.ts';
import type { Session, Statement, Value } from '../../../postgres/session.ts';
import { readingSettings } from '../schema/planning.ts';

/** What reads may be asked of, see `Source`. */
export type Reads = Pick<Source, 'read' | 'readPlanned'>;

/** Reads that are answered as of one moment. */
export type ReadsTogether = Reads & {
  /** By a plan that is kept for all values, and may gather rows by bitmaps and sort them. At most a few statements. */
  readSorted(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
};

const sorting = 'SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on';
const sortingNoMore = 'SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off';

const planned = `SET LOCAL plan_cache_mode = force_custom_plan; ${sorting}`;
const keptAgain = `SET LOCAL plan_cache_mode = force_generic_plan; ${sortingNoMore}`;

/** Where reads are answered: the database itself, or a replica of it. */
export class Source {
  readonly #connections: Connections;
  readonly #signal: AbortSignal | undefined;

  private constructor(connections: Connections, signal?: AbortSignal) {
    this.#connections = connections;
    this.#signal = signal;
  }

  static open(options: Omit<PoolOptions, 'settings'>): Source {
    return new Source(new Connections({ ...options, settings: readingSettings }));
  }

  /** The same, for reads that are cancelled when the signal is aborted. */
  whileWanted(signal: AbortSignal | undefined): Source {
    return signal === undefined ? this : new Source(this.#connections, signal);
  }

  /** Reads by a statement whose plan, once made, is kept for all values. */
  read(statement: Statement, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#connections.query(statement, values, this.#signal);
  }

  /** Reads by a statement that is planned for its very values. */
  readPlanned(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    return this.#connections.transaction(planned, session => session.query(statement, values), this.#signal);
  }

  /** Reads by several statements as of one moment, each planned for its very values. */
  readPlannedTogether<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#connections.transaction(
      `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ${planned}`,
      work,
      this.#signal,
    );
  }

  /** Reads by several statements as of one moment: by plans that are kept, or for their very values. */
  readTogether<T>(work: (reads: ReadsTogether) => Promise<T>): Promise<T> {
    const begin = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ';
    return this.#connections.transaction(
      begin,
      session =>
        work({
          read: (statement, values) => session.query(statement, values),
          readPlanned: (statement, values) => between(session, planned, statement, values, keptAgain),
          readSorted: (statement, values) => between(session, sorting, statement, values, sortingNoMore),
        }),
      this.#signal,
    );
  }

  /** As `Connections.abandon`. */
  abandon(olderThanMs: number, isWanting: (subject: unknown) => boolean): void {
    this.#connections.abandon(olderThanMs, isWanting);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

/** A statement with settings of its own, all sent together. It may not be one of many: plans of others are forgotten first. */
async function between(
  session: Session,
  before: string,
  statement: Statement,
  values: readonly Value[],
  after: string,
): Promise<readonly Row[]> {
  const [, rows] = await Promise.all([session.run(before), session.query(statement, values), session.run(after)]);
  return rows;
}
