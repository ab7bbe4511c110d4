import fc from 'fast-check';
import { expect, test } from 'vitest';
import { askUpstream } from '../../src/mirror/upstream.ts';
import { runs } from '../support/properties.ts';
import { hour, minute, World } from './world.ts';

/** Our clock says another time from now on; the other side's goes on as it was. */
function leap(world: World, ms: number): void {
  world.now += ms;
  world.infobip.skewMs -= ms;
}

const anyLeapMs = fc.oneof(
  fc.integer({ min: -3 * hour, max: 3 * hour }),
  fc.constantFrom(-60 * hour, -hour, hour, 30 * hour, 60 * hour, 40 * 24 * hour),
);

test('our own clock leaps, any stretch and any way, and is put right or not → the other side, and no gap', async () => {
  const phase = fc.record({
    leapMs: anyLeapMs,
    forMs: fc.integer({ min: 0, max: 5 * minute }),
    isPutRight: fc.boolean(),
  });
  const options = fc.record({
    seed: fc.string({ minLength: 1, maxLength: 8 }),
    requestsPerMinute: fc.constantFrom(20, 60),
    past: fc.constantFrom(0, 300, 2500),
    unavailable: fc.constantFrom(0, 0.3),
    isRestarted: fc.boolean(),
    phases: fc.array(phase, { minLength: 1, maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(options, async ({ seed, requestsPerMinute, past, unavailable, isRestarted, phases }) => {
      const world = new World({ seed, terms: { requestsPerMinute } });
      // Nothing of it leaves while it is caught up with.
      world.addPast(past, 46 * hour, 0.001);
      const live = () => {
        if (world.random.chance(0.3)) world.add({ pace: 0.001 });
      };
      world.infobip.faults = { unavailable };
      await world.run(world.random.between(0, 2 * minute), live);
      for (const { leapMs, forMs, isPutRight } of phases) {
        leap(world, leapMs);
        if (isRestarted) world.restart();
        await world.run(forMs, live);
        if (isPutRight) leap(world, -leapMs);
      }
      world.infobip.faults = {};
      await world.run(15 * minute);
      expect((await world.place()).gaps).toEqual([]);
      expect((await world.place()).unsettled).toBe(0);
      expect(await world.kept()).toEqual(world.truth());
      world.rows.close();
    }),
    { numRuns: runs(30) },
  );
});

test('asked to come again at a moment, by a clock that is any stretch off ours → in as long as the other side means', async () => {
  const { signal } = new AbortController();
  await fc.assert(
    fc.asyncProperty(anyLeapMs, fc.integer({ min: 0, max: 3000 }), async (skewMs, seconds) => {
      const theirNow = Math.floor((Date.now() + skewMs) / 1000) * 1000;
      const date = new Date(theirNow).toUTCString();
      const headers = { date, 'retry-after': new Date(theirNow + seconds * 1000).toUTCString() };
      const ask = askUpstream({
        from: 'http://infobip',
        key: 'key',
        fetch: async () => new Response('', { status: 429, headers }),
        clock: Date.now,
      });
      const { failure } = await ask({}, signal);
      expect(failure).toEqual({ kind: 'limited', retryAfterMs: seconds * 1000 });
    }),
  );
});
