import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { atOnce } from '../../../src/store/embedded/files/disk.ts';
import { type IdSet, idParts } from '../../../src/store/embedded/segment/id-sets.ts';
import { GatheredIds } from '../../../src/store/embedded/upkeep/gathered-ids.ts';
import { IndexFolder, spread } from './index-folder.ts';

test('sets are taken up late → memory is used again, and none that anybody still looks at', async () => {
  const folder = new IndexFolder();
  /** By part, what is looked at; and what is told of and not taken up yet. */
  const taken: (readonly IdSet[])[] = Array.from({ length: idParts }, () => []);
  const told: { readonly part: number; readonly sets: readonly IdSet[]; readonly isTaken: () => void }[] = [];
  const memories = new Set<SharedArrayBuffer>();
  let [again, tooEarly] = [0, 0];
  const ids = new GatheredIds(folder, 1, {
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
    folder.write(id, spread(20_000, id));
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
