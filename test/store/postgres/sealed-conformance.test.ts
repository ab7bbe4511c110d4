import { beforeAll } from 'vitest';
import { type DatabaseServer, databaseServer, isGiven } from '../../support/database-server.ts';
import { reportTests } from '../conformance/reports.ts';
import { summaryTests } from '../conformance/summary.ts';
import { conformance, keepingGroups, partly } from '../conformance.ts';
import { openPostgresEngine } from './engine.ts';

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
    // Each partition is looked at whenever something was recorded: few of them.
    { groups: partly([reportTests, summaryTests, ...keepingGroups]), segmentSizes: [1000] },
  );
