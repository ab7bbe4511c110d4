import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyReader, KeyTable, newKeyMemory } from '../../../src/store/embedded/log/key-table.ts';

function found(table: KeyTable, hash: number): string[] {
  const places: string[] = [];
  table.find(hash, (segmentId, ordinal) => {
    places.push(`${segmentId}:${ordinal}`);
    return false;
  });
  return places.sort();
}

test('inserted, removed and dropped keys → exactly the live ones are found, whatever the order', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('insert'),
        segment: fc.integer({ min: 1, max: 6 }),
        hash: fc.integer({ min: 1, max: 40 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('drop'), segment: fc.integer({ min: 1, max: 6 }), hash: fc.constant(1) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('remove'),
        segment: fc.integer({ min: 1, max: 6 }),
        hash: fc.integer({ min: 1, max: 40 }),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const memory = newKeyMemory();
      const [table, reader] = [new KeyTable(memory), new KeyReader(memory)];
      expect(reader.find(1)).toBeUndefined();
      table.complete();
      const live = new Map<number, Map<string, number>>();
      let ordinal = 0;
      for (const { do: act, segment, hash: small } of steps) {
        // All in one shard, so that runs of neighbours and rebuilding are met.
        const hash = (small * 0x10001) & 0xffffff;
        if (!live.has(segment)) {
          table.addSegment(segment);
          live.set(segment, new Map());
        }
        const held = live.get(segment);
        if (act === 'drop') {
          table.dropSegment(segment);
          live.delete(segment);
        } else if (act === 'insert') {
          table.insert(hash, segment, ordinal);
          held?.set(`${segment}:${ordinal}`, hash);
          ordinal++;
        } else {
          const entry = [...(held ?? [])].find(([, held]) => held === hash);
          if (entry === undefined) continue;
          table.remove(hash, segment, Number(entry[0].split(':')[1]));
          held?.delete(entry[0]);
        }
      }
      for (let small = 1; small <= 40; small++) {
        const hash = (small * 0x10001) & 0xffffff;
        const expected = [...live.values()].flatMap(held =>
          [...held].filter(([, one]) => one === hash).map(([place]) => place),
        );
        expect(found(table, hash)).toEqual(expected.sort());
        const read = reader.find(hash)?.map(({ segmentId, ordinal }) => `${segmentId}:${ordinal}`);
        expect(read?.sort()).toEqual(expected);
      }
    }),
    { numRuns: 200 },
  );
});

test('ten thousand segments come and go → slots are used again and nothing is mixed up', () => {
  const table = new KeyTable();
  const keep = 50;
  for (let segment = 1; segment <= 10_000; segment++) {
    table.addSegment(segment);
    table.insert((segment * 2_654_435 + 7) >>> 0, segment, segment % 1000);
    if (segment > keep) table.dropSegment(segment - keep);
  }
  for (let segment = 9_951; segment <= 10_000; segment++)
    expect(found(table, (segment * 2_654_435 + 7) >>> 0)).toContain(`${segment}:${segment % 1000}`);
  for (let segment = 1; segment <= 9_950; segment += 97)
    expect(found(table, (segment * 2_654_435 + 7) >>> 0)).not.toContain(`${segment}:${segment % 1000}`);
});

test('more live segments than slots → a RangeError that says what to change', () => {
  const table = new KeyTable();
  expect(() => {
    for (let segment = 1; segment <= 5000; segment++) table.addSegment(segment);
  }).toThrow(/lengthen the segments' age/);
});

test('keys looked up on another thread while a shard grows under it → what was inserted before is never missing', async () => {
  const memory = newKeyMemory();
  const table = new KeyTable(memory);
  table.addSegment(1);
  table.complete();
  // All in one shard, which is made anew time and again.
  const hashes = Uint32Array.from({ length: 400_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 6);
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL('./key-reader-child.ts', import.meta.url), {
    workerData: { memory, hashes, progress },
  });
  await once(worker, 'message');
  for (const [ordinal, hash] of hashes.entries()) {
    table.insert(hash, 1, ordinal);
    Atomics.store(progress, 0, ordinal + 1);
  }
  Atomics.store(progress, 1, 1);
  const [{ missing, told }] = await once(worker, 'message');
  expect(missing).toEqual([]);
  expect(told).toBeGreaterThan(0);
});
