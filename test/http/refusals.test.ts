import { expect, test } from 'vitest';
import { Refusals } from '../../src/http/refusals.ts';
import { StoreUnavailable } from '../../src/store/store.ts';

function refusing() {
  const lines: object[] = [];
  const clock = { ms: 0 };
  const refusals = new Refusals(() => clock.ms);
  const refuse = (cause: unknown) =>
    refusals.tell(cause, { warn: (detail, message) => lines.push({ message, ...detail }) });
  return { lines, clock, refuse };
}

const message = 'a request could not be served';

test('a thousand requests refused for one reason → a line without a stack, then one with how many there were', () => {
  const { lines, clock, refuse } = refusing();
  for (let i = 0; i < 1000; i++) refuse(new StoreUnavailable(`node ${i} is away`));
  expect(lines).toEqual([{ message, reason: 'node 0 is away' }]);
  clock.ms = 10_000;
  refuse(new StoreUnavailable('node 7 is away'));
  expect(lines.slice(1)).toEqual([{ message, reason: 'node 7 is away', more: 999 }]);
});

test('other reasons meanwhile → a line each; however many there are, few are remembered', () => {
  const { lines, refuse } = refusing();
  for (const cause of [new Error('one'), 'two', undefined, new Error('one')]) refuse(cause);
  expect(lines).toHaveLength(3);
  for (let i = 0; i < 200; i++) refuse('x'.repeat(i));
  refuse(new Error('one'));
  expect(lines).toHaveLength(204);
});
