import { expect, test } from 'vitest';
import { Joining } from '../../../src/store/embedded/record/joining.ts';

test('a step fails, at the first and at a later one → told, recording begins, and what is left is joined when it is tried again', () => {
  const [waiting, joined, failures]: [string[], string[], unknown[]] = [['a', 'b', 'c'], [], []];
  const fullAt = ['a', 'b'];
  function* all(): Generator<void> {
    for (const report of [...waiting]) {
      if (report === fullAt[0]) throw new Error(`no room for ${fullAt.shift()}`);
      joined.push(report);
      waiting.shift();
      yield;
    }
  }
  const joining = new Joining(all(), all, error => failures.push(error));
  expect(joining.isReady).toBe(false);
  const run = () => {
    while (joining.goesOn) joining.step();
  };
  for (const [left, told] of [
    [['a', 'b', 'c'], 1],
    [['b', 'c'], 2],
    [[], 2],
  ] as const) {
    run();
    expect(joining.isReady).toBe(true);
    expect(waiting).toEqual(left);
    expect(failures).toHaveLength(told);
    joining.resume();
  }
  // Nothing failed: there is nothing to do again.
  expect(joining.goesOn).toBe(false);
  expect(joined).toEqual(['a', 'b', 'c']);
});

test('nothing fails → recording begins with the last step, and not before', () => {
  function* two(): Generator<void> {
    yield;
    yield;
  }
  const joining = new Joining(two(), two, () => {});
  const ready: boolean[] = [];
  while (joining.goesOn) {
    joining.step();
    ready.push(joining.isReady);
  }
  expect(ready).toEqual([false, false, true]);
});
