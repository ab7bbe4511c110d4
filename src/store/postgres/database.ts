import { Client, type ClientBase, Pool, type QueryArrayResult } from 'pg';
import { type StoreObserver, StoreUnavailable } from '../store.ts';
import type { Row } from './cells.ts';
import { recogniseServer } from './era.ts';
import { asStoreFailure, leavesConnectionUsable } from './failure.ts';
import type { Session, Statement, Value } from './session.ts';

export type DatabaseOptions = {
  readonly url: string;
  readonly schema: string;
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  readonly observer: StoreObserver;
};

const connectMsMax = 5000;
/** What the client waits beyond the server's own limit: when that passes unheard, the network is gone. */
const graceMs = 2000;
/** A process that stops in the middle of a transaction must not keep its locks. */
const idleInTransactionMsMax = 15_000;
const lockMsMax = 5000;

/** The connections to one database, and what is made sure of on each of them. */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #pool: Pool;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    const { poolSize, observer } = options;
    this.#pool = new Pool({
      ...this.#connection(options.statementTimeoutMs),
      max: poolSize,
      idleTimeoutMillis: 60_000,
      onConnect: async client => {
        const connection = new Connection(client);
        await this.#setUp(connection, options.statementTimeoutMs);
        await recogniseServer(connection, observer);
      },
    });
    this.#pool.on('connect', client => client.on('error', heardOfOtherwise));
    this.#pool.on('error', error =>
      observer.note({ level: 'warn', message: 'a connection to PostgreSQL broke', detail: { reason: error.message } }),
    );
  }

  /** Runs one statement on any connection. */
  async query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return this.#with(connection => connection.query(statement, values));
  }

  /**
   * Runs a transaction; `begin` are statements without values to open it with. When this resolves it is committed and
   * durable; when it rejects, it may have been committed only if the connection broke at the very end.
   */
  async transaction<T>(begin: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#with(async connection => {
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
      await this.#setUp(connection, timeoutMs);
      return await work(connection);
    } finally {
      await client.end();
    }
  }

  /** Lets what is running finish, then lets go of every connection. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  async #with<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    this.#refuseWhenClosed();
    const client = await attempt(() => this.#pool.connect());
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

  async #setUp(connection: Connection, statementTimeoutMs: number): Promise<void> {
    const settings: Readonly<Record<string, string>> = {
      search_path: this.#options.schema,
      statement_timeout: `${statementTimeoutMs}`,
      lock_timeout: `${lockMsMax}`,
      idle_in_transaction_session_timeout: `${idleInTransactionMsMax}`,
      // Every statement reads few rows by an index. A plan that reads whole partitions is a guess gone wrong, as the
      // planner makes them for partitions that were not yet analysed.
      enable_hashjoin: 'off',
      enable_mergejoin: 'off',
      jit: 'off',
    };
    const calls = Object.keys(settings).map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
    await connection.query(`SELECT ${calls.join(', ')}`, Object.entries(settings).flat());
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
