import { beforeAll } from 'vitest';
import { modelTests } from '../store/conformance/model.ts';
import { recordingTests } from '../store/conformance/recording.ts';
import { reportTests } from '../store/conformance/reports.ts';
import { summaryTests } from '../store/conformance/summary.ts';
import { waitingTests } from '../store/conformance/waiting.ts';
import { conformance, keepingGroups, partly } from '../store/conformance.ts';
import { openPostgresEngine } from '../store/postgres/engine.ts';
import { type DatabaseServer, databaseServer, isGiven } from '../support/database-server.ts';

let server: DatabaseServer;
let url: string;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  url = await server.database();
  return () => server.remove();
});

// On Citus nothing is sealed. What every run shows of it is `sealing.test.ts`.
if (!isGiven)
  conformance(
    'the engine over PostgreSQL with everything sealed and its keys folded',
    hints => openPostgresEngine(server, url, { ...hints, sealing: true }),
    // Each partition is looked at whenever something was recorded: few of them.
    {
      groups: partly([recordingTests, waitingTests, modelTests, reportTests, summaryTests, ...keepingGroups]),
      segmentSizes: [1000],
    },
  );
