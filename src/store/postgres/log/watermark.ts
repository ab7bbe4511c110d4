import { setTimeout } from 'node:timers/promises';
import { integer } from '../../../postgres/cells.ts';
import { recordingTransactions, type Snapshot, snapshotIn, snapshotStatement, xidNumbers } from '../server/snapshot.ts';
import type { Database } from './database.ts';

/** A recording takes milliseconds: what runs longer may well be no recording. */
const recordingMsUsual = 300;
const settleMsMax = 2_000;
const settleLookMs = { first: 5, most: 80 };

/** Every recording of a transaction before `tx` is over: committed for all to see, or never to be. */
export type Moment = { readonly tx: number; readonly end: number };

/**
 * How far the log is settled. The order in which transactions are numbered is not the order in which they commit, so
 * whoever follows the log must not go past a recording that is still at work.
 */
export class Watermark {
  readonly #database: Database;
  /** Long transactions that turned out to be no recordings: of other programs, on any database of the server. */
  #foreign: ReadonlySet<number> = new Set();
  #latestTx = 0;
  /** Looks of those who wait for the log to settle: one is under way at a time, and the next is of all who came since. */
  #lastLook: Promise<unknown> = Promise.resolve();
  #nextLook: Promise<Moment> | undefined;
  #oldest: { readonly tx: number; readonly seenAt: number } | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What was read last: everything that becomes durable from now on is a transaction from it on. */
  get latestTx(): number {
    return this.#latestTx;
  }

  async read(): Promise<Moment> {
    const [row] = await this.#database.read(snapshotStatement);
    const snapshot = snapshotIn(row);
    this.#foreign = new Set(snapshot.running.filter(tx => this.#foreign.has(tx)));
    if (this.#stands(snapshot)) this.#foreign = await this.#foreignAmong(snapshot);
    const tx = this.#settled(snapshot);
    this.#latestTx = Math.max(this.#latestTx, tx);
    return { tx, end: snapshot.end };
  }

  /** As `read`, when everything that is recording now is over; or after a while, when somebody holds that up. */
  async settle(): Promise<Moment> {
    const since = performance.now();
    const first = await this.#look();
    let moment = first;
    for (let pauseMs = settleLookMs.first; moment.tx < first.end; pauseMs = Math.min(2 * pauseMs, settleLookMs.most)) {
      if (performance.now() - since >= settleMsMax) break;
      await setTimeout(pauseMs);
      moment = await this.#look();
    }
    return moment;
  }

  /** Reads, and not before this call; those who ask while it cannot begin yet share it. */
  #look(): Promise<Moment> {
    this.#nextLook ??= this.#lastLook.then(() => {
      this.#nextLook = undefined;
      const look = this.read();
      this.#lastLook = look.catch(() => {});
      return look;
    });
    return this.#nextLook;
  }

  #settled({ running, end }: Snapshot): number {
    return running.reduce((first, tx) => (this.#foreign.has(tx) ? first : Math.min(first, tx)), end);
  }

  /** Whether the same transaction has been in the way for long. */
  #stands(snapshot: Snapshot): boolean {
    const tx = this.#settled(snapshot);
    const now = performance.now();
    if (tx === snapshot.end) this.#oldest = undefined;
    else if (this.#oldest?.tx !== tx) this.#oldest = { tx, seenAt: now };
    return this.#oldest !== undefined && now - this.#oldest.seenAt > recordingMsUsual;
  }

  /**
   * Those of the running transactions that do not record. One that recorded and ended since the snapshot counts among
   * them too: what it wrote shows to every statement from now on.
   */
  async #foreignAmong({ running }: Snapshot): Promise<ReadonlySet<number>> {
    const rows = await this.#database.read({ name: 'recording transactions', text: recordingTransactions });
    const recording = new Set(rows.map(row => integer(row[0])));
    return new Set(running.filter(tx => !recording.has(tx % xidNumbers)));
  }
}
