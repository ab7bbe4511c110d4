import pg from 'pg';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import type { PostgresStoreOptions } from '../../../src/store/postgres/options.ts';
import type { Store } from '../../../src/store/store.ts';
import { type DatabaseServer, isGiven, isOnCitus } from '../../support/database-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';

/** One of several processes' stores, say, in turn. */
export function pick<T>(among: readonly T[], i: number): T {
  const one = among[i % among.length];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

const hourMs = 3_600_000;

/** A database of its own for one test, with the stores that were opened over it. */
export class PostgresDatabase {
  readonly url: string;
  readonly #server: DatabaseServer;
  readonly #opened: Store[] = [];

  private constructor(url: string, server: DatabaseServer) {
    this.url = url;
    this.#server = server;
  }

  static async create(server: DatabaseServer): Promise<PostgresDatabase> {
    return new PostgresDatabase(await server.databaseWithTables(), server);
  }

  /** Where the first store that is opened makes the tables. */
  static async createEmpty(server: DatabaseServer): Promise<PostgresDatabase> {
    return new PostgresDatabase(await server.database(), server);
  }

  /** With partitions of an hour, which tests count on. */
  open(options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
    return this.openAdapting({ partitionMs: hourMs, ...options });
  }

  /** With partitions as wide as suits what is recorded. */
  async openAdapting(options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
    // On a busy machine a statement and a connection may take their time, and so may those that a read waits for.
    const patient = { statementTimeoutMs: 60_000, connectMsMax: 60_000, turnMsMax: 60_000 };
    const own = { url: this.url, poolSize: 4, ...patient, observer: new Witness() };
    const store = await openPostgresStore({ ...own, ...options });
    this.#opened.push(store);
    return store;
  }

  /** Stores as so many processes would have them, opened at once. */
  async openSeveral(count: number, options: Partial<PostgresStoreOptions> = {}): Promise<readonly Store[]> {
    return Promise.all(Array.from({ length: count }, () => this.open(options)));
  }

  query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.#server.query(text, this.url);
  }

  /** Another program's transaction: holds what `text` locks until it is ended. */
  async hold(text: string): Promise<{ end(): Promise<void> }> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    await client.query(`SET search_path = sentlog; BEGIN; ${text}`);
    return { end: () => client.end() };
  }

  /** Whether a session waits for a lock, of this kind if given. */
  async waits(kind?: 'advisory'): Promise<boolean> {
    const waiting = `SELECT string_agg(wait_event, ',') FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    const here = await this.query(`SELECT (${waiting}) AS events`);
    // Who waits for rows on Citus waits on a worker.
    const workers = (await isOnCitus())
      ? await this.query(`SELECT result AS events FROM run_command_on_workers($$${waiting}$$)`)
      : [];
    const events = [...here, ...workers].flatMap(({ events }) => String(events ?? '').split(',')).filter(Boolean);
    return events.some(event => kind === undefined || event === kind);
  }

  someoneWaits(): Promise<void> {
    return until(() => this.waits());
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map(store => store.close()));
    // It costs those of a cluster something to have many.
    if (isGiven) await this.#server.drop(this.url);
  }
}
