import { afterEach, expect, onTestFinished, test } from 'vitest';
import { ClockFile } from '../support/clock-file.ts';
import { logsPath, numberedFrom } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

const homes: ServerHome[] = [];

afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
});

const hourMs = 3_600_000;

test('wall clock jumps forth and back → all is recorded, in order, once, and the limits let go in time', async () => {
  const home = new ServerHome();
  homes.push(home);
  const clock = new ClockFile();
  onTestFinished(() => clock.remove());
  const settings = { SENTLOG_SEGMENT_MESSAGES: '1000', SENTLOG_RATE_LIMIT: '1000' };
  const options = { settings, ...clock.launch };
  const server = await home.serve(options);
  const calls = home.calls(server);
  const shifts = [0, 3 * hourMs, 0, -2 * hourMs, hourMs];
  for (const [i, ms] of shifts.entries()) {
    clock.shiftMs = ms;
    expect(await calls.record(numberedFrom(i * 1500, 1500))).toMatchObject({ recorded: 1500 });
    expect(await calls.record(numberedFrom(i * 1500, 10))).toMatchObject({ unchanged: 10 });
    const { headers, status } = await calls.call(`${logsPath}?limit=1`);
    expect(status).toBe(200);
    expect(Number(headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60);
  }

  clock.shiftMs = 3 * hourMs;
  await calls.record([{ messageId: 'message-7', status: { name: 'REJECTED_NETWORK' } }]);
  clock.shiftMs = 0;
  await calls.record([{ messageId: 'message-7', status: { name: 'UNDELIVERABLE_NOT_DELIVERED' } }]);
  const history = await calls.history('message-7');
  expect(history?.status.name).toBe('REJECTED_NETWORK');
  expect(history?.timeline).toHaveLength(3);

  const logs = await calls.walk();
  const times = logs.map(log => Date.parse(log.sentAt));
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(logs.map(log => log.messageId).sort()).toEqual(
    numberedFrom(0, shifts.length * 1500)
      .map(one => one.messageId)
      .sort(),
  );
  const shownAt = (number: number) => times[logs.findIndex(log => log.messageId === `message-${number}`)] ?? 0;
  expect(shownAt(1500) - shownAt(0)).toBeGreaterThan(2.9 * hourMs);
  expect(shownAt(0) - shownAt(4500)).toBeGreaterThan(1.9 * hourMs);

  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  const restarted = await home.serve(options);
  expect(await home.calls(restarted).walk()).toEqual(logs);
});
