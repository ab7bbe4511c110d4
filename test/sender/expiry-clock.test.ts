import fc from 'fast-check';
import { expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import { ExpiryClock } from '../../src/sender/expiry-clock.ts';
import { Played, text } from './played.ts';

const holdMs = 900_000;
const dayMs = 86_400_000;
const start = Date.UTC(2026, 5, 1);

it('a clock that goes as time does, is set back or moves on a little → believed; one that leaps → not for a while, told once', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -30 * dayMs, max: 30 * dayMs }),
      fc.array(fc.integer({ min: 1, max: 120_000 }), { minLength: 1, maxLength: 30 }),
      (leapMs, steps) => {
        let atMs = 5000;
        const told: { readonly leapMs: number; readonly until: number }[] = [];
        const note = (leap: (typeof told)[number]) => told.push(leap);
        const clock = new ExpiryClock(start, { holdMs, monotonicMs: () => atMs, note });
        expect(clock.isBelieved(start)).toBe(true);
        let leaptForMs = 0;
        for (const [index, step] of steps.entries()) {
          atMs += step;
          leaptForMs += index === 0 ? 0 : step;
          const isHeld = leapMs >= limits.clockLeapMs && leaptForMs < holdMs;
          expect(clock.isBelieved(start + (atMs - 5000) + leapMs)).toBe(!isHeld);
        }
        expect(told.map(one => one.leapMs)).toEqual(leapMs >= limits.clockLeapMs ? [leapMs] : []);
      },
    ),
  );
});

it('put right again → believed at once; what went by since an earlier run → as a leap', () => {
  let atMs = 0;
  const clock = new ExpiryClock(start, { holdMs, monotonicMs: () => atMs, note: () => {} });
  atMs += 1000;
  expect(clock.isBelieved(start + 3 * dayMs)).toBe(false);
  atMs += 1000;
  expect(clock.isBelieved(start + 2000)).toBe(true);
  const later = new ExpiryClock(start, { holdMs, seen: start - dayMs, monotonicMs: () => atMs, note: () => {} });
  expect(later.isBelieved(start)).toBe(false);
  atMs += holdMs;
  expect(later.isBelieved(start + holdMs)).toBe(true);
});

it('a clock days ahead for a while, with messages in line, sent and unknown → none expires by it, and each comes to its end', async () => {
  let atMs = 0;
  const shift = { aheadMs: 0 };
  const played = await Played.open(
    { mix: { 'no-receipt': 1 } },
    {
      clock: shift,
      expiry: new ExpiryClock(Date.now(), { holdMs, monotonicMs: () => atMs, note: () => {} }),
    },
  );
  const { emulator, outbox } = played;
  await played.send(text('somebody', 'sent'), text('lost', 'unknown', 'page-2'));
  await expect.poll(() => outbox.stats()).toMatchObject({ queued: 0, sending: 0, unknown: 1 });
  emulator.meta.isDown = true;
  await played.send(text('somebody else', 'in line', 'page-3'));
  await expect.poll(() => outbox.stats()).toMatchObject({ queued: 1, sending: 0 });
  shift.aheadMs = 5 * dayMs;
  for (const id of ['sent', 'unknown', 'in line']) {
    await played.sender.idle(5000);
    expect(await played.outcome(id)).toMatch(/^PENDING_/);
  }
  shift.aheadMs = 0;
  emulator.meta.isDown = false;
  atMs += 180_000;
  await played.pass(180_000);
  expect(await played.outcome('in line')).toBe('PENDING_ENROUTE NO_ERROR');
  shift.aheadMs = 5 * dayMs;
  await played.sender.idle(5000);
  expect(await played.outcome('sent')).toBe('PENDING_ENROUTE NO_ERROR');
  // Nobody puts it right: it is what it says.
  atMs += holdMs;
  await played.sender.idle(5000);
  expect(await played.outcome('sent')).toBe('EXPIRED_DLR_UNKNOWN EC_VALIDITY_EXPIRED');
  expect(await played.outcome('unknown')).toBe('EXPIRED_DLR_UNKNOWN EC_PROVIDER_TIMEOUT');
});
