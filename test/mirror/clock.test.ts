import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withClock } from '../../src/mirror/clock.ts';
import { passes } from '../../src/mirror/pace.ts';
import { beginning, type Place } from '../../src/mirror/place.ts';
import { hour, minute, World } from './world.ts';

type Answer = { readonly afterMs: number; readonly thereMs: number; readonly backMs: number };

const noon = Date.parse('2026-03-01T12:00:00Z');
const anyAnswer: fc.Arbitrary<Answer> = fc.record({
  afterMs: fc.integer({ min: 0, max: 5000 }),
  thereMs: fc.integer({ min: 0, max: 4000 }),
  backMs: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 60_000 })),
});
const anySkewMs = fc.oneof(fc.integer({ min: -5000, max: 5000 }), fc.integer({ min: -2 * hour, max: 2 * hour }));

/** A place and our clock, where an answer leads: `dated` knows the other side's clock, `place` has read up to it. */
function heard({ place, now }: { place: Place; now: number }, { afterMs, thereMs, backMs }: Answer, skewMs: number) {
  const askedAt = now + afterMs;
  const date = Math.floor((askedAt + thereMs + skewMs) / 1000) * 1000;
  const heardAt = askedAt + thereMs + backMs;
  const answer = { date, askedAt, heardAt, shownSentAt: [] };
  const first = withClock(place, answer);
  // What is far from all that is known is asked for again.
  const dated = first.doubt === undefined ? first : withClock(first, answer);
  const head = Math.max(dated.head ?? 0, askedAt + dated.skewMs);
  const read = { ...dated, head, answeredAt: heardAt, passes: passes.map(({ ageMs }) => head - ageMs) };
  return { dated, place: read, now: heardAt };
}

test('a clock that is any stretch off, and answers however late → what was read is never read again for that', () => {
  fc.assert(
    fc.property(anySkewMs, fc.array(anyAnswer, { minLength: 1, maxLength: 40 }), (skewMs, answers) => {
      let at = { place: beginning, now: noon };
      for (const answer of answers) {
        const { dated, ...next } = heard(at, answer, skewMs);
        expect([dated.head, dated.passes]).toEqual([at.place.head, at.place.passes]);
        at = next;
      }
      // A prompt answer tells it to the seconds that nobody minds.
      const { dated } = heard(at, { afterMs: 0, thereMs: 0, backMs: 0 }, skewMs);
      expect(Math.abs(dated.skewMs - skewMs)).toBeLessThanOrEqual(3000);
    }),
  );
});

test('a clock that is put back by ten seconds or more, after any answers → all that it dates anew is read', () => {
  const anyBackMs = fc.integer({ min: 10_000, max: 2 * hour });
  fc.assert(
    fc.property(anySkewMs, fc.array(anyAnswer, { maxLength: 10 }), anyBackMs, (skewMs, answers, backMs) => {
      const prompt = { afterMs: 1000, thereMs: 100, backMs: 100 };
      let at = { place: beginning, now: noon };
      for (const answer of [...answers, prompt]) at = heard(at, answer, skewMs);
      const putBackAt = at.now;
      const { dated } = heard(at, prompt, skewMs - backMs);
      expect(dated.head).toBeLessThanOrEqual(putBackAt + skewMs - backMs);
      for (const [i, until] of dated.passes.entries())
        expect(until + (passes[i]?.ageMs ?? 0)).toBeLessThanOrEqual(putBackAt + skewMs - backMs);
    }),
  );
});

test.each([1800, -1800, 2500, -2500, 10_000])(
  'the clock of the other side is %i ms ahead all along, and one answer of ten is late → caught up, nothing read again',
  async skewMs => {
    const world = new World({ terms: { requestsPerMinute: 600 } });
    world.infobip.skewMs = skewMs;
    world.lateMs = () => (world.random.chance(0.1) ? 3000 : 0);
    world.addPast(3000, 47 * hour);
    let head = 0;
    await world.run(minute, async () => {
      const place = await world.place();
      expect(place.head).toBeGreaterThanOrEqual(head);
      head = place.head ?? 0;
    });
    const { reads, gaps } = await world.place();
    expect([reads.filter(one => one.kind === 'catchUp'), gaps]).toEqual([[], []]);
    expect(await world.kept()).toEqual(world.truth());
  },
);
