import { expect, onTestFinished, test } from 'vitest';
import { ownLog } from '../../src/http/routes/logs.ts';
import { MirrorChecks } from '../../src/mirror/checks.ts';
import type { Answered } from '../../src/mirror/log-client.ts';
import { MirrorError } from '../../src/mirror/rows.ts';
import { account, hour, minute, World } from './world.ts';

/** A mirror that has been running, and what checks it by a clock that each wait puts forward. */
async function followed(messages = 50) {
  const world = new World();
  world.addPast(messages, 10 * hour);
  await world.run(15 * minute);
  const mirror = await world.mirror();
  const checks = new MirrorChecks({
    mirrors: { key: () => world.key },
    rows: world.rows,
    fetch: world.infobip.fetch,
    clock: () => world.now,
    wait: async (ms, signal) => {
      signal.throwIfAborted();
      world.now += ms;
    },
    note: note => world.notes.push(note),
  });
  onTestFinished(() => checks.stop());
  const ours = ownLog(account, {
    store: world.store,
    clock: () => world.now,
    retentionOf: () => 30 * 24 * hour,
    cursorSecret: Buffer.alloc(32),
  });
  const over = () => expect.poll(() => checks.state(mirror.id).isRunning).toBe(false);
  const last = async () => (await world.rows.mirrors()).find(one => one.id === mirror.id)?.lastCheck;
  return { world, mirror, checks, ours, over, last };
}

test('begun, of a mirror that has everything → running until it is over, then kept with the mirror', async () => {
  const { mirror, checks, ours, over, last } = await followed();
  checks.begin(mirror, ours);
  expect(checks.state(mirror.id)).toEqual({ isRunning: true });
  expect(() => checks.begin(mirror, ours)).toThrow(MirrorError);
  await over();
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toMatchObject({ differences: 0 });
  expect((await last())?.messages).toBeGreaterThan(40);
});

test('a message that is not here → a difference, told in the log by its id alone', async () => {
  const { world, mirror, checks, ours, over, last } = await followed();
  world.add({ messageId: 'only-there', sentAt: world.theirs - 2 * hour });
  checks.begin(mirror, ours);
  await over();
  expect(await last()).toMatchObject({ differences: 1 });
  expect(world.notes.map(({ detail }) => detail)).toContainEqual({
    mirror: 'a',
    messageId: 'only-there',
    field: 'messageId',
  });
});

test('the other side refuses → the reason is told, the last check stays, and another may be begun', async () => {
  const { world, mirror, checks, ours, over, last } = await followed();
  checks.begin(mirror, ours);
  await over();
  const before = await last();
  const refusing = new MirrorChecks({
    mirrors: { key: () => 'revoked' },
    rows: world.rows,
    fetch: world.infobip.fetch,
    clock: () => world.now,
    wait: async ms => {
      world.now += ms;
    },
    note: note => world.notes.push(note),
  });
  refusing.begin(mirror, ours);
  await expect.poll(() => refusing.state(mirror.id).failure).toMatch(/refuses to answer: 401/);
  expect(await last()).toEqual(before);
  refusing.begin(mirror, ours);
  expect(refusing.state(mirror.id)).toEqual({ isRunning: true });
  await refusing.stop();
});

test('the server stops → so does the check, and nothing is kept of it', async () => {
  const { world, mirror, checks, last } = await followed();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Answered>();
  checks.begin(mirror, () => {
    asked.resolve();
    return answer.promise;
  });
  await asked.promise;
  const stopped = checks.stop();
  answer.reject(new MirrorError('the server ends'));
  await stopped;
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toBeUndefined();
  expect(world.notes).toEqual([]);
});
