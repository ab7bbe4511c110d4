import { afterAll, beforeAll, expect } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until } from '../../support/sqlite-log.ts';
import { conformance, partly, readingGroups } from '../conformance.ts';
import { openPostgresEngine, segmentSizes } from './engine.ts';

let server: PostgresServer;
let standby: PostgresServer;
let url: string;
let replicaUrl: string;
let replicaReads = 0;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off', 'full_page_writes=off']);
  standby = await server.standby();
  url = await server.database();
  replicaUrl = standby.url(new URL(url).pathname.slice(1));
  await until(() => standby.isThere(replicaUrl));
});
afterAll(async () => {
  await Promise.all([standby.remove(), server.remove()]);
  expect(replicaReads).toBeGreaterThan(0);
});

/** A test may have closed it. */
async function closing(store: Store): Promise<void> {
  const stats = await store.stats().catch(() => undefined);
  replicaReads += stats?.reads?.replicas[0]?.reads ?? 0;
}

// What was recorded shows at once to whoever recorded it, so the contract holds whatever the lag may be.
conformance(
  'the engine over PostgreSQL and a replica',
  hints => {
    const replicas = { urls: [replicaUrl], lagMsMax: 30_000, lookEveryMs: 20 };
    return openPostgresEngine(server, url, { ...hints, replicas, closing });
  },
  { groups: partly(readingGroups), segmentSizes: segmentSizes.slice(0, 1) },
);
