import { loadConfig } from '../../src/config.ts';
import { openSqliteStore } from '../../src/store/embedded/engine.ts';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import type { Store, StoreObserver } from '../../src/store/store.ts';
import { PlainPostgresStore } from '../comparators/plain-postgres.ts';
import { PlainSqliteStore } from '../comparators/plain-sqlite.ts';
import type { StoreChoice } from './messages.ts';

/** Half of them record: as many as the plain table has. */
const postgresConnections = 16;

/** The store of a driver; sentlog's as it is when nothing is set, but for the size of its segments. */
export async function openStore(choice: StoreChoice, observer: StoreObserver): Promise<Store> {
  if (choice.driver === 'sentlog-postgres')
    return openPostgresStore({ url: choice.url, poolSize: postgresConnections, observer });
  if (choice.driver === 'plain-postgres') return PlainPostgresStore.open(choice.url);
  if (choice.driver === 'plain-sqlite') return new PlainSqliteStore(choice.folder);
  const { durability, segmentAgeMs, readerThreads } = loadConfig({ env: {}, flags: {} });
  const { folder, segmentMessagesMax } = choice;
  return openSqliteStore({ dataDir: folder, durability, segmentMessagesMax, segmentAgeMs, readerThreads, observer });
}
