import { beforeAll } from 'vitest';
import { type DatabaseServer, databaseServer, isGiven } from '../../support/database-server.ts';
import { conformance, partly, placingGroups } from '../conformance.ts';
import { openPostgresEngine, segmentSizes } from './engine.ts';

let server: DatabaseServer;
let url: string;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  url = await server.database();
  return () => server.remove();
});

// On Citus nothing is sealed.
if (!isGiven)
  conformance(
    'the engine over PostgreSQL with everything sealed',
    hints => openPostgresEngine(server, url, { ...hints, sealing: true }),
    { groups: partly(placingGroups), segmentSizes },
  );
