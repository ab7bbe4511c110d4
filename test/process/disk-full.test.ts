import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { errorAnswer, eventually } from '../support/log-calls.ts';
import { Ledger, Load } from '../support/recording-load.ts';
import { ServerHome } from '../support/server-process.ts';
import { type SmallDisk, smallDisks } from '../support/small-disk.ts';

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
