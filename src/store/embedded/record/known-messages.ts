import { DamagedRow, guardReading } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { Holding } from '../files/ledger.ts';
import { OpenFiles } from '../files/open-files.ts';
import { openIndex } from '../log/check-rows.ts';
import type { LoadedSegment } from '../log/load.ts';
import { MessageIds } from '../log/message-ids.ts';
import type { MessageRow, ReportRow, Rows } from '../rows/rows.ts';
import { fieldCount, messageIdField } from '../segment/fields.ts';
import type { IdSet } from '../segment/id-sets.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { passOverLost, type ReportOutcomes } from '../segment/lost-reports.ts';
import { openSealedRows, openUnsealedRows } from '../segment/open-rows.ts';
import { groupOfStatus, messageIdIn, type PackedBatch, partSeparator } from '../segment/packed-batch.ts';
import { ordinalOf, type Position, segmentIdOf } from '../segment/position.ts';
import { byFirstSequence, type Chain, holderOf, readChain } from '../segment/report-chain.ts';
import {
  type Columns,
  mustHaveMessage,
  mustHaveReport,
  newestReportOf,
  reportsIn,
  type SharedSegment,
  setLosses,
} from '../segment/shared-segment.ts';
import { IdsAtHand } from './ids-at-hand.ts';

/** Rows files of older segments kept open for reports on their messages. */
const openFilesMax = 64;
/** Indexes kept open, which are asked for ids: after a start all are, until their sets are made. */
const openIndexesMax = 2048;

export type Known = { readonly row: MessageRow; readonly segmentId: number; readonly ordinal: number };

/** The writer's view of what is there already: which message an id is, and what was reported of it. */
export class KnownMessages {
  readonly #folder: Folder;
  readonly #hashSeed: number;
  readonly #ids = new MessageIds((segmentId, hash, isInSet) => {
    if (!isInSet) this.#idsAtHand.often(segmentId);
    return this.#idsAtHand.ordinals(segmentId, hash);
  });
  readonly #segments = new Map<number, SharedSegment>();
  /** The same in the order of their reports; `undefined` when it is to be made anew. */
  #inOrder: readonly SharedSegment[] | undefined;
  /** Of those without an index. */
  readonly #columns = new Map<number, Columns>();
  readonly #files = new OpenFiles<Rows>(openFilesMax);
  readonly #idsAtHand = new IdsAtHand((segmentId, work) =>
    guardReading(segmentId, () => work(this.#indexOf(segmentId))),
  );
  readonly #indexes = new OpenFiles<IndexFile>(openIndexesMax);
  /** Segments that lost reports, which are still to be passed over: another damaged one was in the way. */
  readonly #toPassOver = new Set<SharedSegment>();
  #writing: { readonly segmentId: number; readonly rows: Rows } | undefined;

  /** `hashSeed`: the log's, which its indexes were made with. */
  constructor(folder: Folder, hashSeed: number) {
    this.#folder = folder;
    this.#hashSeed = hashSeed;
  }

  /** Takes over what was found in the folder. */
  adopt(segments: readonly LoadedSegment[]): void {
    for (const { shared, unsealed } of segments) this.add(shared, unsealed?.columns);
  }

  /** Without columns it is sealed. */
  add(shared: SharedSegment, columns: Columns | undefined): void {
    this.#segments.set(shared.id, shared);
    this.#inOrder = undefined;
    this.#ids.set(shared.id, columns);
    if (columns !== undefined) this.#columns.set(shared.id, columns);
  }

  takeIds(part: number, sets: readonly IdSet[]): void {
    this.#ids.take(part, sets);
    if (this.#ids.unset > 0) return;
    // Most will hardly be asked again.
    this.#indexes.clear();
    this.#idsAtHand.clear();
  }

  segments(): readonly SharedSegment[] {
    return [...this.#segments.values()];
  }

  segment(segmentId: number): SharedSegment | undefined {
    return this.#segments.get(segmentId);
  }

  /** The file that takes the writes, which also sees what is not committed. */
  writing(segmentId: number, rows: Rows): void {
    this.#writing?.rows.close();
    this.#writing = { segmentId, rows };
  }

  sealed(segmentId: number): void {
    this.#columns.delete(segmentId);
    this.#closeFiles(segmentId);
    this.#ids.set(segmentId, undefined);
  }

  dropped(segmentId: number): void {
    this.#closeFiles(segmentId);
    this.#ids.drop(segmentId);
    this.#segments.delete(segmentId);
    this.#inOrder = undefined;
    this.#columns.delete(segmentId);
  }

  close(): void {
    this.#files.clear();
    this.#indexes.clear();
    this.#writing?.rows.close();
    this.#writing = undefined;
  }

  /** The message of the batch's account that has the record's id and is not past retention. */
  find(batch: PackedBatch, index: number): Known | undefined {
    const hash = batch.hashes[index * fieldCount + messageIdField] ?? 0;
    let known: Known | undefined;
    this.#ids.find(hash, (segmentId, ordinal) => {
      const row = this.#messageAt(segmentId, ordinal);
      if (row === undefined || row.account !== batch.account || row.sentAt < batch.sentSince) return false;
      const messageId = messageIdIn(batch, index);
      if (!row.body.startsWith(messageId + partSeparator)) return false;
      known = { row, segmentId, ordinal };
      return true;
    });
    if (known !== undefined && !this.#columns.has(known.segmentId)) this.#idsAtHand.often(known.segmentId);
    return known;
  }

  /** The sequence of the newest published report on a message; 0 when there is none. */
  newestReport(position: Position): number {
    const segment = this.#segments.get(segmentIdOf(position));
    return segment === undefined ? 0 : newestReportOf(segment, ordinalOf(position));
  }

  /** The reports on a message as far as a further one needs them, from the sequence of its newest. */
  chain({ row }: Known, newest: number): Chain {
    return readChain(row, newest, sequence => this.#reportAt(sequence));
  }

  /** Rows of a segment are lost; until that stands in it, whoever misses one waits for its files to be made anew. */
  lost(holding: Holding): void {
    const segment = this.#segments.get(holding.id);
    if (segment === undefined) return;
    try {
      this.passOverLost(holding.lostReports > 0 ? segment : undefined);
    } finally {
      setLosses(segment, holding);
    }
  }

  /**
   * Messages whose newest report was that segment's and is lost go back to the newest that is left; those of earlier ones
   * too, where that failed. Throws `DamagedSegment` when another is in the way: once it is made anew, they are seen to.
   */
  passOverLost(damaged: SharedSegment | undefined): void {
    if (damaged !== undefined) this.#toPassOver.add(damaged);
    for (const segment of this.#toPassOver) {
      this.#passOver(segment);
      this.#toPassOver.delete(segment);
    }
  }

  #passOver(damaged: SharedSegment): void {
    const isGone = !this.#segments.has(damaged.id);
    const left = isGone ? { messages: new Float64Array(0), groups: new Uint8Array(0) } : this.#outcomes(damaged);
    passOverLost(this.segments(), damaged, left, {
      outcomes: segment => this.#outcomes(segment),
      initialGroup: ({ id }, ordinal) => {
        const row = guardReading(id, () => this.#rows(id).message(ordinal));
        return row === undefined ? undefined : groupOfStatus(row.status);
      },
    });
  }

  #outcomes(segment: SharedSegment): ReportOutcomes {
    const { id } = segment;
    const columns = this.#columns.get(id);
    if (columns !== undefined) {
      const [messages, groups] = [columns.reportMessages, columns.reportGroups];
      return { messages: messages.subarray(0, reportsIn(segment)), groups };
    }
    return guardReading(id, () => {
      const index = openIndex(this.#folder, id, this.#hashSeed);
      try {
        return { messages: index.float64('reportMessages'), groups: index.uint8('reportGroups') };
      } finally {
        index.close();
      }
    });
  }

  /** `undefined` when it is lost. */
  #messageAt(segmentId: number, ordinal: number): MessageRow | undefined {
    return guardReading(segmentId, () => {
      const row = this.#rows(segmentId).message(ordinal);
      const shared = this.#segments.get(segmentId);
      if (row === undefined && shared !== undefined && mustHaveMessage(shared, ordinal))
        throw new DamagedRow(`message ${ordinal}`);
      return row;
    });
  }

  /** `undefined` when it is lost, or the segment that held it was set aside. */
  #reportAt(sequence: number): ReportRow | undefined {
    this.#inOrder ??= this.segments().toSorted(byFirstSequence);
    const holder = holderOf(this.#inOrder, sequence);
    if (holder === undefined) return undefined;
    return guardReading(holder.id, () => {
      const row = this.#rows(holder.id).report(sequence);
      if (row === undefined && mustHaveReport(holder, sequence)) throw new DamagedRow(`report ${sequence}`);
      return row;
    });
  }

  #rows(segmentId: number): Rows {
    if (this.#writing?.segmentId === segmentId) return this.#writing.rows;
    return this.#files.of(segmentId, () => {
      const columns = this.#columns.get(segmentId);
      return columns === undefined
        ? openSealedRows(this.#folder, segmentId)
        : openUnsealedRows(this.#folder, segmentId, columns.places);
    });
  }

  #indexOf(segmentId: number): IndexFile {
    return this.#indexes.of(segmentId, () => openIndex(this.#folder, segmentId, this.#hashSeed));
  }

  #closeFiles(segmentId: number): void {
    this.#files.delete(segmentId);
    this.#indexes.delete(segmentId);
    this.#idsAtHand.letGo(segmentId);
    if (this.#writing?.segmentId !== segmentId) return;
    this.#writing.rows.close();
    this.#writing = undefined;
  }
}
