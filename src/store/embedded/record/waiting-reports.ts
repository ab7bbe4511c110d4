import {
  joinWaiting,
  type Reported,
  type WaitingReport,
  waitingReport,
  waitingText,
} from '../../../domain/acceptance.ts';
import type { AccountId, Submission } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import type { RecordBatch } from '../../store.ts';
import type { Ledger } from '../files/ledger.ts';
import { type PackedBatch, packBatch } from '../segment/packed-batch.ts';
import type { OpenedWaiting, WaitingFile, WaitingRow } from './waiting-file.ts';

const rowsAtATime = 500;

type Noted = Pick<Ledger, 'isNew' | 'waiting' | 'tallyWaiting'>;

/** The reports that wait for their messages: what becomes of them is durable with `commit`. */
export class WaitingReports {
  readonly #file: WaitingFile;
  /** Shared: how many wait, and how many were dropped. */
  readonly #figures: Int32Array;
  /** What it notes outlives the file. */
  readonly #ledger: Noted;
  /**
   * By which reports wait. It goes on from the youngest of them, and does not leap with the machine's clock; how long a
   * report waits is all that it tells.
   */
  readonly #now: () => number;
  /** By what is not committed yet. */
  #droppedNow = 0;

  /** `ticks`: milliseconds that only ever go forward. */
  constructor(
    { file, lost }: OpenedWaiting,
    figures: Int32Array,
    ledger: Noted,
    ticks: () => number = () => performance.now(),
  ) {
    this.#file = file;
    const begun = (file.youngest ?? Date.now()) - ticks();
    this.#now = () => Math.round(begun + ticks());
    this.#figures = figures;
    this.#ledger = ledger;
    const { waiting } = ledger;
    const before = Date.now() < waiting.lostUntil ? waiting.lost : 0;
    if (lost > 0) ledger.tallyWaiting({ ...waiting, lost: before + lost, lostUntil: Date.now() + limits.waitingMs });
    // A new ledger takes it with the first commit: a full disk must not keep a log whose ledger is lost from being read.
    if (!ledger.isNew) this.#note();
    else Atomics.store(figures, 0, file.size);
  }

  /** What is told of those that are lost, for as long as they might have waited. */
  get damage(): string | undefined {
    const { lost, lostUntil } = this.#ledger.waiting;
    return lost > 0 && Date.now() < lostUntil ? `${lost} reports that waited for their messages are lost` : undefined;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Keeps a report until its message comes; `false` when too many wait. */
  add(batch: Omit<RecordBatch, 'submissions'>, submission: Submission): boolean {
    const { account, receivedAt } = batch;
    const said = waitingText({ ...batch, submission });
    return this.#file.add({ account, messageId: submission.messageId, receivedAt, said }, this.#now());
  }

  /** Applies what waited for a message, in the order it came. */
  join(account: AccountId, messageId: string, apply: (report: WaitingReport) => Reported): void {
    if (!this.#file.has(account, messageId)) return;
    for (const row of this.#file.of(account, messageId)) {
      const report = row.said === undefined ? undefined : waitingReport(row.said, row.receivedAt);
      const joined = report === undefined ? 'dropped' : joinWaiting(report, apply);
      if (joined === 'waits') continue;
      this.#file.remove(row);
      if (joined === 'dropped') this.#droppedNow++;
    }
  }

  /** All that wait, each as a batch of its own. */
  *all(hashSeed: number): Generator<PackedBatch> {
    for (let rows = this.#file.after(0, rowsAtATime); rows.length > 0; ) {
      yield* rows.flatMap(row => packed(row, hashSeed) ?? []);
      rows = this.#file.after(rows.at(-1)?.number ?? 0, rowsAtATime);
    }
  }

  /**
   * Drops some of what has waited too long. Each is given to `join` before, as a batch of its own: while the machine's clock was
   * ahead, its message may have seemed to be past retention.
   */
  dropOverdue(hashSeed: number, join: (report: PackedBatch) => void): void {
    if (this.#file.size === 0) return;
    const before = this.#now() - limits.waitingMs;
    const overdue = () => this.#file.before(before, rowsAtATime);
    const tried = new Set<number>();
    for (const row of overdue()) {
      tried.add(row.number);
      const report = packed(row, hashSeed);
      if (report !== undefined) join(report);
    }
    try {
      for (const row of overdue()) {
        if (!tried.has(row.number)) continue;
        this.#file.remove(row);
        this.#droppedNow++;
      }
      this.commit();
    } catch (error) {
      this.undo();
      throw error;
    }
  }

  commit(): void {
    this.#file.commit();
    this.#note();
    Atomics.add(this.#figures, 1, this.#droppedNow);
    this.#droppedNow = 0;
  }

  /** Before any answer: what was answered and does not wait any more is missed at the next start. */
  #note(): void {
    const { size: reports, taken } = this.#file;
    Atomics.store(this.#figures, 0, reports);
    const known = this.#ledger.waiting;
    if (known.reports !== reports || known.taken !== taken) this.#ledger.tallyWaiting({ ...known, reports, taken });
  }

  undo(): void {
    this.#file.undo();
    this.#droppedNow = 0;
  }

  /** As `WaitingFile.refuseMoved`. */
  refuseMoved(): void {
    this.#file.refuseMoved();
  }

  close(): void {
    this.#file.close();
  }
}

/** `undefined` for one that is damaged. */
function packed({ account, said, receivedAt }: WaitingRow, hashSeed: number): PackedBatch | undefined {
  if (said === undefined) return undefined;
  const { submission, ...arrival } = waitingReport(said, receivedAt);
  const batch = { account, ...arrival, sentSince: Number.MIN_SAFE_INTEGER, submissions: [submission] };
  return packBatch(batch, hashSeed);
}
