import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { atOnce } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { type IdSet, idParts } from '../../../src/store/embedded/segment/id-sets.ts';
import { writeIndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { GatheredIds } from '../../../src/store/embedded/upkeep/gathered-ids.ts';

const header = {
  hashSeed: 1,
  reports: 0,
  firstSequence: 1,
  minSentAt: 0,
  maxSentAt: 0,
  reportedUntil: null,
  timeBase: 0,
  wideTimes: false,
  rowsBytes: 0,
  rowsCrc: 0,
};

/** Spread as the hashes of ids are; the same each time. */
function spread(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0 || 1;
  });
}

test('sets are taken up late → memory is used again, and none that anybody still looks at', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-ids-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const folder = new Folder(dataDir);
  /** By part, what is looked at; and what is told of and not taken up yet. */
  const taken: (readonly IdSet[])[] = Array.from({ length: idParts }, () => []);
  const told: { readonly part: number; readonly sets: readonly IdSet[]; readonly isTaken: () => void }[] = [];
  const memories = new Set<SharedArrayBuffer>();
  let [again, tooEarly] = [0, 0];
  const ids = new GatheredIds(folder, header.hashSeed, {
    inSteps: async steps => atOnce(steps),
    gathered: (part, sets) => {
      const memory = sets.at(-1)?.memory ?? new SharedArrayBuffer(0);
      const lookedAt = [...taken, ...told.map(one => one.sets)].flat();
      if (lookedAt.some(set => set.memory === memory)) tooEarly++;
      if (memories.has(memory)) again++;
      memories.add(memory);
      return new Promise(resolve => told.push({ part, sets, isTaken: resolve }));
    },
    damaged: (_, reason) => expect.unreachable(reason),
    failed: (_, error) => {
      throw error;
    },
  });
  for (let id = 1; id <= 5; id++) {
    const hashes = Uint32Array.from(spread(20_000, id)).sort();
    const sections = { 'messageId.hashes': hashes, 'messageId.ordinals': Uint32Array.from(hashes.keys()) };
    writeIndexFile(folder.disk, folder.index(id), { ...header, segment: id, messages: hashes.length }, sections);
    let isMade = false;
    const made = ids.add([id]).then(() => {
      isMade = true;
    });
    while (!isMade) {
      await setImmediate();
      const one = told.shift();
      if (one !== undefined) taken[one.part] = one.sets;
      one?.isTaken();
    }
    await made;
  }
  expect(again).toBeGreaterThan(0);
  expect(tooEarly).toBe(0);
});
