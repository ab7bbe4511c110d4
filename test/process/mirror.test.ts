import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { hour, kept, MirrorSetup, mirrorKey, until } from '../support/mirror-setup.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import type { Settings } from '../support/server-process.ts';

const openUrl = 'http://log.example.com';

/** As a version that took an address without TLS left it; it rests, and asks nothing. */
async function addOpenMirror(folder: string): Promise<void> {
  const rows = new SqliteMirrorRows(join(folder, 'mirrors.db'));
  const others = { account: 1, requestsPerMinute: 1, sinceMs: hour, createdAt: 0 };
  const made = await rows.add({ name: 'older', from: openUrl, ...others }, 'sealed');
  await rows.pause(made?.id ?? 0, { reason: 'paused', at: 0 });
  await rows.close();
}

async function opened(settings: Settings = {}): Promise<MirrorSetup> {
  const setup = await MirrorSetup.open(settings);
  onTestFinished(() => setup.close());
  return setup;
}

test('a mirror that a command adds → the log of the other side, and what comes there, and how it is', async () => {
  const setup = await opened({ SENTLOG_RATE_LIMIT: '100000', SENTLOG_COMPATIBLE_RETENTION: '30h' });
  const { infobip, home } = setup;
  setup.send(2500, 29 * hour);
  const sentlog = await home.serve();
  const calls = home.calls(sentlog);
  const metrics = async () => (await calls.call('/metrics')).text;
  await setup.addMirror('--requests-per-minute', '600');
  await setup.untilSame(sentlog);
  setup.send(50, 1000);
  await setup.untilSame(sentlog);
  // The log has them before the mirror has written down how far it is, and figures are kept for a moment.
  await until(async () => (await setup.status()).recorded === 2550);
  expect(await setup.status()).toMatchObject({ state: 'following', gaps: [], recorded: 2550, refused: 0 });
  await until(async () => /^sentlog_mirror_recorded_total\{mirror="1"\} 2550$/m.test(await metrics()));
  expect(infobip.asked.filter(({ target }) => !target.startsWith('/messenger/1/logs?'))).toEqual([]);
  const ours = ['--url', sentlog.address, '--key', (await home.createKey('default')).replace('App ', '')];
  const check = await home.command('mirrors', 'check', 'default', '--hours', '100', ...ours);
  expect(check).toMatchObject({ code: 0, stdout: '' });
  expect(check.stderr).toMatch(/^left out: what was sent before \S+: the log here goes back 30 hours$/m);
  expect(check.stderr).toMatch(/2\d\d\d messages compared by \d+ questions: 0 differences/);
  expect(sentlog.stdout + sentlog.stderr + check.stderr).not.toContain(mirrorKey);

  // Paused: nothing is asked until it goes on, where it was; removed: what was kept stays.
  await setup.command('mirrors', 'pause', 'default');
  expect(await setup.status()).toMatchObject({
    state: 'paused',
    reason: 'paused by command',
    lastCheck: { differences: 0 },
  });
  await until(async () => (await metrics()).includes('sentlog_mirror_running{mirror="1"} 0'));
  const asked = infobip.asked.length;
  setup.send(20, 1000);
  await until(async () => (await metrics()).includes('sentlog_mirror_lag_seconds'));
  expect(infobip.asked.length).toBe(asked);
  await setup.command('mirrors', 'resume', 'default');
  await setup.untilSame(sentlog);
  await setup.command('mirrors', 'remove', 'default');
  expect(await setup.command('mirrors', 'list')).toBe('');
  expect(await home.command('mirrors', 'status', 'default')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no mirror "default"'),
  });
  await until(async () => !(await metrics()).includes('mirror="1"'));
  expect((await kept(calls)).size).toBe(2570);
});

test('settings of a mirror, whose key is refused → it rests and says why; another key → it goes on', async () => {
  const setup = await opened();
  const { infobip, home } = setup;
  setup.send(100, hour);
  infobip.keys.clear();
  const settings = { SENTLOG_MIRROR_FROM: setup.url, SENTLOG_MIRROR_KEY_FILE: setup.keyFile(mirrorKey) };
  await addOpenMirror(home.dataDir);
  const sentlog = await home.serve({ settings });
  const warnings = () => sentlog.stderr.split('\n').filter(line => line.includes('for everybody to read'));
  await until(async () => warnings().length > 0);
  expect(warnings().map(line => JSON.parse(line))).toMatchObject([{ mirror: 'older', from: openUrl }]);
  await setup.command('mirrors', 'remove', 'older');
  await until(async () => (await setup.status('infobip')).state === 'paused');
  const listed = await setup.command('mirrors', 'list');
  expect(JSON.parse(listed)).toMatchObject({ name: 'infobip', account: 'default', from: setup.url });
  expect((await setup.status('infobip')).reason).toContain('refuses the key (401');
  infobip.keys.add('another-key');
  await setup.command('mirrors', 'resume', 'infobip', '--key-file', setup.keyFile('another-key'));
  await setup.untilSame(sentlog);
  expect(listed + sentlog.stdout + sentlog.stderr).not.toMatch(/another-key|a-key-of-the-other-side/);
});

test('killed again and again while it catches up and follows → the other side, message by message, nothing twice', async () => {
  const setup = await opened();
  const sentlog = await setup.killWhileMirroring(5, 3000, { slow: 0.7, cut: 0.03, lost: 0.03, unavailable: 0.03 });
  const calls = setup.home.calls(sentlog);
  const [some = ''] = (await kept(calls)).keys();
  const { timeline } = JSON.parse((await calls.call(`/messenger/1/messages/${some}`)).text);
  expect(new Set(timeline.map((entry: object) => JSON.stringify({ ...entry, receivedAt: '' }))).size).toBe(
    timeline.length,
  );
});

test('servers over PostgreSQL, the one with the lease put to sleep as it catches up, the next killed as it follows → another goes on, the one that wakes as any other', async () => {
  const postgres = await PostgresServer.start(['fsync=off']);
  onTestFinished(() => postgres.remove());
  const url = await postgres.database();
  const setup = await opened({ SENTLOG_STORE: url });
  const { infobip, home } = setup;
  const lease = async () => {
    const asked = 'SELECT holder, extract(epoch FROM leased_until - now())::float8 AS seconds FROM sentlog.mirror';
    const [row] = await postgres.query(asked, url);
    return { holder: row?.holder ?? undefined, seconds: Number(row?.seconds) };
  };
  /** Ends the one that has the lease, or puts it to sleep; resolves when it is another's. */
  const fell = async (end: () => Promise<unknown> | undefined) => {
    await end();
    const { holder, seconds } = await lease();
    // With a look each second it is another's within ten.
    expect(seconds).toBeLessThanOrEqual(7);
    setup.send(30, 1000);
    await until(async () => (await lease()).holder !== holder);
  };

  setup.send(5000, 47 * hour);
  infobip.faults = { slow: 1 };
  // Nothing is read until two of them want it; the first has the lease by then.
  infobip.isAway = true;
  const first = await home.serve();
  await setup.addMirror('--requests-per-minute', '300');
  await until(async () => (await lease()).holder !== undefined);
  const second = await home.serve();
  infobip.isAway = false;
  await until(async () => infobip.asked.length >= 2);
  // Its answer is under way, and waits for it.
  await fell(async () => first.signal('SIGSTOP'));
  await setup.untilSame(second);
  const { holder } = await lease();
  first.signal('SIGCONT');
  setup.send(30, 1000);
  await setup.untilSame(first);
  expect((await lease()).holder).toBe(holder);
  expect(await setup.status()).toMatchObject({ state: 'following' });
  await fell(() => second.end('SIGKILL'));
  await setup.untilSame(first);
  expect(await setup.status()).toMatchObject({ state: 'following', gaps: [] });
  // One budget for all of them. Requests are counted before they go, and one may be on its way for longer than another.
  for (const [i, { at }] of infobip.asked.entries())
    expect((infobip.asked[i + 300]?.at ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThan(50_000);
});
