import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import type { PostgresStoreOptions } from '../../../src/store/postgres/options.ts';
import type { ReplicaReads, Store, StoreObserver, StoreReads } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until } from '../../support/sqlite-log.ts';

export const replicaUsed = 'info a read replica is used';
export const databaseOf = (address: string) => new URL(address).pathname.slice(1);

/** What is told, in lines of level, message and reason. */
class Listener implements StoreObserver {
  readonly told: string[] = [];

  committed(): void {}

  damaged(): void {}

  note({ message, level, detail }: Parameters<StoreObserver['note']>[0]): void {
    const reason = detail !== undefined && 'reason' in detail ? `: ${detail.reason}` : '';
    this.told.push(`${level} ${message}${reason}`);
  }
}

type Running = { readonly server: PostgresServer; readonly standby: PostgresServer };
type Begun = { readonly url: string; readonly listener: Listener; readonly opened: Store[] };

/** A database server and a standby that streams from it, with a database of its own for each test. */
export class ReplicaPair {
  readonly #standbySettings: readonly string[];
  #running: Running | undefined;
  #begun: Begun | undefined;

  constructor(standbySettings: readonly string[] = []) {
    this.#standbySettings = standbySettings;
  }

  async start(): Promise<void> {
    const server = await PostgresServer.start(['fsync=off', 'full_page_writes=off', 'wal_keep_size=512MB']);
    this.#running = { server, standby: await server.standby(this.#standbySettings) };
  }

  async remove(): Promise<void> {
    await Promise.all([this.standby.remove(), this.server.remove()]);
  }

  get server(): PostgresServer {
    return this.#started().server;
  }

  get standby(): PostgresServer {
    return this.#started().standby;
  }

  get url(): string {
    return this.#test().url;
  }

  get replicaUrl(): string {
    return this.standby.url(databaseOf(this.url));
  }

  /** What the stores of this test have told. */
  get told(): string[] {
    return this.#test().listener.told;
  }

  async begin(): Promise<void> {
    const listener = new Listener();
    this.#begun = { url: await this.server.database(), listener, opened: [] };
    await until(() => this.standby.isThere(this.replicaUrl));
  }

  async end(): Promise<void> {
    await this.standby.resume();
    await this.resumeReplay();
    await Promise.all(this.#test().opened.map(store => store.close()));
  }

  /** Resolves when nothing more is replayed. */
  async pauseReplay(): Promise<void> {
    await this.standby.query('SELECT pg_wal_replay_pause()');
    await until(async () => {
      const [row] = await this.standby.query('SELECT pg_get_wal_replay_pause_state() AS state');
      return row?.state === 'paused';
    });
  }

  async resumeReplay(): Promise<void> {
    await this.standby.query('SELECT pg_wal_replay_resume()');
  }

  async open(options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
    const { url, listener: observer, opened } = this.#test();
    const store = await openPostgresStore({ url, poolSize: 6, observer, ...options });
    opened.push(store);
    return store;
  }

  /** A store that reads from the standby, or these, once it does. */
  async openOver(lagMsMax: number, urls = [this.replicaUrl]): Promise<Store> {
    const store = await this.open({ replicas: { urls, lagMsMax, lookEveryMs: 20 } });
    await until(() => this.told.filter(line => line === replicaUsed).length === urls.length);
    return store;
  }

  #started(): Running {
    if (this.#running === undefined) throw new Error('the servers are not started');
    return this.#running;
  }

  #test(): Begun {
    if (this.#begun === undefined) throw new Error('no test has begun');
    return this.#begun;
  }
}

export async function readsOf(store: Store): Promise<StoreReads> {
  const { reads } = await store.stats();
  if (reads === undefined) throw new Error('there are no replicas');
  return reads;
}

export async function replicaIn(store: Store): Promise<ReplicaReads> {
  const [replica] = (await readsOf(store)).replicas;
  if (replica === undefined) throw new Error('there is no replica');
  return replica;
}
