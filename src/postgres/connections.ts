import { AsyncLocalStorage } from 'node:async_hooks';
import { Client, type ClientBase, Pool, type PoolClient, type QueryArrayResult } from 'pg';
import { Unavailable } from '../failures.ts';
import { whileWanted } from './cancelling.ts';
import type { Row } from './cells.ts';
import { copyIn } from './copy-in.ts';
import { asDatabaseFailure, isAfterFailure, isStalePlan, leavesConnectionUsable } from './failure.ts';
import { keepPlan } from './kept-plans.ts';
import { lockKey } from './locks.ts';
import { readingPace } from './reading-pace.ts';
import type { Session, Statement, Transaction, Value } from './session.ts';

/** Something worth a line in the operator's log. */
export type Note = {
  readonly message: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly detail?: object;
};

export type ConnectionOptions = {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Where unqualified names are looked up. */
  readonly schema: string;
  /** What one statement may take before it is given up as `Unavailable`. */
  readonly statementTimeoutMs: number;
  /** What it may take to get a connection, also one of a pool, before the call is given up as `Unavailable`. */
  readonly connectMsMax?: number;
  /** Settings of the server for each connection. */
  readonly settings?: Readonly<Record<string, string>>;
};

export type PoolOptions = ConnectionOptions & {
  /** Connections at once; further callers wait for one. */
  readonly max: number;
  readonly note: (note: Note) => void;
  /** Runs on each new connection before anything else does. */
  readonly begin?: (session: Session) => Promise<void>;
};

/** What somebody waits for; `subject` is that of the call, as `workOn` was told it. */
type UnderWay = { readonly since: number; readonly client: Client; readonly subject: unknown };

/** Tells along with a call what it is on, so that it can be given up for that: see `Connections.abandon`. */
export const workOn = new AsyncLocalStorage<unknown>();

/** What the client waits beyond the server's own limit: when that passes unheard, the network is gone. */
const graceMs = 2000;
/** A process that stops in the middle of a transaction must not keep its locks. */
const idleInTransactionMsMax = 15_000;
const lockMsMax = 5000;
/** How soon the server notices that a machine is gone, in seconds: its locks, the janitor's among them, go with it. */
export const keepAlive = { tcp_keepalives_idle: '20', tcp_keepalives_interval: '5', tcp_keepalives_count: '4' };

/** A pool of connections to one database. Whatever fails for want of the database is `Unavailable`. */
export class Connections {
  readonly #pool: Pool;
  readonly #underWay = new Set<UnderWay>();
  /** In which order connections were made; all up to one of them keep plans that are stale. */
  readonly #orders = new WeakMap<ClientBase, number>();
  #made = 0;
  #newestStale = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    const { max, note, begin } = options;
    this.#pool = new Pool({
      ...clientConfig(options),
      max,
      idleTimeoutMillis: 60_000,
      onConnect: async client => {
        this.#orders.set(client, ++this.#made);
        const connection = new Connection(client);
        await setUp(connection, options);
        await begin?.(connection);
      },
    });
    this.#pool.on('connect', client => {
      client.on('error', heardOfOtherwise);
      // The driver's types do not tell that all of them are.
      if (client instanceof Client) readingPace.slow(client.connection.stream);
    });
    this.#pool.on('error', error =>
      note({ level: 'warn', message: 'a connection to PostgreSQL broke', detail: { reason: error.message } }),
    );
  }

  /** Runs one statement. It is cancelled, and this rejects, when the signal is aborted. */
  async query(
    statement: Statement | string,
    values: readonly Value[] = [],
    signal?: AbortSignal,
  ): Promise<readonly Row[]> {
    const work = (connection: Connection) => connection.query(statement, values);
    try {
      return await this.#with(work, signal);
    } catch (error) {
      if (!isStalePlan(error)) throw error;
      return this.#with(work, signal);
    }
  }

  /**
   * Runs a transaction; `begin` are statements without values to open it with. When this resolves it is committed and
   * durable; when it rejects, it may have been committed only if the connection broke at the very end. What it is at
   * is cancelled when the signal is aborted.
   */
  async transaction<T>(
    begin: string,
    work: (transaction: Transaction) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#with(connection => connection.transaction(begin, work), signal);
  }

  /**
   * Gives up what has not been answered for so long, with its connections: what they wait for may never come. What is
   * known to be on something that `isWanting` is not true of goes on.
   */
  abandon(olderThanMs: number, isWanting: (subject: unknown) => boolean): void {
    const now = performance.now();
    for (const { since, client, subject } of this.#underWay)
      if (now - since > olderThanMs && isWanting(subject)) client.connection.stream.destroy();
  }

  /** Lets what is running finish, then lets go of every connection. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  /** A connection whose plans are not known to be stale. */
  async #take(): Promise<PoolClient> {
    for (;;) {
      const client = await attempt(() => this.#pool.connect());
      if ((this.#orders.get(client) ?? 0) > this.#newestStale) return client;
      client.release(true);
    }
  }

  async #with<T>(work: (connection: Connection) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#closed) throw new Unavailable('the connections to PostgreSQL are closed');
    const client = await this.#take();
    const connection = new Connection(client, signal);
    const underWay = { since: performance.now(), client, subject: workOn.getStore() };
    this.#underWay.add(underWay);
    try {
      return await whileWanted(
        client,
        signal,
        () => work(connection),
        () => connection.discard(),
      );
    } catch (error) {
      const isNews = isStalePlan(error) && (this.#orders.get(client) ?? 0) > this.#newestStale;
      if (isNews) this.#newestStale = this.#made;
      throw error;
    } finally {
      this.#underWay.delete(underWay);
      client.release(connection.broken);
    }
  }
}

/**
 * Runs `work` on a connection of its own, outside any pool and without a transaction, and ends it: its locks go too. It is
 * cancelled, and this rejects, when the signal is aborted.
 */
export async function connected<T>(
  options: ConnectionOptions,
  work: (session: Session) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const client = new Client(clientConfig(options));
  client.on('error', heardOfOtherwise);
  try {
    await attempt(() => client.connect());
    const connection = new Connection(client, signal);
    await setUp(connection, options);
    return await whileWanted(
      client,
      signal,
      () => work(connection),
      () => connection.discard(),
    );
  } finally {
    await client.end();
  }
}

function clientConfig({ url, statementTimeoutMs, connectMsMax = 5000 }: ConnectionOptions) {
  return {
    connectionString: url,
    application_name: 'sentlog',
    connectionTimeoutMillis: connectMsMax,
    query_timeout: statementTimeoutMs + graceMs,
    keepAlive: true,
    // Statements are sent at once, also those asked before the ones before them are answered.
    pipeline: true,
  };
}

async function setUp(connection: Connection, options: ConnectionOptions): Promise<void> {
  const all = {
    search_path: options.schema,
    statement_timeout: `${options.statementTimeoutMs}`,
    lock_timeout: `${lockMsMax}`,
    idle_in_transaction_session_timeout: `${idleInTransactionMsMax}`,
    ...keepAlive,
    ...options.settings,
  };
  const calls = Object.keys(all).map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
  // For as long as it lives, the connection tells that it is of a program that knows of spread accounts, and of blocks.
  const knowing = (['knowsLayouts', 'knowsBlocks'] as const).map(name => `pg_advisory_lock_shared(${lockKey(name)})`);
  await connection.query(`SELECT ${[...calls, ...knowing].join(', ')}`, Object.entries(all).flat());
}

/** One connection while it is in use. */
class Connection implements Transaction {
  readonly #client: ClientBase;
  /** Aborted when nobody wants any more of it. */
  readonly #signal: AbortSignal | undefined;
  /** What was sent and nobody waits for, in order: what each failed with. */
  #sent: Promise<readonly unknown[]>[] = [];
  /** Of the transaction: what the first statement to fail failed with. */
  #firstFailure: unknown;
  /** Of the transaction: its end, where that was asked for already. */
  #ending: Promise<string> | undefined;
  /** Not to be used again. */
  broken = false;

  constructor(client: ClientBase, signal?: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async query(statement: Statement | string, values: readonly Value[] = []): Promise<readonly Row[]> {
    this.#signal?.throwIfAborted();
    const { text, name, isOneOfMany = false } = typeof statement === 'string' ? { text: statement } : statement;
    const asked = { text, ...(name !== undefined && { name }), values: [...values], rowMode: 'array' as const };
    // Both go out before this is left: what whoever asks sends next, the end of a transaction too, comes after them.
    const kept = name !== undefined && isOneOfMany ? this.#guard(() => keepPlan(this.#client, name)) : undefined;
    const answer: Promise<QueryArrayResult<unknown[]>> = this.#guard(() => this.#client.query(asked));
    const [{ rows }] = await Promise.all([answer, kept]);
    return rows;
  }

  async run(text: string): Promise<string> {
    return (await this.#guard(() => this.#client.query(text))).command;
  }

  send(statement: Statement, values: readonly Value[]): void {
    this.#later(this.query(statement, values));
  }

  async last(statement: Statement, values: readonly Value[]): Promise<readonly Row[]> {
    const answer = this.query(statement, values);
    this.#ending = this.run('COMMIT');
    const [rows] = await Promise.all([answer, this.#ending]);
    return rows;
  }

  copy(text: string, rows: Uint8Array): void {
    this.#later(this.#guard(() => copyIn(this.#client, text, rows)));
  }

  async transaction<T>(begin: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    [this.#sent, this.#firstFailure, this.#ending] = [[], undefined, undefined];
    this.#later(this.run(`BEGIN; ${begin}`));
    try {
      const result = await work(this);
      const command = await (this.#ending ?? this.run('COMMIT'));
      // What the driver refused to send did not make the transaction fail.
      const { length: failures } = await this.#failures();
      if (failures > 0 || command !== 'COMMIT') throw new Error(`a transaction ended with ${command}`);
      return result;
    } catch (error) {
      await this.#abandon();
      // After the first failure every statement fails for it, whoever asked it, and the end of the transaction too.
      const failures = [...(await this.#failures()), error, this.#firstFailure];
      throw failures.find(one => !isAfterFailure(one)) ?? error;
    }
  }

  /** Of what was sent, in its order, once all of it is answered. */
  async #failures(): Promise<readonly unknown[]> {
    return (await Promise.all(this.#sent)).flat();
  }

  #later(work: Promise<unknown>): void {
    this.#sent.push(
      work.then(
        () => [],
        error => [error],
      ),
    );
  }

  /** Rolls back; a connection on which that fails is thrown away, which does the same. */
  async #abandon(): Promise<void> {
    if (!this.broken) await this.run('ROLLBACK').catch(() => this.discard());
  }

  discard(): void {
    this.broken = true;
  }

  /** What is asked at one time goes out by one write, which costs more than most of what is asked. */
  #gather(): void {
    // The driver's types do not tell that all of them are.
    if (!(this.#client instanceof Client)) return;
    const { stream } = this.#client.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    this.#gather();
    return attempt(work, error => {
      this.#firstFailure ??= asDatabaseFailure(error);
      if (!leavesConnectionUsable(error)) this.discard();
    });
  }
}

/** A connection tells of its end twice: to the statement it was running, or to the pool, and by this event. */
function heardOfOtherwise(): void {}

/** Turns what the driver fails with into what its callers know. */
async function attempt<T>(work: () => Promise<T>, look: (error: unknown) => void = () => {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    look(error);
    throw asDatabaseFailure(error);
  }
}
