import { isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { indexFlaw } from '../log/check-rows.ts';
import { messageBatches } from '../rows/rows.ts';
import { freeSections, IndexFile, writeIndexFile } from '../segment/index-file.ts';
import { openSealedRows } from '../segment/open-rows.ts';
import { logOf } from '../segment/record-row.ts';
import { isOfForm, messagesOfAccountMin, WordsMaker } from '../segment/words-file.ts';
import { isMadeOf } from './make-facets.ts';

/** Contents may be long: what is looked through in one step. */
const rowsAtATime = 100;

/**
 * Makes the file of words of a sealed segment, a step at a time, unless it has one or no account has many messages there;
 * `true` when it has one now. What is gone meanwhile gets none, nor what is damaged: whoever reads or verifies it tells.
 */
export function* makeWords(folder: Folder, segmentId: number): Generator<void, boolean> {
  const path = folder.words(segmentId);
  try {
    const index = new IndexFile(folder.index(segmentId), folder.disk);
    const { header } = index;
    let accounts: Float64Array;
    let places: Uint32Array;
    try {
      if (indexFlaw(header, segmentId, folder.hashSeed) !== undefined) return false;
      accounts = largeAccounts(index);
      if (accounts.length === 0) return false;
      if (isMadeOf(folder, path, index, isOfForm)) return true;
      places = placesIn(index);
    } finally {
      index.close();
    }
    const maker = new WordsMaker(header.hashSeed, header.messages);
    const isTold = new Set(accounts);
    const rows = openSealedRows(folder, segmentId);
    try {
      for (const batch of messageBatches(rows, rowsAtATime)) {
        for (const row of batch) if (isTold.has(row[1])) maker.add(row[1], places[row[0]] ?? 0, logOf(row, undefined));
        if (maker.isFull) break;
        yield;
      }
    } finally {
      rows.close();
    }
    const sections = maker.sections(accounts);
    writeIndexFile(folder.disk, path, header, sections);
    freeSections(sections);
    if (!folder.isGoing(segmentId)) return true;
    folder.disk.remove(path);
    return false;
  } catch (error) {
    // A full disk has no room for half of a file.
    folder.disk.remove(`${path}.tmp`);
    if (!isDamage(error) && !folder.isGoing(segmentId)) throw error;
    return false;
  }
}

function largeAccounts(index: IndexFile): Float64Array {
  const [accounts, starts] = [index.float64('accounts'), index.uint32('accountStarts')];
  return accounts.filter((_, at) => (starts[at + 1] ?? 0) - (starts[at] ?? 0) >= messagesOfAccountMin);
}

/** Of each ordinal its place in `order`. */
function placesIn(index: IndexFile): Uint32Array {
  const order = index.uint32('order');
  const places = new Uint32Array(index.header.messages);
  for (let place = 0; place < order.length; place++) places[order[place] ?? 0] = place;
  return places;
}
