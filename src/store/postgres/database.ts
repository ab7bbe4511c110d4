import { Client, type ClientBase, Pool, type QueryArrayResult } from 'pg';
import { type StoreObserver, StoreUnavailable } from '../store.ts';
import type { Row } from './cells.ts';
import { recogniseServer } from './era.ts';
import { asStoreFailure, leavesConnectionUsable } from './failure.ts';
import type { Session, Statement, Value } from './session.ts';

export type DatabaseOptions = {
  readonly url: string;
  readonly schema: string;
  readonly readersMax: number;
  readonly recordersMax: number;
  readonly statementTimeoutMs: number;
  readonly observer: StoreObserver;
};

type Settings = Readonly<Record<string, string>>;

const connectMsMax = 5000;
/** What the client waits beyond the server's own limit: when that passes unheard, the network is gone. */
const graceMs = 2000;
/** A process that stops in the middle of a transaction must not keep its locks. */
const idleInTransactionMsMax = 15_000;
const lockMsMax = 5000;

/**
 * Every statement finds few rows by an index. A plan that reads whole partitions is a guess gone wrong, as the planner
 * makes them for partitions that were not analysed yet.
 */
const settings: Settings = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

/**
 * Pages are read in the order of an index until they are full. Planning that for every partition costs many times what
 * running it does, so plans are kept; made for values unknown, they need to be told that sorting is no way to go.
 */
const readingSettings: Settings = {
  ...settings,
  enable_bitmapscan: 'off',
  enable_sort: 'off',
  plan_cache_mode: 'force_generic_plan',
};
const planned = `SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on`;

/** The connections to one database, and what is made sure of on each of them. */
export class Database {
  readonly #options: DatabaseOptions;
  /** Apart from each other, so that neither readers nor recorders take all connections. */
  readonly #reading: Pool;
  readonly #recording: Pool;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#reading = this.#pool(options.readersMax, readingSettings);
    this.#recording = this.#pool(options.recordersMax, settings);
  }

  /** Reads by a statement whose plan, once made, is kept for all values. */
  async read(statement: Statement, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#with(this.#reading, connection => connection.query(statement, values));
  }

  /** Reads by a statement that is planned for its very values. */
  async readPlanned(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    return this.#transaction(this.#reading, planned, session => session.query(statement, values));
  }

  /** Runs one statement on a connection that may write. */
  async query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#with(this.#recording, connection => connection.query(statement, values));
  }

  /**
   * Runs a transaction; `begin` are statements without values to open it with. When this resolves it is committed and
   * durable; when it rejects, it may have been committed only if the connection broke at the very end.
   */
  async transaction<T>(begin: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#transaction(this.#recording, begin, work);
  }

  /**
   * A connection of its own, outside the pool and without a transaction, for work on tables: it may take longer than
   * a statement of the log.
   */
  async apart<T>(timeoutMs: number, work: (session: Session) => Promise<T>): Promise<T> {
    this.#refuseWhenClosed();
    const client = new Client(this.#connection(timeoutMs));
    client.on('error', heardOfOtherwise);
    try {
      await attempt(() => client.connect());
      const connection = new Connection(client);
      await this.#setUp(connection, settings, timeoutMs);
      return await work(connection);
    } finally {
      await client.end();
    }
  }

  /** Lets what is running finish, then lets go of every connection. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#reading.end(), this.#recording.end()]);
  }

  async #transaction<T>(pool: Pool, begin: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#with(pool, async connection => {
      try {
        await connection.run(`BEGIN; ${begin}`);
        const result = await work(connection);
        const command = await connection.run('COMMIT');
        if (command !== 'COMMIT') throw new Error(`a transaction ended with ${command}`);
        return result;
      } catch (error) {
        await connection.abandon();
        throw error;
      }
    });
  }

  async #with<T>(pool: Pool, work: (connection: Connection) => Promise<T>): Promise<T> {
    this.#refuseWhenClosed();
    const client = await attempt(() => pool.connect());
    const connection = new Connection(client);
    try {
      return await work(connection);
    } finally {
      client.release(connection.broken);
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
  }

  #connection(statementTimeoutMs: number) {
    return {
      connectionString: this.#options.url,
      application_name: 'sentlog',
      connectionTimeoutMillis: connectMsMax,
      query_timeout: statementTimeoutMs + graceMs,
      keepAlive: true,
    };
  }

  #pool(max: number, plans: Settings): Pool {
    const { observer, statementTimeoutMs } = this.#options;
    const pool = new Pool({
      ...this.#connection(statementTimeoutMs),
      max,
      idleTimeoutMillis: 60_000,
      onConnect: async client => {
        const connection = new Connection(client);
        await this.#setUp(connection, plans, statementTimeoutMs);
        await recogniseServer(connection, observer);
      },
    });
    pool.on('connect', client => client.on('error', heardOfOtherwise));
    pool.on('error', error =>
      observer.note({ level: 'warn', message: 'a connection to PostgreSQL broke', detail: { reason: error.message } }),
    );
    return pool;
  }

  async #setUp(connection: Connection, plans: Settings, statementTimeoutMs: number): Promise<void> {
    const all = {
      search_path: this.#options.schema,
      statement_timeout: `${statementTimeoutMs}`,
      lock_timeout: `${lockMsMax}`,
      idle_in_transaction_session_timeout: `${idleInTransactionMsMax}`,
      ...plans,
    };
    const calls = Object.keys(all).map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
    await connection.query(`SELECT ${calls.join(', ')}`, Object.entries(all).flat());
  }
}

/** One connection while it is in use. */
class Connection implements Session {
  readonly #client: ClientBase;
  /** Not to be used again. */
  broken = false;

  constructor(client: ClientBase) {
    this.#client = client;
  }

  async query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    const config = typeof statement === 'string' ? { text: statement } : statement;
    const asked = { ...config, values: [...values], rowMode: 'array' as const };
    const result: QueryArrayResult<unknown[]> = await this.#guard(() => this.#client.query(asked));
    return result.rows;
  }

  async run(text: string): Promise<string> {
    return (await this.#guard(() => this.#client.query(text))).command;
  }

  /** Rolls back; a connection on which that fails is thrown away, which does the same. */
  async abandon(): Promise<void> {
    if (!this.broken) await this.run('ROLLBACK').catch(() => this.discard());
  }

  discard(): void {
    this.broken = true;
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    return attempt(work, error => {
      if (!leavesConnectionUsable(error)) this.discard();
    });
  }
}

/** A connection tells of its end twice: to the statement it was running, or to the pool, and by this event. */
function heardOfOtherwise(): void {}

/** Turns what the driver fails with into what the store fails with. */
async function attempt<T>(work: () => Promise<T>, look: (error: unknown) => void = () => {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    look(error);
    throw asStoreFailure(error);
  }
}
