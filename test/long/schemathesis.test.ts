import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { dateTimePattern } from '../../src/wire/date-time.ts';
import { ServerHome } from '../support/server-process.ts';

/** Of PyPI (`pip install schemathesis`): another path of the program than that on PATH. */
const program = process.env.SENTLOG_TEST_SCHEMATHESIS ?? 'schemathesis';
const folder = join(import.meta.dirname, 'schemathesis');
/** Cases of each operation that are made at random, beside those for every edge of its description. */
const cases = process.env.SENTLOG_TEST_SCHEMATHESIS_CASES ?? '50';
const seed = process.env.PROPERTY_SEED ?? '1';
const nobody = 'http://127.0.0.1:1';
/** No name under `.example` is anyone's. */
const reports = 'https://reports.example';

const homes: ServerHome[] = [];
afterAll(async () => {
  for (const home of homes) await home.remove();
});

/** Cases of every operation but those named, by a server with this carrier; rejects with what was found. */
async function tried(carrier: string, ...which: readonly string[]): Promise<void> {
  const home = new ServerHome();
  homes.push(home);
  const server = await home.serve({
    settings: {
      SENTLOG_CARRIER: carrier,
      SENTLOG_SECRET: 's'.repeat(32),
      SENTLOG_GRAPH_URL: nobody,
      SENTLOG_MIRROR_HOSTS: new URL(nobody).host,
      SENTLOG_AUTH_FAILURE_LIMIT: '1000000',
      SENTLOG_WEBHOOK_VERIFY_TOKEN: 'verify',
    },
  });
  const args = [
    ...['--config-file', join(folder, 'schemathesis.toml'), 'run', `${server.address}/openapi.json`],
    ...['--header', `Authorization: ${server.firstAuthorization}`, '--checks', 'all', '--continue-on-failure'],
    // Names that accounts share get the account's at their end: the answer tells which one it is, and not the request. Where
    // one call follows from another, what is said of a check for single operations does not count.
    ...['--exclude-checks', 'ensure_resource_availability'],
    ...['--no-shrink', '--max-examples', cases, '--seed', seed, '--warnings', 'off', '--output-truncate', 'false'],
    // A machine that is busy hashes a password for as long.
    ...['--request-timeout', '300'],
    ...which,
  ];
  const env = {
    ...process.env,
    PYTHONPATH: folder,
    PYTHONDONTWRITEBYTECODE: '1',
    SCHEMATHESIS_HOOKS: 'sentlog_hooks',
    SENTLOG_DATE_TIME: dateTimePattern,
    SENTLOG_MIRROR: nobody,
    SENTLOG_REPORTS: `${reports}/`,
    SENTLOG_OWN_KEY: server.firstAuthorization?.split('_')[1] ?? '',
  };
  const running = spawn(program, args, { cwd: home.dataDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [running.stdout, running.stderr]) stream.on('data', piece => (printed += piece));
  const [code] = await once(running, 'close');
  if (code !== 0) throw new Error(printed.slice(-30_000));
  // With a key that had been revoked, everything would have been refused.
  const headers = { authorization: server.firstAuthorization ?? '' };
  expect((await fetch(`${server.address}/manage/1/account`, { headers })).status).toBe(200);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(server.stderr.split('\n').filter(line => line !== '' && !isOfNobody(line))).toEqual([]);
}

/** The mirrors that the tester adds, and the addresses that it wants reports at, have nobody there; the server says so. */
function isOfNobody(line: string): boolean {
  if (!line.startsWith('{')) return false;
  const said = JSON.parse(line);
  return 'mirror' in said || said.origin === reports;
}

const isThere = spawnSync(program, ['--version']).status === 0;
// A stream of events has no end: each is read for three seconds.
const endless = ['--request-timeout', '3', '--max-examples', '10'];

test.for<[carrier: string, what: string, which: readonly string[]]>([
  [
    'simulated',
    'every operation but those of a carrier and recording',
    [
      ...['--exclude-operation-id', 'recordLogs', '--exclude-operation-id', 'followLogs'],
      ...['--exclude-path-regex', '^/manage/1/senders|^/webhooks/meta'],
    ],
  ],
  // As many cases as all others together: each edge of each content, in each shape that a record may have.
  ['simulated', 'recording', ['--include-operation-id', 'recordLogs']],
  ['simulated', 'following', ['--include-operation-id', 'followLogs', ...endless]],
  ['graph', 'senders and webhooks', ['--include-path-regex', '^/manage/1/senders|^/webhooks']],
])(
  'a server with the carrier %s, %s → nothing is answered but what the description says',
  async ([carrier, , which], { skip }) => {
    if (!isThere) return skip(`${program} is not there: pip install schemathesis`);
    await tried(carrier, ...which);
  },
);
