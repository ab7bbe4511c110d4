import { expect, test } from 'vitest';
import { DrivenClock } from '../../src/simulator/driven-clock.ts';
import { type PageEvent, SimulatedMeta } from '../../src/simulator/meta.ts';
import { defaultTerms } from '../../src/simulator/terms.ts';

test('more messages than are remembered → the newest, and how many were before; receipts of all come, and go up to where they say', () => {
  const events: PageEvent[] = [];
  const clock = new DrivenClock(() => 1_700_000_000_000);
  const meta = new SimulatedMeta(clock, defaultTerms, event => events.push(event), 3);
  const send = (number: number) =>
    meta.send('page', { recipient: { id: `p${number % 2}` }, message: { text: 'Hello', metadata: `m${number}` } });
  for (let number = 0; number < 10; number++) {
    send(number);
    expect(meta.sent().map(one => one.metadata)).toEqual(
      Array.from({ length: Math.min(3, number + 1) }, (_, index) => `m${Math.max(0, number - 2) + index}`),
    );
    expect(meta.forgotten).toBe(Math.max(0, number - 2));
  }
  expect([meta.receive('m6', 'delivered'), meta.receive('m7', 'delivered')]).toEqual([false, true]);
  clock.advance(10_000);
  const named = events.filter(({ event }) => 'delivery' in event).map(({ event }) => JSON.stringify(event.delivery));
  expect(new Set(named).size).toBe(10);
  expect(meta.sent().every(one => one.seenAt !== undefined)).toBe(true);
  meta.reset();
  expect([meta.sent(), meta.forgotten]).toEqual([[], 0]);
});
