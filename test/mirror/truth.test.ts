import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hour, minute, World } from './world.ts';

const share = fc.constantFrom(0, 0.03, 0.2);
const day = fc.record({
  seed: fc.string({ minLength: 1, maxLength: 8 }),
  cursors: fc.constantFrom('place', 'offset', 'none'),
  faults: fc.record({ unavailable: share, cut: share, lost: share }),
  skewMs: fc.constantFrom(0, -hour, hour, 1500),
  latenessMs: fc.constantFrom(0, 2000, 45_000, 5 * minute),
  kills: share,
  webhooks: share,
  awayMs: fc.constantFrom(0, 0, 20 * minute),
});

/** The log here is what the other side has; what is missing left it unread, and is told as a gap, and nothing else is. */
async function endsInTruth(world: World): Promise<void> {
  const [kept, truth, { gaps, begunAt }] = [await world.kept(), world.truth(), await world.place()];
  const sentAt = (id: string) => world.infobip.log.message(id)?.sentAt ?? Number.NaN;
  const gapOf = (id: string) => gaps.find(({ from, until }) => sentAt(id) >= from && sentAt(id) < until);
  // What leaves within a minute of its first answer, a mirror does not begin with.
  const since = (begunAt ?? Number.NaN) - 48 * hour + minute;
  const read = new Map([...truth].filter(([id]) => kept.has(id) || (gapOf(id) === undefined && sentAt(id) >= since)));
  expect(kept).toEqual(read);
  // Whether the last millisecond of a page that left is read whole, nobody can tell.
  const invented = [...kept.keys()].filter(id => sentAt(id) < (gapOf(id)?.until ?? Number.NEGATIVE_INFINITY) - 1);
  expect(invented).toEqual([]);
  // All that left unread had stood at the end of the 48 hours since the mirror began.
  const left = world.theirs - 48 * hour;
  for (const { until } of gaps) expect(until).toBeLessThanOrEqual(left + 1000);
}

test('any day at the other side → ends in its truth, with every gap told and none invented', async () => {
  await fc.assert(
    fc.asyncProperty(day, async ({ seed, cursors, faults, skewMs, latenessMs, kills, awayMs, webhooks }) => {
      const world = new World({ seed, cursors });
      world.infobip.skewMs = skewMs;
      world.addPast(world.random.between(0, 300), 48 * hour, 0.02);
      world.infobip.faults = faults;
      world.isKilled = () => world.random.chance(kills / 4);
      const live = async () => {
        if (world.random.chance(webhooks)) await world.webhook();
        if (world.random.chance(kills)) world.restart();
        for (let more = world.random.between(0, 2); more > 0; more--)
          world.add({ lateMs: world.random.chance(0.2) ? world.random.between(0, latenessMs) : 0, pace: 0.02 });
      };
      await world.run(4 * minute, live);
      world.infobip.isAway = awayMs > 0;
      await world.run(awayMs, live);
      world.infobip.isAway = false;
      await world.run(4 * minute, live);
      world.infobip.faults = {};
      world.isKilled = () => false;
      await world.run(25 * minute);
      await endsInTruth(world);
      world.rows.close();
    }),
    { numRuns: 5 },
  );
});
