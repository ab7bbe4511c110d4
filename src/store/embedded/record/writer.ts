import { LRUCache } from 'lru-cache';
import { type Arrival, type Outcome, type Reported, recordOne, reportOn } from '../../../domain/acceptance.ts';
import type { AccountId, EpochMs, Submission } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import type { Horizons } from '../../horizons.ts';
import type { Rejection } from '../../store.ts';
import { guardSegment } from '../files/damage.ts';
import { holdingOf } from '../log/holdings.ts';
import { type Kept, KeptCounts } from '../log/kept-counts.ts';
import type { LoadedLog } from '../log/load.ts';
import { createJournal, JournalWriter } from '../rows/journal-writer.ts';
import type { Counts } from '../segment/counts.ts';
import type { Extents } from '../segment/extents.ts';
import { FacetMaker, type MeaningsOf } from '../segment/facet-maker.ts';
import type { IdSet } from '../segment/id-sets.ts';
import {
  messageIdIn,
  numberAt,
  numbersPerRecord,
  type PackedBatch,
  unpackSubmission,
} from '../segment/packed-batch.ts';
import { type LogEnd, movedEnd, ordinalOf, positionOf, segmentIdOf } from '../segment/position.ts';
import { identityOf, messageRowOf, movesOf, reportRowOf } from '../segment/record-row.ts';
import { type Chain, chained } from '../segment/report-chain.ts';
import { applyReport, type Columns, keepReportsUntil, newSharedSegment, reportsIn } from '../segment/shared-segment.ts';
import type { Recovered } from '../threads/messages.ts';
import { ActiveSegment } from './active-segment.ts';
import { type Known, KnownMessages } from './known-messages.ts';
import { isFull, nextSize, sizeOf } from './segment-size.ts';
import { SpareColumns } from './spare-columns.ts';
import type { Part, Progress } from './turns.ts';
import { UnsealedFacets } from './unsealed-facets.ts';
import type { WriterOptions } from './writer-options.ts';

/** What is published of a message that was reported on. */
type Change = { readonly newest: number; readonly sentAt: EpochMs; readonly groupId: number };

const chainsKept = 64;

/**
 * The one that writes. Takes many batches at once as one transaction, so that one fsync makes all of them durable;
 * everything goes into the youngest segment, reports on older messages too.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #known: KnownMessages;
  readonly #kept: KeptCounts;
  readonly #facets = new UnsealedFacets();
  #active: ActiveSegment | undefined;
  readonly #spareColumns = new SpareColumns();
  #nextSegmentId: number;
  #nextSequence: number;
  /** An era begins with the first record of a run: a log that is only read stays as it is. */
  #eraBegun = false;
  /** Messages that the open transaction reports on, by position: published when it commits. */
  #reported = new Map<number, Change>();
  /** Chains of those it reported on last. All of them would outlive the young generation of the heap. */
  readonly #chains = new LRUCache<number, Chain>({ max: chainsKept });

  constructor(options: WriterOptions, nextSegmentId: number, nextSequence: number) {
    this.#options = options;
    this.#known = new KnownMessages(options.folder, options.hashSeed);
    this.#kept = new KeptCounts(options.folder, options.log);
    this.#nextSegmentId = nextSegmentId;
    this.#nextSequence = nextSequence;
  }

  /**
   * Takes over what was found in the folder; with `goesOn`, the youngest segment goes on taking writes. Records can be
   * taken once the steps are done, which join what waits; everything else meanwhile.
   */
  adopt({ segments, gaps }: LoadedLog, goesOn: boolean): Generator<void> {
    this.#kept.adopt(segments, gaps);
    this.#facets.adopt(segments);
    this.#known.adopt(segments);
    const youngest = goesOn ? segments.at(-1) : undefined;
    for (const { shared, unsealed } of segments)
      if (unsealed !== undefined && shared !== youngest?.shared)
        this.#tellFilled(shared.id, unsealed.counts, unsealed.facets);
    if (youngest?.unsealed !== undefined) {
      const { shared, unsealed, createdAt } = youngest;
      const rows = this.#takingRows(shared.id, unsealed.columns);
      const size = sizeOf(shared, this.#options, segments.length);
      this.#active = new ActiveSegment({ shared, ...unsealed, size, createdAt, rows });
    }
    return this.joinAll();
  }

  #takingRows(segmentId: number, { places }: Columns): JournalWriter {
    const { folder, durability } = this.#options;
    const rows = new JournalWriter(folder.journal(segmentId), folder.disk, durability, places);
    this.#known.writing(segmentId, rows);
    return rows;
  }

  /**
   * Joins reports to messages that were recorded when the process ended before it could note so. Each is a step, since many
   * indexes may have to be asked for it.
   */
  *joinAll(): Generator<void> {
    for (const report of this.#options.waiting.all(this.#options.hashSeed)) {
      this.join(report);
      yield;
    }
  }

  /** Joins what waits for the message of a report, where that is there. */
  join(report: PackedBatch): void {
    const known = this.#known.find(report, 0);
    if (known !== undefined) this.#transaction(Date.now(), active => this.#joinWaiting(active, known));
  }

  /**
   * Records parts of batches in their order, until it `isOver` or the segment is full; when it returns, all that it tells
   * of is durable. Throws when nothing of it is kept: the caller tells every batch's sender, who may send it again.
   */
  record(parts: readonly Part[], now: number, isOver: () => boolean): readonly Progress[] {
    return this.#transaction(now, active => {
      const ends = () => isOver() || isFull(active);
      const progress: Progress[] = [];
      for (const part of parts) {
        progress.push(this.#recordPart(active, part, ends));
        if (ends()) break;
      }
      return progress;
    });
  }

  /** Throws why what could not be kept still cannot be. Nothing that was recorded changes. */
  tryAgain(now: number): void {
    const { waiting } = this.#options;
    this.#transaction(now, active => [waiting.refuseMoved(), active.rows.tryRoom()]);
  }

  #transaction<T>(now: number, work: (active: ActiveSegment) => T): T {
    try {
      this.#options.folder.refuseMoved();
      this.#options.ledger.hold();
      this.#options.reserve.hold();
      const active = this.#youngest(now);
      if (!this.#eraBegun) this.#beginEra();
      guardSegment(active.shared.id, () => active.rows.begin());
      const result = work(active);
      this.#commit();
      return result;
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  /** How far the log goes: the first position and the first sequence that nothing has yet. */
  get end(): LogEnd {
    const active = this.#active;
    const position =
      active === undefined ? positionOf(this.#nextSegmentId, 0) : positionOf(active.shared.id, active.messages);
    return { position, sequence: this.#nextSequence };
  }

  /** What the segments without an index add to an account's counts, in whole minutes from one to before another. */
  counted(account: AccountId, from: EpochMs, to: EpochMs): Kept {
    return this.#kept.answer(account, from, to, this.#nextSegmentId - 1);
  }

  /** What the facets of segments without an index mean, as far as nobody was told. */
  meanings(): readonly MeaningsOf[] {
    return this.#facets.untold();
  }

  /** How far each account reaches in a segment; `undefined` when it has an index, or is gone. */
  extents(segmentId: number): Extents | undefined {
    return this.#kept.of(segmentId)?.extents();
  }

  /** Makes ready for dropping what is wholly past. */
  retire(now: number, horizons: Horizons): void {
    this.#options.folder.refuseMoved();
    this.rotateIfDue(now, horizons);
    this.#kept.retire(horizons, this.#known.segments());
    const { log } = this.#options;
    const { ledgerLostAt = Infinity } = log;
    if (ledgerLostAt + limits.futureSkewMs <= horizons.earliest) log.ledgerToldLongEnough();
  }

  /** Closes the youngest segment for writing when it is older than it may be, or wholly past. */
  rotateIfDue(now: number, horizons?: Horizons): void {
    const active = this.#active;
    if (active === undefined || active.messages + active.reports === 0) return;
    // A clock set back must not keep a segment open until the old time comes again.
    const ageMs = Math.abs(now - active.createdAt);
    if (ageMs >= active.size.ageMs || (horizons && active.counts.isPast(horizons))) this.#fill();
  }

  /** A segment's rows will not change any more: from here on it is read as a sealed file. */
  sealed(segmentId: number): void {
    this.#known.sealed(segmentId);
    this.#kept.sealed(segmentId);
    this.#facets.delete(segmentId);
  }

  /** The segment's files were made anew, and lack some of its rows, or these are passed over. */
  recovered({ holding, unsound }: Recovered): void {
    const { ledger, folder } = this.#options;
    folder.unsound.set(holding.id, unsound);
    this.sealed(holding.id);
    // Before the ledger takes it: a start after a crash in between would not know it as new.
    if (holding.lostMessages + holding.lostReports > 0) this.#kept.distrustAll(this.#known.segments());
    ledger.set({ ...holding, createdAt: ledger.get(holding.id)?.createdAt ?? holding.createdAt });
    this.#known.lost(holding);
  }

  /** Takes no more rows into this segment. */
  fill(segmentId: number): void {
    if (this.#active?.shared.id === segmentId) this.#fill();
  }

  /** Segments are dropped, or set aside: then the ledger goes on telling what they held. */
  dropped(segmentIds: readonly number[], isDamaged: boolean): void {
    try {
      if (!isDamaged) this.#options.ledger.remove(segmentIds);
    } finally {
      // Their files go whatever the ledger says.
      for (const segmentId of segmentIds) this.#forget(segmentId, isDamaged);
    }
  }

  #forget(segmentId: number, isDamaged: boolean): void {
    const segment = this.#known.segment(segmentId);
    this.#kept.dropped(segmentId, isDamaged, this.#known.segments());
    this.#facets.delete(segmentId);
    this.#known.dropped(segmentId);
    if (this.#active?.shared.id === segmentId) this.#active = undefined;
    if (segmentId === this.#nextSegmentId - 1) {
      // Nothing else will tell the next run how far the log had come.
      this.#eraBegun = false;
      this.#beginEra();
    }
    if (isDamaged) this.#known.passOverLost(segment);
  }

  /** Takes up a part of the ids of sealed segments, of which there are such sets now. */
  takeIds(part: number, sets: readonly IdSet[]): void {
    this.#known.takeIds(part, sets);
  }

  /** Takes columns that no thread looks at any more for a segment to come. */
  reuse(columns: Columns): void {
    this.#spareColumns.put(columns);
  }

  close(): void {
    const { ledger, waiting } = this.#options;
    using closing = new DisposableStack();
    for (const one of [waiting, ledger, this.#known]) closing.defer(() => one.close());
    this.#active = undefined;
  }

  #beginEra(): void {
    const { folder, log, ledger, era, tell } = this.#options;
    const { position, sequence } = this.end;
    ledger.begin();
    Atomics.store(era, 0, log.beginEra(position, sequence, folder.setAsideNames()).id);
    tell({ type: 'eras', eras: log.eras });
    this.#eraBegun = true;
  }

  #youngest(now: number): ActiveSegment {
    this.rotateIfDue(now);
    if (this.#active !== undefined && (isFull(this.#active) || this.#active.rows.isSpent)) this.#fill();
    return this.#active ?? this.#open(now);
  }

  #open(now: number): ActiveSegment {
    const { folder, ledger, hashSeed } = this.#options;
    const size = nextSize(this.#options, this.#known.segments().length);
    const id = this.#nextSegmentId;
    const meta = { segment: id, firstSequence: this.#nextSequence, createdAt: now, hashSeed };
    createJournal(folder.disk, folder.journal(id), meta);
    folder.sync();
    const shared = newSharedSegment(id, this.#nextSequence, size.messagesMax);
    ledger.set(holdingOf(shared, now));
    const columns = this.#spareColumns.take(size.messagesMax);
    const rows = this.#takingRows(id, columns);
    this.#nextSegmentId++;
    this.#known.add(shared, columns);
    const counts = this.#kept.open(id);
    const facets = new FacetMaker(columns.facets, columns.hashes);
    this.#facets.add(shared, facets);
    this.#active = new ActiveSegment({ shared, columns, counts, facets, size, createdAt: now, rows });
    this.#options.tell({ type: 'opened', shared, columns });
    return this.#active;
  }

  #fill(): void {
    const active = this.#active;
    if (active === undefined) return;
    this.#options.folder.refuseMoved();
    active.rows.refuseMoved();
    active.rows.cut();
    this.#active = undefined;
    this.#tellFilled(active.shared.id, active.counts, active.facets);
  }

  #tellFilled(segmentId: number, counts: Counts, facets: FacetMaker): void {
    this.#options.tell({ type: 'filled', segmentId, counts: counts.pack(), meanings: facets.meanings() });
  }

  #recordPart(active: ActiveSegment, { batch, from }: Part, isOver: () => boolean): Progress {
    const counts = { recorded: 0, updated: 0, unchanged: 0, waiting: 0 };
    const rejected: Rejection[] = [];
    const before = this.end;
    let index = from;
    for (; index < batch.count && (index === from || !isOver()); index++) {
      const outcome = this.#recordOne(active, batch, index);
      if (typeof outcome === 'string') counts[outcome]++;
      else rejected.push({ index, messageId: messageIdIn(batch, index), violations: outcome });
    }
    return { outcome: { ...counts, rejected }, next: index, end: movedEnd(before, this.end) };
  }

  #recordOne(active: ActiveSegment, batch: PackedBatch, index: number): Outcome {
    const known = this.#known.find(batch, index);
    const record = () => this.#insert(active, batch, index);
    // What nearly every record is needs none of what the rules look at: that was looked at when it was packed.
    if (known === undefined && batch.numbers[index * numbersPerRecord + numberAt.complete] === 1) {
      record();
      return 'recorded';
    }
    const submission = unpackSubmission(batch, index);
    return recordOne(known, submission, batch, {
      report: one => this.#report(active, one, submission, batch),
      record,
      wait: () => this.#options.waiting.add(batch, submission),
    });
  }

  #insert(active: ActiveSegment, batch: PackedBatch, index: number): void {
    const ordinal = active.messages;
    const row = messageRowOf(batch, index, ordinal);
    active.message(row, batch, index);
    const { id } = active.shared;
    if (this.#options.waiting.size > 0) this.#joinWaiting(active, { row, segmentId: id, ordinal });
  }

  #joinWaiting(active: ActiveSegment, known: Known): void {
    const { messageId } = identityOf(known.row);
    this.#options.waiting.join(known.row.account, messageId, report =>
      this.#report(active, known, report.submission, report),
    );
  }

  #report(active: ActiveSegment, known: Known, submission: Submission, arrival: Arrival): Reported {
    const position = positionOf(known.segmentId, known.ordinal);
    const newest = this.#reported.get(position)?.newest ?? this.#known.newestReport(position);
    const chain = this.#chains.get(position) ?? this.#known.chain(known, newest);
    return reportOn(chain.course, submission, arrival, accepted => {
      const sequence = this.#nextSequence++;
      const { chain: longer, summary } = chained(chain, sequence, accepted);
      const place = { sequence, position, message: known.row, previous: chain.newest };
      const moves = movesOf(accepted);
      active.report(reportRowOf(place, arrival.receivedAt, accepted, summary, moves), moves);
      this.#chains.set(position, longer);
      const { identity, state } = longer.course;
      this.#reported.set(position, { newest: sequence, sentAt: identity.sentAt, groupId: state.status.groupId });
    });
  }

  #commit(): void {
    const active = this.#active;
    if (active === undefined) return this.#options.waiting.commit();
    active.commit(this.#options.outcomes);
    const { shared } = active;
    for (const [position, { newest, sentAt, groupId }] of this.#reported) {
      keepReportsUntil(shared, sentAt);
      const target = this.#known.segment(segmentIdOf(position));
      if (target !== undefined) applyReport(target, ordinalOf(position), newest, groupId);
    }
    active.publish();
    this.#reported = new Map();
    this.#chains.clear();
    // Before any answer: what is answered and not there any more is missed.
    this.#options.ledger.tally(holdingOf(shared, active.createdAt));
    // Last: a report that is in the log and still waits is taken for a repeat, one that is in neither would be lost.
    this.#options.waiting.commit();
    active.tellGrown(this.#options);
  }

  /** After a failed transaction: memory as it was. */
  #undo(): void {
    this.#options.waiting.undo();
    this.#reported = new Map();
    this.#chains.clear();
    const active = this.#active;
    if (active === undefined) return;
    // Also of a report that was given its number and failed before it was taken.
    this.#nextSequence = active.shared.firstSequence + reportsIn(active.shared);
    active.undo();
  }
}
