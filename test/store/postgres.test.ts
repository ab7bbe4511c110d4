import { afterAll, beforeAll } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import type { Store, StoreObserver } from '../../src/store/store.ts';
import { type DatabaseServer, databaseServer, prepare } from '../support/database-server.ts';
import { conformance, type OpenedEngine } from './conformance.ts';

let server: DatabaseServer;
let url: string;
let schemas = 0;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  url = await server.database();
});
afterAll(() => server.remove());

/** A sound engine warns of nothing: whatever is told here fails the test that closes. */
class Complaints implements StoreObserver {
  readonly told: string[] = [];

  committed(): void {}

  damaged({ name, reason }: Parameters<StoreObserver['damaged']>[0]): void {
    this.told.push(`${name} is damaged: ${reason}`);
  }

  note({ message, level, detail }: Parameters<StoreObserver['note']>[0]): void {
    if (level !== 'info') this.told.push(`${message} ${JSON.stringify(detail)}`);
  }
}

async function openPostgresEngine(partitionMs: number): Promise<OpenedEngine> {
  const schema = `log_${++schemas}`;
  const observer = new Complaints();
  const open = (): Promise<Store> => openPostgresStore({ url, schema, poolSize: 4, partitionMs, observer });
  await prepare(url, schema);
  const first = await open();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      await store.close();
      store = await open();
      return store;
    },
    close: async () => {
      await store.close();
      await server.query(`DROP SCHEMA ${schema} CASCADE`, url);
      if (observer.told.length > 0) throw new Error(observer.told.join('\n'));
    },
  };
}

conformance('the engine over PostgreSQL', ({ segmentMessagesMax = 1000 }) =>
  openPostgresEngine(segmentMessagesMax < 5 ? 2000 : 3_600_000),
);
