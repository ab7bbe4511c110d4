import { DamagedRow, isDamage, isOutage, type Unsound } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { Holding } from '../files/ledger.ts';
import { JournalRows } from '../rows/journal-rows.ts';
import { isEarlier, ofSegment } from '../segment/open-rows.ts';

/** A segment with more of them is not one that a few bits of were flipped. */
const unsoundMax = 10_000;
const rowsAtATime = 1000;

/** What single rows cost a segment whose files stay as they are: those that do not verify, and what it holds without them. */
export type WithoutUnsound = { readonly unsound: Unsound; readonly holding: Holding };

/**
 * For a damaged segment that could not be made anew, as `failure` tells: throws that where it was not for want of room, or more
 * is damaged than single rows.
 */
export function withoutUnsound(folder: Folder, known: Holding, failure: unknown): WithoutUnsound {
  const { id, firstSequence } = known;
  const path = folder.rows(id);
  const isJournal = !folder.hasVolume(id) && !isEarlier(path) && folder.disk.exists(path);
  if (!isOutage(failure) || !isJournal || !folder.disk.exists(folder.index(id))) throw failure;
  const rows = ofSegment(new JournalRows(path, folder.disk), { id, hashSeed: folder.hashSeed });
  try {
    if (!rows.isFinished) throw failure;
    const messages = new Sifted(numbers => rows.messages(numbers).length, 0, rows.count());
    const reports = new Sifted(numbers => rows.reports(numbers).length, firstSequence, rows.reportCount());
    const lost = { lostMessages: known.messages - messages.sound, lostReports: known.reports - reports.sound };
    return { unsound: { messages: messages.unsound, reports: reports.unsound }, holding: { ...known, ...lost } };
  } finally {
    rows.close();
  }
}

/** Numbers of rows, told apart by reading all of them; `read` gives how many of some there are. */
class Sifted {
  readonly unsound = new Set<number>();
  sound = 0;
  readonly #read: (numbers: readonly number[]) => number;

  constructor(read: (numbers: readonly number[]) => number, first: number, count: number) {
    this.#read = read;
    for (let from = first; from < first + count; from += rowsAtATime) {
      const some = Math.min(rowsAtATime, first + count - from);
      this.#sift(Array.from({ length: some }, (_, i) => from + i));
    }
  }

  #sift(numbers: readonly number[]): void {
    try {
      this.sound += this.#read(numbers);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const [one] = numbers;
      if (numbers.length > 1 || one === undefined) {
        for (const number of numbers) this.#sift([number]);
        return;
      }
      this.unsound.add(one);
      if (this.unsound.size > unsoundMax) throw new DamagedRow(`more than ${unsoundMax} rows`);
    }
  }
}
