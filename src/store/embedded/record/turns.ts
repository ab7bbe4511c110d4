import type { AccountId } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import type { Outcomes } from '../../outcomes.ts';
import type { RecordOutcome } from '../../store.ts';
import type { PackedBatch } from '../segment/packed-batch.ts';
import type { LogEnd, LogRange } from '../segment/position.ts';
import type { BatchToRecord, WriterReply } from '../threads/messages.ts';
import { failureOf } from '../threads/thread-failure.ts';

/** A batch from some record on. */
export type Part = { readonly batch: PackedBatch; readonly from: number };

/** What became of a part's records, from its first to before `next`. */
export type Progress = {
  readonly outcome: RecordOutcome;
  readonly next: number;
  /** Behind the last message and the last report that came of them; absent where there is none. */
  readonly end: Partial<LogEnd>;
};

/**
 * Records parts in their order until `isOver` says so or a segment is full, one record at least; when it returns, that much
 * is durable, and when it throws, nothing of it is there.
 */
export type RecordParts = (parts: readonly Part[], isOver: () => boolean) => readonly Progress[];

/** A batch on its way: what of it is recorded, and what became of that. */
type Work = { readonly id: number; readonly batch: PackedBatch; next: number; outcome: RecordOutcome };

/** What a slice had no time for; `isCut` when the first of it was begun. */
type Left = { readonly works: readonly Work[]; readonly isCut: boolean };
const nothingLeft: Left = { works: [], isCut: false };

const nothing: RecordOutcome = { recorded: 0, updated: 0, unchanged: 0, waiting: 0, rejected: [] };

/**
 * The batches that wait to be recorded. One slice of work is done at a time, and accounts take turns: whatever one of
 * them sent, another's batch comes after a slice or two. The batches of one account keep their order.
 */
export class Turns {
  readonly #record: RecordParts;
  readonly #end: () => LogEnd;
  readonly #tell: (reply: WriterReply) => void;
  readonly #takeOutcomes: () => Outcomes;
  readonly #lines = new Map<AccountId, Work[]>();
  /** Accounts that have a line, in the order of their turns. */
  #order: AccountId[] = [];

  /** `end` tells how far the log goes, `takeOutcomes` what messages came to since it was asked last. */
  constructor(
    record: RecordParts,
    end: () => LogEnd,
    takeOutcomes: () => Outcomes,
    tell: (reply: WriterReply) => void,
  ) {
    this.#record = record;
    this.#end = end;
    this.#takeOutcomes = takeOutcomes;
    this.#tell = tell;
  }

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  addAll(batches: readonly BatchToRecord[]): void {
    for (const { id, batch } of batches) this.add(id, batch);
  }

  add(id: number, batch: PackedBatch): void {
    const work = { id, batch, next: 0, outcome: nothing };
    const line = this.#lines.get(batch.account);
    if (line === undefined) {
      this.#lines.set(batch.account, [work]);
      this.#order.push(batch.account);
    } else line.push(work);
  }

  /** Records what there is time for, and tells what came of it. `clock` counts ms. */
  slice(clock: () => number = () => performance.now()): void {
    const end = clock() + limits.sliceMs;
    this.#putBack(this.#attempt(this.#take(), () => clock() >= end));
  }

  /**
   * Gives what is left to do, in its order. A defect in one batch is no reason to refuse those that happened to come with
   * it: they are recorded apart from it.
   */
  #attempt(works: readonly Work[], isOver: () => boolean): Left {
    if (works.length === 0) return nothingLeft;
    const begun = performance.now();
    const from = this.#end();
    try {
      const progress = this.#record(
        works.map(({ batch, next }) => ({ batch, from: next })),
        isOver,
      );
      return this.#advance(works, progress, { from, to: this.#end() }, performance.now() - begun);
    } catch (error) {
      const failure = failureOf(error);
      const failed = {
        type: 'failed' as const,
        failure,
        accounts: accountsOf(works),
        range: { from, to: this.#end() },
      };
      if (failure.kind !== 'defect' || works.length === 1) {
        this.#tell({ ...failed, ids: works.map(({ id }) => id) });
        return nothingLeft;
      }
      const half = works.length >> 1;
      const first = this.#attempt(works.slice(0, half), isOver);
      const others = works.slice(half);
      if (first.works.length > 0 || isOver()) return { ...first, works: [...first.works, ...others] };
      return this.#attempt(others, isOver);
    }
  }

  #advance(works: readonly Work[], progress: readonly Progress[], range: LogRange, durationMs: number): Left {
    const outcomes: { id: number; outcome: RecordOutcome }[] = [];
    const ends = new Map<AccountId, Partial<LogEnd>>();
    for (const [i, { outcome, next, end }] of progress.entries()) {
      const work = works[i];
      if (work === undefined) continue;
      const { account } = work.batch;
      ends.set(account, { ...ends.get(account), ...end });
      work.next = next;
      work.outcome = sum(work.outcome, outcome);
      if (next === work.batch.count) outcomes.push({ id: work.id, outcome: work.outcome });
    }
    const accounts = accountsOf(works.slice(0, progress.length));
    const cameTo = this.#takeOutcomes();
    this.#tell({ type: 'recorded', accounts, ends: [...ends], range, outcomes, cameTo, durationMs });
    return { works: works.slice(outcomes.length), isCut: progress.length > outcomes.length };
  }

  /** The first batch of each account, then the second of each, as many as one transaction takes. */
  #take(): readonly Work[] {
    const taken: Work[] = [];
    let records = 0;
    for (let account = this.#order.shift(); account !== undefined; account = this.#order.shift()) {
      const line = this.#lines.get(account) ?? [];
      const work = line.shift();
      if (line.length > 0) this.#order.push(account);
      else this.#lines.delete(account);
      if (work === undefined) continue;
      taken.push(work);
      records += work.batch.count - work.next;
      if (records >= limits.groupRecordsMax) break;
    }
    return taken;
  }

  /** What there was no time for goes before all others; if time ran out on the first of them, its account behind them. */
  #putBack({ works, isCut }: Left): void {
    for (const work of works.toReversed()) {
      const { account } = work.batch;
      const line = this.#lines.get(account);
      if (line === undefined) this.#lines.set(account, [work]);
      else line.unshift(work);
      this.#order = [account, ...this.#order.filter(one => one !== account)];
    }
    const [cut] = works;
    if (cut === undefined || !isCut) return;
    this.#order = [...this.#order.filter(one => one !== cut.batch.account), cut.batch.account];
  }
}

function sum(a: RecordOutcome, b: RecordOutcome): RecordOutcome {
  return {
    recorded: a.recorded + b.recorded,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
    waiting: a.waiting + b.waiting,
    rejected: [...a.rejected, ...b.rejected],
  };
}

function accountsOf(works: readonly Work[]): readonly AccountId[] {
  return [...new Set(works.map(({ batch }) => batch.account))];
}
