import { beforeAll } from 'vitest';
import { type DatabaseServer, databaseServer } from '../../support/database-server.ts';
import { outcomeTests } from '../conformance/outcomes.ts';
import { conformance } from '../conformance.ts';
import { openPostgresEngine, segmentSizes } from './engine.ts';

let server: DatabaseServer;
let url: string;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  url = await server.database();
  return () => server.remove();
});

conformance('the engine over PostgreSQL', hints => openPostgresEngine(server, url, hints), { segmentSizes });
outcomeTests(hints => openPostgresEngine(server, url, hints));
