import { expect, test } from 'vitest';
import { OpenFiles } from '../../../src/store/embedded/files/open-files.ts';

/** Files of a process that may have so many open at once. */
function process(max: number) {
  const open = new Set<number>();
  const file = (id: number) => () => {
    if (open.size >= max) throw Object.assign(new Error('too many open files'), { code: 'EMFILE', syscall: 'open' });
    open.add(id);
    return { id, close: () => void open.delete(id) };
  };
  return { open, file };
}

test.each([
  [1_000_000, 2048],
  [20_000, 1836],
  [1024, 71],
  [256, 16],
  [64, 16],
])('%i descriptors → %i of 2,048 files are kept open', (descriptors, kept) => {
  const { open, file } = process(Infinity);
  const files = new OpenFiles<{ id: number; close: () => void }>(2048, descriptors);
  for (let id = 1; id <= 3000; id++) expect(files.of(id, file(id)).id).toBe(id);
  expect(open.size).toBe(kept);
  expect(open.has(3000)).toBe(true);
});

test('none can be opened → the one that was asked for longest ago makes room; what may be in use does not', () => {
  const { open, file } = process(20);
  const files = new OpenFiles<{ id: number; close: () => void }>(2048, 1_000_000);
  for (let id = 1; id <= 20; id++) files.of(id, file(id));
  files.of(1, file(1));
  files.of(21, file(21));
  expect([...open].sort((a, b) => a - b)).toEqual([1, ...Array.from({ length: 19 }, (_, i) => i + 3)]);

  const few = process(10);
  const others = new OpenFiles<{ id: number; close: () => void }>(2048, 1_000_000);
  for (let id = 1; id <= 10; id++) others.of(id, few.file(id));
  expect(() => others.of(11, few.file(11))).toThrow('too many open files');
  expect(few.open.size).toBe(10);
});
