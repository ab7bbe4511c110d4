import { expect, onTestFinished, test } from 'vitest';
import { ClockFile } from '../support/clock-file.ts';
import type { LogCalls } from '../support/log-calls.ts';
import { hour, kept, MirrorSetup, until } from '../support/mirror-setup.ts';

const minute = 60_000;

test('an hour away, a key that is revoked, a clock that is wrong, then away for too long → the other side, and the one gap', async () => {
  const clock = new ClockFile();
  onTestFinished(() => clock.remove());
  const setup = await MirrorSetup.open({ SENTLOG_RETENTION: '30d' }, undefined, () => clock.now());
  onTestFinished(() => setup.close());
  const { infobip, home } = setup;
  setup.send(300, 5 * hour);
  const sentlog = await home.serve(clock.launch);
  const calls = home.calls(sentlog);
  const is = (name: string, value: number) => until(async () => (await figure(calls, name)) === value);
  /** Time passes for both sides, with messages all along. */
  const pass = (ms: number, messages: number) => {
    clock.shiftMs += ms;
    setup.send(messages, ms);
  };
  await setup.addMirror('--requests-per-minute', '600');
  await setup.untilSame(sentlog);

  infobip.isAway = true;
  await is('in_trouble', 1);
  for (let i = 0; i < 6; i++) pass(10 * minute, 10);
  infobip.isAway = false;
  await setup.untilSame(sentlog);

  infobip.keys.clear();
  await is('running', 0);
  const asked = infobip.asked.length;
  pass(30 * minute, 20);
  infobip.keys.add('another-key');
  await setup.command('mirrors', 'resume', 'default', '--key-file', setup.keyFile('another-key'));
  await setup.untilSame(sentlog);
  // While it rested, it asked nothing with the key that is refused.
  expect(infobip.asked.slice(asked).filter(one => one.status === 401)).toEqual([]);
  expect(await figure(calls, 'running')).toBe(1);

  // What is sent meanwhile is dated an hour ahead; then that hour comes once more.
  infobip.skewMs = hour;
  setup.send(20, 1000);
  await setup.untilSame(sentlog);
  infobip.skewMs = 0;
  pass(1000, 20);
  await is('recorded_total', infobip.log.size);
  pass(hour + minute, 20);
  await setup.untilSame(sentlog);
  expect(await gaps(calls, clock.now())).toEqual([]);

  infobip.isAway = true;
  await is('in_trouble', 1);
  const awaySince = clock.now();
  pass(50 * hour, 30);
  infobip.isAway = false;
  await is('gaps', 1);
  const [gap, ...others] = await gaps(calls, clock.now());
  expect(others).toEqual([]);
  const [from, to] = [Date.parse(gap?.from ?? ''), Date.parse(gap?.to ?? '')];
  const isInGap = ({ sentAt }: { readonly sentAt: number }) => sentAt >= from && sentAt < to;
  await setup.untilSame(sentlog, { unless: isInGap });
  const here = await kept(calls);
  const missing = infobip.log.messages().filter(({ messageId }) => !here.has(messageId));
  expect(missing).toEqual(infobip.log.messages().filter(isInGap));
  expect(missing.length).toBeGreaterThan(0);
  expect(Math.abs(from - awaySince)).toBeLessThan(10 * minute);
});

/** A figure of the mirror in `/metrics`. */
async function figure(calls: LogCalls, name: string): Promise<number> {
  const { text } = await calls.call('/metrics');
  return Number(new RegExp(`^sentlog_mirror_${name}\\{mirror="1"\\} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** What a summary of all that is kept says is missing. */
async function gaps(calls: LogCalls, now: number): Promise<readonly { readonly from: string; readonly to: string }[]> {
  const sentSince = new Date(now - 29 * 24 * hour).toISOString();
  const { complete, gaps = [] } = JSON.parse(
    (await calls.call(`/messenger/1/logs/summary?sentSince=${sentSince}`)).text,
  );
  expect(complete).toBe(gaps.length === 0);
  return gaps;
}
