import type { Folder } from '../files/folder.ts';
import { messageBatches, type Rows } from '../rows/rows.ts';
import type { IndexFile, Sections } from '../segment/index-file.ts';
import { logOf } from '../segment/record-row.ts';
import { isOfForm, messagesOfAccountMin, WordsMaker } from '../segment/words-file.ts';
import { makeBeside } from './make-beside.ts';

/** Contents may be long: what is looked through in one step. */
const rowsAtATime = 100;

/** As `makeBeside`, of the words of a segment in which some account has many messages. */
export function makeWords(folder: Folder, segmentId: number): Generator<void, boolean> {
  return makeBeside(folder, segmentId, { path: folder.words(segmentId), isCurrent: isOfForm, sections });
}

function* sections(index: IndexFile, openRows: () => Rows): Generator<void, Sections | undefined> {
  const accounts = largeAccounts(index);
  if (accounts.length === 0) return undefined;
  const places = placesIn(index);
  const maker = new WordsMaker(index.header.hashSeed, index.header.messages);
  const isTold = new Set(accounts);
  for (const batch of messageBatches(openRows(), rowsAtATime)) {
    for (const row of batch)
      if (isTold.has(row.account)) maker.add(row.account, places[row.ordinal] ?? 0, logOf(row, undefined));
    if (maker.isFull) break;
    yield;
  }
  return maker.sections(accounts);
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
