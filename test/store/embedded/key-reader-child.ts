/** Looks up keys that another thread says it has inserted, until it says it is done; answers what it found missing. */
import { parentPort, workerData } from 'node:worker_threads';
import { type KeyMemory, KeyReader } from '../../../src/store/embedded/log/key-table.ts';

type Task = { readonly memory: KeyMemory; readonly hashes: Uint32Array; readonly progress: Int32Array };

const { memory, hashes, progress }: Task = workerData;
const reader = new KeyReader(memory);
const missing: number[] = [];
let [told, asked] = [0, 0];
parentPort?.postMessage('ready');
while (Atomics.load(progress, 1) === 0) {
  const inserted = Atomics.load(progress, 0);
  if (inserted === 0) continue;
  // The newest is where a look-up meets the writer at work.
  for (const ordinal of [inserted - 1, (asked * 7919) % inserted]) {
    asked++;
    const places = reader.find(hashes[ordinal] ?? 0);
    if (places === undefined) continue;
    told++;
    if (!places.some(place => place.segmentId === 1 && place.ordinal === ordinal)) missing.push(ordinal);
  }
}
parentPort?.postMessage({ missing, told });
