import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { errorAnswer, eventually, type LogCalls, numberedFrom } from '../support/log-calls.ts';
import { Ledger, Load } from '../support/recording-load.ts';
import { ServerHome } from '../support/server-process.ts';
import { LastingDisk, type SmallDisk, smallDisks } from '../support/small-disk.ts';

const disks: SmallDisk[] = [];
const homes: ServerHome[] = [];

afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
  for (const disk of disks.splice(0)) await disk.remove();
});

test.each(smallDisks())('no room ($name) → 503 until there is, reads go on, nothing is lost', async ({ make }) => {
  const disk = make();
  disks.push(disk);
  const server = await disk.home.serve(disk.launch);
  const calls = disk.home.calls(server);
  expect((await calls.call('/health/ready')).status).toBe(200);
  const ledger = new Ledger(Date.now() - 600_000);
  const load = new Load(ledger, calls);
  await load.finished();
  expect(load.failures).toEqual([]);
  for (const refusal of load.refusals) {
    expect(refusal.status).toBe(503);
    expect(errorAnswer(refusal).errorCode).toBe('E503');
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect(ledger.faults(await calls.walk())).toEqual([]);
  expect(await ledger.timelineFaults(calls, 10)).toEqual([]);
  expect((await calls.call('/health/ready')).status).toBe(503);
  expect((await calls.call('/health/live')).status).toBe(200);

  disk.makeRoom(server);
  await eventually('recording resumes', async () => {
    const { status } = await calls.postNdjson([{ messageId: 'message-0' }]);
    return status === 200;
  });
  await eventually('the server is ready', async () => (await calls.call('/health/ready')).status === 200);
  await Load.repeatUnanswered(ledger, calls);
  const more = new Load(ledger, calls);
  await more.confirmed(2000);
  await more.stop();
  expect(ledger.faults(await calls.walk())).toEqual([]);
  expect(await ledger.timelineFaults(calls, 10)).toEqual([]);
  expect(ledger.wrongAnswers).toEqual([]);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('data folder that is a file → one clear line and exit code 1', async () => {
  const home = new ServerHome();
  homes.push(home);
  mkdirSync(dirname(home.dataDir), { recursive: true });
  writeFileSync(home.dataDir, '');
  const server = home.launch();
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.stderr.trim().split('\n')).toHaveLength(1);
  expect(server.stderr).toContain(home.dataDir);
});

const lastingDisks = LastingDisk.isAvailable ? (['SIGTERM', 'SIGKILL'] as const) : [];

test.each(lastingDisks)(
  'full disk, with the log output on it, and a server ended on it by %s → starts again',
  async signal => {
    const disk = await LastingDisk.make(24 * 1024 * 1024);
    try {
      const { home } = disk;
      const output = ['sh', '-c', 'exec "$@" 2>> "$0"', join(disk.folder, 'output')];
      const launch = { through: [...disk.through, ...output], settings: { SENTLOG_LOG_LEVEL: 'trace' } as const };
      // More than is reserved, and more than could be copied out of the write-ahead log.
      const recorded = numberedFrom(0, 8000, { content: { type: 'TEXT', text: 'x'.repeat(1000) } });
      const ids = recorded.map(one => one.messageId).sort();
      const idsAt = async (calls: LogCalls) => (await calls.walk()).map(log => log.messageId).sort();
      let server = await home.serve(launch);
      await home.calls(server).record(recorded);
      disk.fill();
      // What cannot be logged is answered all the same, and as ever.
      expect(await idsAt(home.calls(server))).toEqual(ids);
      await eventually('nothing can be recorded', async () => {
        const { status } = await home.calls(server).postNdjson(numberedFrom(20_000, 200));
        expect([200, 503]).toContain(status);
        return status === 503;
      });
      const held = await idsAt(home.calls(server));
      expect(server.ended).toBe(false);
      await server.end(signal);

      server = await home.serve(launch);
      // Before anybody tried to record.
      expect((await home.calls(server).call('/health/ready')).status).toBe(503);
      expect(await idsAt(home.calls(server))).toEqual(held);
      expect((await home.calls(server).postNdjson(numberedFrom(9000, 1))).status).toBe(503);
      await server.end(signal);

      // All of it is past retention: once it is dropped, there is room.
      server = await home.serve({ ...launch, settings: { SENTLOG_RETENTION: '1s', SENTLOG_SEGMENT_AGE: '1s' } });
      await eventually('what is past retention is dropped', async () => {
        const free = /^sentlog_store_free_bytes (\d+)/m.exec((await home.calls(server).call('/metrics')).text)?.[1];
        return Number(free) > 4 * 1024 * 1024;
      });
      await eventually('recording resumes', async () => {
        const { status } = await home
          .calls(server)
          .postNdjson(numberedFrom(9000, 1, { sentAt: new Date().toISOString() }));
        return status === 200;
      });
      expect((await server.end('SIGTERM')).code).toBe(0);
    } finally {
      await disk.remove();
    }
  },
);

const oneDisk = LastingDisk.isAvailable ? ['a file system'] : [];

test.each(oneDisk)('%s that nothing can be opened on to be written, and later can → 503, then as ever', async () => {
  const disk = await LastingDisk.make(24 * 1024 * 1024);
  try {
    const { home } = disk;
    const server = await home.serve({ through: disk.through });
    const calls = home.calls(server);
    const post = (path: string, body: object) =>
      calls.call(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const password = 'long enough';
    const { name: username } = JSON.parse((await post('/manage/1/users', { name: 'ann', password })).text);
    const login = async () => (await post('/auth/1/session', { username, password })).status;
    const open = disk.closeForWriting();
    expect(await login()).toBe(503);
    open();
    await eventually('somebody can sign in', async () => (await login()) === 200);
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  } finally {
    await disk.remove();
  }
});
