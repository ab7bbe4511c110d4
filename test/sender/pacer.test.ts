import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Pacer } from '../../src/sender/pacer.ts';
import { runs } from '../support/properties.ts';

const start = Date.UTC(2026, 0, 1);

/** How long nothing may be sent from `now` on. */
function pauseOf(pacer: Pacer, now: number): number {
  let durationMs = 0;
  while (pacer.allowed('text', now + durationMs) === 0) durationMs += 500;
  return durationMs;
}

it.each<readonly [string, (pacer: Pacer, now: number) => void, readonly number[]]>([
  [
    'held up',
    (pacer, now) => pacer.heldUp('away', now, undefined),
    [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000],
  ],
  ['refused as a whole', (pacer, now) => pacer.failed('revoked', now), [60_000, 120_000, 240_000, 480_000]],
])(
  '%s, hundreds of calls at once → one pause; then one call at a time, and longer each time it fails; none once it succeeds',
  (_, fail, pauses) => {
    const pacer = new Pacer();
    for (let call = 0; call < 256; call++) fail(pacer, start + call);
    let now = start;
    for (const pauseMs of pauses) {
      const waitedMs = pauseOf(pacer, now);
      expect(Math.abs(waitedMs - pauseMs)).toBeLessThanOrEqual(500);
      now += waitedMs;
      expect(pacer.allowed('text', now)).toBe(1);
      pacer.spend('text', 1, now);
      // The next waits for what comes of it.
      expect(pacer.allowed('text', now + 1000)).toBe(0);
      now += 1000;
      fail(pacer, now);
    }
    pacer.succeeded();
    expect(pacer.paused()).toBeUndefined();
    expect(pacer.allowed('text', now + 1000)).toBeGreaterThan(1);
  },
);

it('the clock set back or put forward while a page pauses → a pause is never longer than it was to be', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('heldUp', 'failed', 'used'),
      fc.integer({ min: 0, max: 50_000 }),
      fc.integer({ min: -7 * 86_400_000, max: 86_400_000 }),
      (kind, passedMs, leapMs) => {
        const pacer = new Pacer();
        expect(pacer.allowed('text', start)).toBeGreaterThan(1);
        if (kind === 'heldUp') pacer.heldUp('throttled', start, 60_000);
        else if (kind === 'failed') pacer.failed('revoked', start);
        else pacer.used(100, start, undefined);
        expect(pacer.allowed('text', start + passedMs)).toBe(0);
        const leapt = start + passedMs + leapMs;
        const waitedMs = passedMs + pauseOf(pacer, leapt);
        expect(waitedMs).toBeLessThanOrEqual(60_500 + 10_000);
        if (leapMs <= 0) expect(waitedMs).toBeGreaterThanOrEqual(60_000);
        // What failed while the clock was set back pauses as long as ever.
        pacer.succeeded();
        pacer.failed('revoked', leapt - 3_600_000);
        expect(Math.abs(pauseOf(pacer, leapt - 3_600_000) - 60_000)).toBeLessThanOrEqual(500);
      },
    ),
    { numRuns: runs(100) },
  );
});

it('a conversation that is held up alone → no pause of its page', () => {
  const pacer = new Pacer();
  for (let time = 0; time < 20; time++) {
    pacer.heldUp('throttled', start, undefined);
    pacer.heldUp('throttled', start, undefined);
    expect(pacer.allowed('text', start)).toBeGreaterThan(1);
    pacer.succeeded();
  }
});

it('Meta says when it takes calls again → then', () => {
  const pacer = new Pacer();
  pacer.heldUp('throttled', start, 90_000);
  pacer.heldUp('throttled', start, undefined);
  expect(pacer.allowed('text', start + 89_999)).toBe(0);
  expect(pacer.allowed('text', start + 90_000)).toBe(1);
});

it('what was tried told nothing of the page → the next is tried at once, one at a time, and the page is paused as before', () => {
  const pacer = new Pacer();
  pacer.failed('revoked', start);
  // Only what was tried gives way: this was under way before.
  pacer.untried();
  expect(pacer.allowed('text', start + 59_999)).toBe(0);
  const now = start + 60_000;
  for (let tried = 0; tried < 1000; tried++) {
    const at = now + tried * 10;
    expect(pacer.allowed('text', at)).toBe(1);
    pacer.spend('text', 1, at);
    expect(pacer.allowed('text', at)).toBe(0);
    pacer.untried();
    expect(pacer.paused()).toBe('revoked');
  }
  pacer.spend('text', 1, now + 10_000);
  pacer.failed('revoked', now + 10_000);
  expect(pauseOf(pacer, now + 10_000)).toBe(120_000);
});
