import type { Row } from '../../postgres/cells.ts';
import { Connections, connected } from '../../postgres/connections.ts';
import type { Session, Statement, Transaction, Value } from '../../postgres/session.ts';
import { type StoreObserver, StoreUnavailable } from '../store.ts';
import { adaptPlans } from './citus.ts';
import { recogniseServer } from './era.ts';
import { planningSettings, readingSettings, type Settings } from './planning.ts';

export type DatabaseOptions = {
  readonly url: string;
  readonly schema: string;
  readonly readersMax: number;
  readonly recordersMax: number;
  readonly statementTimeoutMs: number;
  readonly observer: StoreObserver;
};

const planned = `SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on`;

/** The log's connections to its database, and what is made sure of on each of them. */
export class Database {
  readonly #options: DatabaseOptions;
  /** Apart from each other, so that neither readers nor recorders take all connections. */
  readonly #reading: Connections;
  readonly #recording: Connections;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#reading = this.#connections(options.readersMax, readingSettings);
    this.#recording = this.#connections(options.recordersMax, planningSettings);
  }

  /** Reads by a statement whose plan, once made, is kept for all values. */
  read(statement: Statement, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#reading.query(statement, values);
  }

  /** Reads by a statement that is planned for its very values. */
  readPlanned(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    return this.#reading.transaction(planned, session => session.query(statement, values));
  }

  /** Reads by several statements as of one moment, each planned for its very values. */
  readPlannedTogether<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#reading.transaction(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ${planned}`, work);
  }

  /** Runs one statement on a connection that may write. */
  query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#recording.query(statement, values);
  }

  /** As `Connections.transaction`, on a connection that may write. */
  transaction<T>(begin: string, work: (session: Transaction) => Promise<T>): Promise<T> {
    return this.#recording.transaction(begin, work);
  }

  /**
   * A connection of its own, outside the pools and without a transaction, for work on tables: it may take longer than
   * a statement of the log.
   */
  async apart<T>(statementTimeoutMs: number, work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
    return connected({ ...this.#options, settings: planningSettings, statementTimeoutMs }, work);
  }

  /** Lets what is running finish, then lets go of every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#reading.close(), this.#recording.close()]);
  }

  #connections(max: number, plans: Settings): Connections {
    const { url, schema, statementTimeoutMs, observer } = this.#options;
    return new Connections({
      url,
      schema,
      statementTimeoutMs,
      max,
      settings: plans,
      note: note => observer.note(note),
      begin: async session => {
        await recogniseServer(session, observer);
        await adaptPlans(session);
      },
    });
  }
}
