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

test('any day at the other side → ends in its truth, with no gap invented', async () => {
  await fc.assert(
    fc.asyncProperty(day, async ({ seed, cursors, faults, skewMs, latenessMs, kills, awayMs, webhooks }) => {
      // What is about to leave as it begins may well go while nothing is answered.
      const world = new World({ seed, cursors, terms: { sinceMs: 47.5 * hour } });
      world.infobip.skewMs = skewMs;
      world.addPast(world.random.between(0, 300), 47 * hour, 0.02);
      world.infobip.faults = faults;
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
      await world.run(25 * minute);
      expect(await world.kept()).toEqual(world.truth());
      expect((await world.place()).gaps).toEqual([]);
      world.rows.close();
    }),
    { numRuns: 6 },
  );
}, 600_000);
