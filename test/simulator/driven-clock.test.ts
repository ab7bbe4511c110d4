import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DrivenClock } from '../../src/simulator/driven-clock.ts';

const start = Date.UTC(2026, 0, 1);
/** The real time stands still: only what is told moves the clock. */
const standing = () => new DrivenClock(() => start);

describe('a clock that is driven', () => {
  it('any tasks and steps → each runs once, at its own moment, in order', () => {
    const tasks = fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 });
    const steps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(tasks, steps, (moments, durations) => {
        const clock = standing();
        const ran: { due: number; at: number; index: number }[] = [];
        for (const [index, due] of moments.entries())
          clock.set(start + due, () => ran.push({ due, at: clock.now() - start, index }));
        for (const duration of durations) clock.advance(duration);
        const total = durations.reduce((sum, one) => sum + one, 0);
        const expected = moments
          .map((due, index) => ({ due, at: due, index }))
          .filter(one => one.due <= total)
          .sort((a, b) => a.due - b.due || a.index - b.index);
        expect(ran).toEqual(expected);
        expect(clock.now()).toBe(start + total);
        expect(clock.waiting).toBe(moments.length - expected.length);
        clock.clear();
      }),
    );
  });

  it('a task that sets others → those that have come by the end run too', () => {
    const clock = standing();
    const ran: number[] = [];
    const again = () => {
      ran.push(clock.now() - start);
      clock.set(clock.now() + 100, again);
    };
    clock.set(start + 100, again);
    clock.advance(350);
    expect(ran).toEqual([100, 200, 300]);
    clock.clear();
    clock.advance(1000);
    expect(ran.length).toBe(3);
  });

  it('nobody drives it → it runs by the real time', async () => {
    const clock = new DrivenClock();
    const began = clock.now();
    await new Promise<void>(resolve => clock.set(began + 5, resolve));
    expect(clock.now()).toBeGreaterThanOrEqual(began + 5);
  });
});
