import { afterAll, beforeAll, expect } from 'vitest';
import type { PostgresStoreOptions } from '../../../src/store/postgres/options.ts';
import type { Store } from '../../../src/store/store.ts';
import { type DatabaseServer, databaseServer, isGiven } from '../../support/database-server.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { isThorough } from '../../support/properties.ts';
import { until } from '../../support/sqlite-log.ts';
import { conformance, partly, placingGroups } from '../conformance.ts';
import { openPostgresEngine, type PostgresEngineHints, segmentSizes } from './engine.ts';
import { databaseOf } from './replica-pair.ts';

let server: DatabaseServer;
let standby: PostgresServer | undefined;
let url: string;
let replicaReads = 0;

beforeAll(async () => {
  const settings = ['fsync=off', 'full_page_writes=off'];
  if (isGiven) {
    server = await databaseServer();
    url = await server.database();
    return;
  }
  const own = await PostgresServer.start(settings);
  server = own;
  standby = await own.standby();
  url = own.url('postgres');
});
afterAll(async () => {
  await Promise.all([standby?.remove(), server.remove()]);
  if (!isGiven) expect(replicaReads).toBeGreaterThan(0);
});

/** A test may have closed it. */
async function closing(store: Store): Promise<void> {
  const stats = await store.stats().catch(() => undefined);
  replicaReads += stats?.reads?.replicas[0]?.reads ?? 0;
}

/** More of them prove no more: each answer is put together of several. */
const spread = () => ({ slices: isThorough ? 5 : 3 });

/**
 * What was recorded shows at once to whoever recorded it, so the contract holds whatever the lag may be. Each look and beat is
 * work of two servers, and the stores that all cases share are open for long.
 */
async function replicasOf(url: string): Promise<PostgresStoreOptions['replicas']> {
  const replica = standby;
  if (replica === undefined) throw new Error('there is no standby');
  const replicaUrl = replica.url(databaseOf(url));
  await until(() => replica.isThere(replicaUrl));
  return { urls: [replicaUrl], lagMsMax: 30_000, lookEveryMs: 100 };
}

const replicated = () => ({ replicas: replicasOf, closing });
const both = () => ({ ...spread(), ...replicated() });

/** How wide partitions are has nothing to do with either; the contract without them is tried with both. */
const sizes = isThorough ? segmentSizes : segmentSizes.slice(0, 1);

type Kind = readonly [name: string, hintsOf: () => Partial<PostgresEngineHints>];

/** Where messages are kept and where they are read have nothing to do with each other, so one log has both unless there is time. */
const kinds: readonly Kind[] = isGiven
  ? [['with every account spread over slices', spread]]
  : [
      ['with every account spread over slices, and a replica', both],
      ...(isThorough
        ? ([
            ['with every account spread over slices', spread],
            ['and a replica', replicated],
          ] as const)
        : []),
    ];

for (const [name, hintsOf] of kinds)
  conformance(
    `the engine over PostgreSQL ${name}`,
    hints => openPostgresEngine(server, url, { ...hints, ...hintsOf() }),
    { groups: partly(placingGroups), segmentSizes: sizes },
  );
