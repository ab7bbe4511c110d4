import { afterAll, beforeAll } from 'vitest';
import { type DatabaseServer, databaseServer } from '../../support/database-server.ts';
import { conformance, partly, placingGroups } from '../conformance.ts';
import { openPostgresEngine, segmentSizes } from './engine.ts';

let server: DatabaseServer;
let url: string;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  url = await server.database();
});
afterAll(() => server.remove());

conformance(
  'the engine over PostgreSQL with every account spread over slices',
  hints => openPostgresEngine(server, url, { ...hints, slices: 5 }),
  { groups: partly(placingGroups), segmentSizes: segmentSizes.slice(1) },
);
