import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { atOnce, type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { MessageIds } from '../../../src/store/embedded/log/message-ids.ts';
import {
  type IdSet,
  IdSets,
  idParts,
  partOfHash,
  setSegmentsMax,
} from '../../../src/store/embedded/segment/id-sets.ts';
import { addId, findId, removeId } from '../../../src/store/embedded/segment/id-table.ts';
import { IndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { IdsOfSegment, ordinalsWithId } from '../../../src/store/embedded/segment/index-runs.ts';
import { type Columns, newColumns } from '../../../src/store/embedded/segment/shared-segment.ts';
import { GatheredIds } from '../../../src/store/embedded/upkeep/gathered-ids.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { numberedIds, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';
import { allParts, IndexFolder, spread } from './index-folder.ts';

function withIds(hashes: readonly number[], capacity = hashes.length): Columns {
  const columns = newColumns(capacity);
  for (const [ordinal, hash] of hashes.entries()) take(columns, ordinal, hash);
  return columns;
}

function take(columns: Columns, ordinal: number, hash: number): void {
  const column = columns.hashes[0];
  if (column !== undefined) column[ordinal] = hash;
  addId(columns, ordinal);
}

function foundIn(columns: Columns, hash: number): number[] {
  const found: number[] = [];
  findId(columns, hash, ordinal => {
    found.push(ordinal);
    return false;
  });
  return found.sort((a, b) => a - b);
}

/** Many alike, many of one end of the table, and lost ones, which have none. */
const hash = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 2 ** 32 - 40, max: 2 ** 32 - 1 }),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);

test('ids taken up and taken back → of a segment that is written exactly those are found that are in it', () => {
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 200 }), fc.array(hash, { maxLength: 50 }), (kept, undone) => {
      const columns = withIds(kept, kept.length + undone.length);
      for (const [i, one] of undone.entries()) take(columns, kept.length + i, one);
      for (let ordinal = kept.length + undone.length - 1; ordinal >= kept.length; ordinal--) removeId(columns, ordinal);
      for (const one of new Set([...kept, ...undone]))
        expect(foundIn(columns, one)).toEqual(
          one === 0 ? [] : kept.flatMap((other, ordinal) => (other === one ? [ordinal] : [])),
        );
    }),
  );
});

test('sets of sealed segments, of whatever hashes → each message that has one is found, and few others are asked', () => {
  const folder = new IndexFolder();
  // One id that a segment has a thousand times, all of one bucket, none at all, and as ids are.
  const made = new Map<number, readonly number[]>([
    [3, [...Array<number>(1000).fill(77), ...spread(500, 3)]],
    [4, Array.from({ length: 700 }, (_, i) => 2 ** 32 - 1 - i)],
    [5, []],
    ...Array.from({ length: 60 }, (_, i) => [i + 10, spread(1000, i * 7919 + 11)] as const),
  ]);
  for (const [segment, hashes] of made) folder.write(segment, hashes);
  const [first, second] = [folder.setsOf([...made.keys()].slice(0, 20)), folder.setsOf([...made.keys()].slice(20))];
  const sets = allParts.map(part => new IdSets([first, second].flatMap(all => all[part] ?? [])));
  const askedFor = (one: number) => {
    const asked: number[] = [];
    sets[partOfHash(one)]?.find(one, segmentId => {
      asked.push(segmentId);
      return false;
    });
    return asked;
  };
  const missing = [...made].flatMap(([segment, hashes]) =>
    [...new Set(hashes)].filter(one => askedFor(one).filter(id => id === segment).length !== 1),
  );
  expect(missing).toEqual([]);
  const unknown = spread(20_000, 123_456_789);
  const asked = unknown.reduce((sum, one) => sum + askedFor(one).length, 0);
  // A hash lies in one of a bucket's 1,024 places, of which six are taken on average, in each of two sets.
  expect(asked / unknown.length).toBeLessThan(0.015);
});

test('the same few ids in every segment of a set, of one place in buckets side by side → each segment is told once', () => {
  const folder = new IndexFolder();
  const segments = Array.from({ length: setSegmentsMax }, (_, id) => id);
  // Of 256 hashes in a part there are 48 buckets, and four of the first row of them have nearly all.
  const bucket = 2 ** 32 / idParts / 48;
  const hashes = [0, 1, 2, 3].map(number => Math.floor((number + 100.5 / 1024) * bucket));
  for (const segment of segments) folder.write(segment, hashes);
  const sets = new IdSets(folder.setsOf(segments).slice(0, 1));
  for (const one of hashes) {
    const told: number[] = [];
    sets.find(one, segmentId => {
      told.push(segmentId);
      return false;
    });
    expect(told.sort((a, b) => a - b)).toEqual(segments);
  }
});

test('ids of segments in sets, in none, and being written → all that is there is found once, and nothing that is gone', () => {
  fc.assert(
    fc.property(fc.array(fc.array(hash, { maxLength: 40 }), { minLength: 1, maxLength: 12 }), contents => {
      const folder = new IndexFolder();
      const indexes = new Map<number, IndexFile>();
      const ids = new MessageIds((segmentId, one) => {
        const index = indexes.get(segmentId) ?? folder.open(segmentId);
        indexes.set(segmentId, index);
        return ordinalsWithId(index, one);
      });
      const expected = new Map<number, string[]>();
      for (const [segment, hashes] of contents.entries()) {
        const known = hashes.filter(one => one !== 0);
        folder.write(segment, known);
        // The last is not sealed yet, the first was dropped.
        ids.set(segment, segment === contents.length - 1 ? withIds(known) : undefined);
        if (segment === 0) ids.drop(segment);
        else
          for (const [ordinal, one] of known.entries())
            expected.set(one, [...(expected.get(one) ?? []), `${segment}:${ordinal}`]);
      }
      const last = contents.length - 1;
      for (const inSets of [[], contents.flatMap((_, id) => (id % 2 === 0 ? [id] : [])), contents.map((_, id) => id)]) {
        // A set may know more than this thread: of what is not sealed here, or gone.
        const made = inSets.length === 0 ? [] : [folder.setsOf(inSets.slice(0, 3)), folder.setsOf(inSets.slice(3))];
        for (const part of allParts)
          ids.take(
            part,
            made.flatMap(all => all[part] ?? []),
          );
        expect(ids.unset).toBe(contents.filter((_, id) => id !== 0 && id !== last && !inSets.includes(id)).length);
        for (const one of new Set(contents.flat().filter(one => one !== 0))) {
          const found: string[] = [];
          ids.find(one, (segmentId, ordinal) => {
            found.push(`${segmentId}:${ordinal}`);
            return false;
          });
          expect(found.sort()).toEqual((expected.get(one) ?? []).sort());
        }
      }
    }),
    { numRuns: 25 },
  );
});

test('all ids of a segment in memory → as its index tells', () => {
  const folder = new IndexFolder();
  fc.assert(
    fc.property(fc.array(hash, { minLength: 1, maxLength: 100 }), hashes => {
      folder.write(1, hashes);
      const index = new IndexFile(folder.index(1));
      const ids = new IdsOfSegment(index);
      for (const one of [...hashes, 41]) expect([...ids.ordinals(one)]).toEqual([...ordinalsWithId(index, one)]);
      index.close();
    }),
    { numRuns: 50 },
  );
});

test('segments sealed, dropped and damaged one after the other → each that is left is in one set of each part, few sets are made, and memory is used again', async () => {
  const folder = new IndexFolder();
  const parts: (readonly IdSet[])[] = allParts.map(() => []);
  let gathered = 0;
  const memories = new Set<SharedArrayBuffer>();
  const damaged: number[] = [];
  const ids = new GatheredIds(folder, 1, {
    inSteps: async steps => atOnce(steps),
    gathered: async (part, sets) => {
      parts[part] = sets;
      if (part === 0) gathered += sets.at(-1)?.segmentIds.length ?? 0;
      for (const { memory } of sets) memories.add(memory);
    },
    damaged: segmentId => damaged.push(segmentId),
    failed: (_, error) => {
      throw error;
    },
  });
  const live = new Set<number>();
  const seal = async (from: number, to: number, hashes = 40) => {
    const added = Array.from({ length: to - from }, (_, i) => from + i);
    for (const id of added) {
      folder.write(id, spread(hashes, id));
      live.add(id);
    }
    await ids.add(added);
  };
  const lengths = () => parts.map(sets => sets.map(({ segmentIds }) => segmentIds.length));
  const expectInSets = () => {
    for (const sets of parts)
      expect(sets.flatMap(set => set.segmentIds.filter(id => live.has(id))).sort((a, b) => a - b)).toEqual(
        [...live].sort((a, b) => a - b),
      );
  };
  await seal(1, 151);
  expect(lengths()).toEqual(allParts.map(() => [64, 64, 22]));
  gathered = 0;
  for (let id = 151; id < 220; id++) await seal(id, id + 1);
  expectInSets();
  for (const sets of parts) expect(sets.length).toBeLessThanOrEqual(7);
  // Each is made anew with eight others at most until these are enough for a larger set.
  expect(gathered).toBeLessThan(69 * 12);

  for (let id = 1; id < 180; id++) {
    live.delete(id);
    ids.drop([id]);
  }
  await seal(220, 221);
  expectInSets();
  for (const sets of parts)
    expect(sets.flatMap(({ segmentIds }) => segmentIds).length).toBeLessThanOrEqual(live.size * 2);

  // Of one that is damaged the index is asked, which is made again; then it is added anew.
  const path = folder.index(400);
  folder.write(400, spread(40, 400));
  const whole = readFileSync(path);
  const flipped = Buffer.from(whole);
  const at = flipped.indexOf(Buffer.from(Uint32Array.from(spread(40, 400)).sort().buffer));
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  writeFileSync(path, flipped);
  await seal(401, 403);
  await ids.add([400]);
  expect(damaged).toEqual([400]);
  expectInSets();
  writeFileSync(path, whole);
  live.add(400);
  await ids.add([400]);
  expectInSets();

  memories.clear();
  for (let id = 500; id < 530; id++) await seal(id, id + 1, 20_000);
  expectInSets();
  // Beside what is in use: of the youngest set all parts, of a larger one a few.
  const isLarge = ({ byteLength }: SharedArrayBuffer) => byteLength > 1024 * 1024;
  const inUse = parts.flat().filter(({ memory }) => isLarge(memory)).length;
  expect(inUse).toBeGreaterThanOrEqual(idParts);
  expect([...memories].filter(isLarge).length).toBeLessThanOrEqual(inUse + 2 * idParts + 4);
});

test('all recorded again at once after a start, whatever became of an index → each is known, and none is there twice', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 20 });
  onTestFinished(() => log.remove());
  const now = Date.now();
  const submissions = Array.from({ length: 190 }, (_, i) => submission(i, { sentAt: now - i * 1000 }));
  const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions };
  const first = await log.open();
  await first.record(batch);
  await until(async () => (await first.stats()).segments === 10);
  await first.close();
  const folder = new Folder(log.dataDir);
  const sealed = folder.segmentIds().filter(id => folder.disk.exists(folder.index(id)));
  expect(sealed.length).toBeGreaterThan(7);
  const [flipped = 0, missing = 0] = sealed;
  const index = new IndexFile(folder.index(flipped));
  const hashes = Buffer.from(index.uint8('messageId.hashes'));
  index.close();
  const bytes = readFileSync(folder.index(flipped));
  const at = bytes.indexOf(hashes);
  bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 16;
  writeFileSync(folder.index(flipped), bytes);
  rmSync(folder.index(missing));
  const second = await log.open();
  onTestFinished(() => second.close());
  for (let from = 0; from < submissions.length; ) {
    const part = { ...batch, submissions: submissions.slice(from, from + 10) };
    // Whoever meets the damage is told to come again.
    const outcome = await second.record(part).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      return undefined;
    });
    if (outcome === undefined) continue;
    expect(outcome).toMatchObject({ recorded: 0, unchanged: part.submissions.length });
    from += 10;
  }
  expect((await second.stats()).messages).toBe(submissions.length);
  expect((await walkIds(second)).sort()).toEqual(numberedIds(0, submissions.length).sort());
  for (const number of [0, 25, 189]) {
    const query = { account: 1, filter: { messageId: `message-${number}` }, sentSince: 0, limit: 5, walk: false };
    expect((await second.find(query)).logs.map(({ messageId }) => messageId)).toEqual([`message-${number}`]);
  }
});

test('a segment is dropped while a set is made of it → the set of the others, and nothing failed', async () => {
  const folder = new IndexFolder();
  for (const id of [1, 2]) folder.write(id, spread(20, id));
  const dropping: Disk = {
    ...systemDisk,
    open: (path, mode) => {
      if (path === folder.index(1)) systemDisk.remove(path);
      return systemDisk.open(path, mode);
    },
  };
  const told: unknown[] = [];
  const ids = new GatheredIds(new Folder(folder.dataDir, dropping), 1, {
    inSteps: async steps => atOnce(steps),
    gathered: async (part, sets) => {
      told.push(...sets.map(({ segmentIds }) => [part, ...segmentIds]));
    },
    damaged: segmentId => told.push(`damaged ${segmentId}`),
    failed: (_, error) => told.push(error),
  });
  await ids.add([1, 2]);
  expect(told).toEqual(allParts.map(part => [part, 2]));
});
