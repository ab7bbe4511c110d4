import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Refusals } from '../../src/http/admission/refusals.ts';
import { StoreUnavailable } from '../../src/store/store.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function refusing() {
  const lines: { readonly message: string; readonly reason?: string; readonly more?: number }[] = [];
  const refusals = new Refusals();
  const refuse = (cause: unknown) =>
    refusals.tell(cause, { warn: (detail, message) => lines.push({ message, ...detail }) });
  return { lines, refusals, refuse };
}

const message = 'a request could not be served';

test('a thousand requests refused for one reason → a line without a stack, and when its time is over how many more', () => {
  const { lines, refuse } = refusing();
  for (let i = 0; i < 1000; i++) refuse(new StoreUnavailable(`node ${i} is away`));
  vi.advanceTimersByTime(9999);
  expect(lines).toEqual([{ message, reason: 'node 0 is away' }]);
  vi.advanceTimersByTime(1);
  expect(lines.slice(1)).toEqual([{ message, reason: 'node 0 is away', more: 999 }]);
  // It goes on: counted again, not told of at once.
  for (let i = 0; i < 10; i++) refuse(new StoreUnavailable('node 7 is away'));
  expect(lines).toHaveLength(2);
  vi.advanceTimersByTime(10_000);
  expect(lines.slice(2)).toEqual([{ message, reason: 'node 0 is away', more: 10 }]);
  // It is over: nothing more is told, and the next one is told of at once.
  vi.advanceTimersByTime(60_000);
  expect(lines).toHaveLength(3);
  expect(vi.getTimerCount()).toBe(0);
  refuse(new StoreUnavailable('node 8 is away'));
  expect(lines.slice(3)).toEqual([{ message, reason: 'node 8 is away' }]);
});

test('other reasons meanwhile → a line each; however many there are, few are remembered, and each refusal is counted', () => {
  const { lines, refusals, refuse } = refusing();
  for (const cause of [new Error('one'), 'two', undefined, new Error('one')]) refuse(cause);
  expect(lines).toHaveLength(3);
  for (let i = 0; i < 200; i++) refuse('x'.repeat(i));
  refuse(new Error('one'));
  // The one that had to make room told of the refusal that was untold.
  expect(lines.filter(({ reason }) => reason === 'one')).toEqual([
    { message, reason: 'one' },
    { message, reason: 'one', more: 1 },
    { message, reason: 'one' },
  ]);
  expect(vi.getTimerCount()).toBe(100);
  refuse(new Error('one'));
  refusals.end();
  expect(vi.getTimerCount()).toBe(0);
  expect(lines.at(-1)).toEqual({ message, reason: 'one', more: 1 });
  expect(lines.reduce((sum, { more = 1 }) => sum + more, 0)).toBe(4 + 200 + 2);
});
