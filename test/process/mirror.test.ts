import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import { shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { type SimulatedServer, serveInfobip } from '../../simulator/server.ts';
import type { LogCalls } from '../support/log-calls.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { ServerHome, type Settings } from '../support/server-process.ts';

const hour = 3_600_000;
const key = 'a-key-of-the-other-side';
const secret = 'a secret of the operator that is long'.replaceAll(' ', '-');
const settings = { SENTLOG_SECRET: secret };

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function otherSide(requestsPerMinute: number): Promise<{ infobip: SimulatedInfobip; server: SimulatedServer }> {
  const infobip = new SimulatedInfobip({ seed: 'process', clock: Date.now, keys: [key], requestsPerMinute });
  const server = await serveInfobip(infobip);
  closing.push(() => server.close());
  return { infobip, server };
}

function newHome(more: Settings = {}): ServerHome {
  const home = new ServerHome(undefined, { ...settings, ...more });
  closing.push(() => home.remove());
  return home;
}

const random = new Random('messages of the process tests');
let ids = 0;

function send(infobip: SimulatedInfobip, count: number, overMs: number, pace = 0.001): void {
  const now = infobip.now();
  for (let i = 0; i < count; i++)
    infobip.add(
      simulatedMessage(
        { messageId: `m${++ids}`, sentAt: now - Math.floor(((count - i) * overMs) / count), pace },
        random,
      ),
    );
}

const truth = (infobip: SimulatedInfobip) =>
  new Map(infobip.log.messages().map(one => [one.messageId, JSON.parse(JSON.stringify(shownAt(one, infobip.now())))]));

async function kept(calls: LogCalls): Promise<ReadonlyMap<string, unknown>> {
  const logs = await calls.walk();
  const byId = new Map(logs.map(log => [log.messageId, log]));
  expect(byId.size).toBe(logs.length);
  return byId;
}

/** Waits until both sides are the same, or tells how they differ. */
async function untilSame(infobip: SimulatedInfobip, calls: LogCalls, ms = 120_000): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await wait(1000))
    if (isDeepStrictEqual(await kept(calls), truth(infobip))) return;
  expect(await kept(calls)).toEqual(truth(infobip));
}

/** Adds a mirror of the account that the first start made, as the operator does. */
async function addMirror(home: ServerHome, from: string, ...flags: readonly string[]): Promise<void> {
  const file = `${home.dataDir}.key`;
  writeFileSync(file, `${key}\n`);
  const of = ['--account', 'default', '--from', from, '--key-file', file];
  const { code, stderr } = await home.command('mirrors', 'add', ...of, ...flags);
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

async function status(home: ServerHome): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await home.command('mirrors', 'status', 'default');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout);
}

test('a mirror that a command adds → the log of the other side, and what comes there, and how it is', async () => {
  const { infobip, server } = await otherSide(6000);
  send(infobip, 5000, 47 * hour);
  const home = newHome({ SENTLOG_RATE_LIMIT: '100000' });
  const sentlog = await home.serve();
  const calls = home.calls(sentlog);
  await addMirror(home, server.url, '--requests-per-minute', '300');
  await untilSame(infobip, calls);
  send(infobip, 50, 1000);
  await untilSame(infobip, calls);
  expect(await status(home)).toMatchObject({ state: 'following', gaps: [], recorded: 5050, refused: 0 });
  expect((await calls.call('/metrics')).text).toMatch(/^sentlog_mirror_recorded_total\{mirror="default"\} 5050$/m);
  expect(infobip.asked.filter(({ target }) => !target.startsWith('/messenger/1/logs?'))).toEqual([]);
  const ours = ['--url', sentlog.address, '--key', (await home.createKey('default')).replace('App ', '')];
  const check = await home.command('mirrors', 'check', 'default', ...ours);
  expect(check).toMatchObject({ code: 0, stdout: '' });
  expect(check.stderr).toMatch(/[45]\d\d\d messages compared by \d+ questions: 0 differences/);
  expect(await status(home)).toMatchObject({ lastCheck: { differences: 0 } });
  expect(sentlog.stdout + sentlog.stderr + check.stderr).not.toContain(key);

  // Paused: nothing is asked until it goes on, where it was; removed: what was kept stays.
  expect(await home.command('mirrors', 'pause', 'default')).toMatchObject({ code: 0 });
  expect(await status(home)).toMatchObject({ state: 'paused', reason: 'paused by command' });
  await until(async () => (await calls.call('/metrics')).text.includes('sentlog_mirror_running{mirror="default"} 0'));
  const asked = infobip.asked.length;
  send(infobip, 20, 1000);
  await until(async () => (await calls.call('/metrics')).text.includes('sentlog_mirror_lag_seconds'));
  expect(infobip.asked.length).toBe(asked);
  expect(await home.command('mirrors', 'resume', 'default')).toMatchObject({ code: 0 });
  await untilSame(infobip, calls);
  expect(await home.command('mirrors', 'remove', 'default')).toMatchObject({ code: 0 });
  expect((await home.command('mirrors', 'list')).stdout).toBe('');
  for (const command of ['pause', 'resume', 'remove', 'status'])
    expect(await home.command('mirrors', command, 'default')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no mirror "default"'),
    });
  await until(async () => !(await calls.call('/metrics')).text.includes('mirror="default"'));
  expect((await kept(calls)).size).toBe(5070);
});

test('the key is refused → the mirror rests and says why; another key → it goes on', async () => {
  const { infobip, server } = await otherSide(6000);
  send(infobip, 100, hour);
  infobip.keys.clear();
  const home = newHome();
  const calls = home.calls(await home.serve());
  await addMirror(home, server.url);
  await until(async () => (await status(home)).state === 'paused');
  expect((await status(home)).reason).toContain('refuses the key (401');
  const asked = infobip.asked.length;
  infobip.keys.add('another-key');
  const file = join(home.dataDir, 'another.key');
  writeFileSync(file, 'another-key');
  expect(infobip.asked.length).toBe(asked);
  await home.command('mirrors', 'resume', 'default', '--key-file', file);
  await untilSame(infobip, calls);
});

const kills = 20;

test('killed twenty times while it catches up and follows → the other side, message by message, nothing twice', async () => {
  const { infobip, server } = await otherSide(60_000);
  send(infobip, 6000, 47 * hour);
  infobip.faults = { slow: 0.7, cut: 0.03, lost: 0.03, unavailable: 0.03 };
  const home = newHome();
  const first = await home.serve();
  await addMirror(home, server.url, '--requests-per-minute', '600');
  await first.end('SIGKILL');
  for (let round = 0; round < kills; round++) {
    const asked = infobip.asked.length;
    const sentlog = await home.serve();
    send(infobip, 40, 2000);
    await until(async () => infobip.asked.length > asked + (round % 3));
    await wait((round * 37) % 150);
    await sentlog.end('SIGKILL');
  }
  infobip.faults = {};
  const calls = home.calls(await home.serve());
  await untilSame(infobip, calls);
  expect((await status(home)).gaps).toEqual([]);
  const [some = ''] = (await kept(calls)).keys();
  const { timeline } = JSON.parse((await calls.call(`/messenger/1/messages/${some}`)).text);
  expect(new Set(timeline.map((entry: object) => JSON.stringify({ ...entry, receivedAt: '' }))).size).toBe(
    timeline.length,
  );
});

test('two servers over PostgreSQL, the one with the lease is killed → the other goes on where it was', async () => {
  const postgres = await PostgresServer.start(['fsync=off']);
  closing.push(() => postgres.remove());
  const url = await postgres.database();
  const { infobip, server } = await otherSide(60_000);
  send(infobip, 3000, 47 * hour);
  const home = newHome({ SENTLOG_STORE: url });
  const holder = async () => (await postgres.query('SELECT holder FROM sentlog.mirror', url))[0]?.holder;
  const first = await home.serve();
  await addMirror(home, server.url, '--requests-per-minute', '300');
  await until(async () => (await holder()) != null);
  const held = await holder();
  const second = await home.serve();
  await untilSame(infobip, home.calls(second));
  expect(await holder()).toBe(held);
  await first.end('SIGKILL');
  send(infobip, 30, 1000);
  await untilSame(infobip, home.calls(second));
  expect(await holder()).not.toBe(held);
  expect((await status(home)).gaps).toEqual([]);
});

test('settings of a mirror → it is there with no command, its key from a file', async () => {
  const { infobip, server } = await otherSide(6000);
  send(infobip, 100, hour);
  const home = newHome();
  writeFileSync(`${home.dataDir}.key`, `${key}\n`);
  const named = { SENTLOG_MIRROR_FROM: server.url, SENTLOG_MIRROR_KEY_FILE: `${home.dataDir}.key` };
  const calls = home.calls(await home.serve({ settings: named }));
  await untilSame(infobip, calls);
  const { stdout } = await home.command('mirrors', 'list');
  expect(JSON.parse(stdout)).toMatchObject({ name: 'infobip', account: 'default', from: server.url });
  expect(stdout).not.toContain(key);
});

async function until(holds: () => Promise<boolean>, ms = 60_000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); await wait(50))
    if (Date.now() > end) throw new Error('what was waited for did not come');
}
