import { expect, test } from 'vitest';
import { beginning, type Place, withGap } from '../../src/mirror/place.ts';
import { hour, minute, World } from './world.ts';

test('away for longer than 48 hours → the gap is what left unread, and nothing else is missing', async () => {
  const world = new World();
  world.addPast(40, 40 * hour);
  await world.run(2 * minute);
  const awaySince = world.theirs;
  world.infobip.isAway = true;
  for (let i = 0; i < 60; i++) {
    world.now += hour;
    world.add();
  }
  world.infobip.isAway = false;
  await world.run(5 * minute);
  const { gaps } = await world.place();
  const kept = await world.kept();
  const missing = world.infobip.log.messages().filter(({ messageId }) => !kept.has(messageId));
  expect(missing.length).toBeGreaterThan(0);
  expect(gaps).toHaveLength(1);
  const [gap] = gaps;
  for (const { sentAt } of missing) expect(sentAt >= (gap?.from ?? 0) && sentAt < (gap?.until ?? 0)).toBe(true);
  // Neither what was read before nor what was still there belongs to it.
  expect(Math.abs((gap?.from ?? 0) - awaySince)).toBeLessThan(minute);
  expect(Math.abs((gap?.until ?? 0) - (world.theirs - 48 * hour))).toBeLessThan(6 * minute);
  expect(world.infobip.log.messages().filter(one => one.sentAt < (gap?.from ?? 0) && !kept.has(one.messageId))).toEqual(
    [],
  );
});

test.each([
  { requestsPerMinute: 1, left: 0 },
  { requestsPerMinute: 60, left: 5 * minute },
])(
  'a catch-up of $requestsPerMinute requests a minute, of which $left ms go by at the other side unasked → none but what left then',
  async ({ requestsPerMinute, left }) => {
    const world = new World({ terms: { requestsPerMinute } });
    world.addPast(6000, 47 * hour + 56 * minute);
    await world.run(1);
    world.now += left;
    await world.run(30 * minute);
    const kept = await world.kept();
    const { gaps } = await world.place();
    const missing = world.infobip.log.messages().filter(({ messageId }) => !kept.has(messageId));
    expect(gaps).toHaveLength(left === 0 ? 0 : 1);
    expect(missing.length > 0).toBe(left > 0);
    const isTold = ({ sentAt }: { sentAt: number }) => gaps.some(gap => sentAt >= gap.from && sentAt < gap.until);
    expect(missing).toEqual(world.infobip.log.messages().filter(isTold));
  },
);

test.each([30_000, 5 * minute, 1.5 * hour, 40 * hour])(
  'what appears %i ms after it was sent → found, though all around it was read',
  async lateMs => {
    const world = new World();
    world.addPast(200, 47 * hour, 0.01);
    await world.run(3 * minute);
    const begun = world.theirs;
    for (let i = 0; i < 20; i++) world.add({ sentAt: begun + i * 1000, lateMs, pace: 0.01 });
    await world.run(minute);
    // Nothing else happens meanwhile: an hour is a step.
    while (world.theirs < begun + lateMs) {
      world.now += Math.min(hour, begun + minute + lateMs - world.theirs);
      await world.run(minute);
    }
    // Looks again come at these ages, and take half an hour each at most.
    const foundBy = Math.min(...[minute, 10 * minute, 2 * hour, 47 * hour].filter(age => age >= lateMs));
    while (world.theirs < begun + foundBy + 40 * minute) {
      world.now += Math.min(hour, Math.max(0, begun + foundBy + 35 * minute - world.theirs));
      await world.run(5 * minute);
    }
    expect(await world.kept()).toEqual(world.truth());
    expect((await world.place()).gaps).toEqual([]);
  },
);

test('gaps that touch → one, and past retention → none', async () => {
  const reason = 'r';
  const gaps = withGap(withGap(withGap([], { from: 10, until: 20, reason }), { from: 30, until: 40, reason }), {
    from: 20,
    until: 30,
    reason,
  });
  expect(gaps).toEqual([{ from: 10, until: 40, reason }]);
  expect(withGap(gaps, { from: 50, until: 50, reason })).toEqual(gaps);
  const world = new World({ terms: { retentionMs: hour } });
  const old: Place = {
    ...beginning,
    begunAt: 0,
    head: world.now,
    gaps: [{ from: 0, until: world.now - 2 * hour, reason }],
  };
  const { id } = await world.mirror();
  await world.rows.keep(id, 'any', { place: JSON.stringify(old), follow: [], unfollow: [] });
  world.add();
  await world.run(minute);
  expect((await world.place()).gaps).toEqual([]);
});
