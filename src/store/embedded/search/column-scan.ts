import type { EpochMs } from '../../../domain/message.ts';
import { blockOrdinals, type Columns, groupCodeOf, messagesIn, type SharedSegment } from '../segment/shared-segment.ts';
import { type Candidate, type CandidateSource, follows, mayFit, newestFirst, type Scan } from './scan.ts';

/** How many more than twice those wanted are gathered before they are sorted. */
const cutSlack = 64;

/** The youngest segment has no index: its columns are scanned, a block at a time, newest block first. */
export class ColumnScan implements CandidateSource {
  readonly #scan: Scan;
  readonly #segment: SharedSegment;
  readonly #columns: Columns;
  readonly #tests: readonly HashTest[];
  readonly #end: number;
  /** The code of each message's group, and those asked for, where only what has one of some groups now is. */
  readonly #groups: { readonly codes: Buffer; readonly asked: readonly number[] } | undefined;
  #before: { sentAt: EpochMs; ordinal: number };

  constructor(scan: Scan, segment: SharedSegment, columns: Columns) {
    this.#scan = scan;
    this.#segment = segment;
    this.#columns = columns;
    this.#before = { ...scan.before };
    this.#end = Math.min(messagesIn(segment), scan.ordinalEnd);
    this.#tests = [...scan.hashes]
      .sort(([, a], [, b]) => a.size - b.size)
      .map(([field, hashes]) => {
        const column = columns.hashes[field];
        if (column === undefined) throw new RangeError(`no column ${field}`);
        return new HashTest(column, hashes);
      });
    if (scan.groups !== undefined && scan.asOf === undefined)
      this.#groups = { codes: Buffer.from(segment.groupCode.buffer), asked: scan.groups.map(groupCodeOf) };
  }

  next(count: number): readonly Candidate[] {
    const newest = new Newest(count);
    const { blockMin, blockMax } = this.#columns;
    for (let block = Math.ceil(this.#end / blockOrdinals) - 1; block >= 0; block--) {
      const max = blockMax[block] ?? Infinity;
      if (max < this.#scan.sentSince || max < newest.least || (blockMin[block] ?? 0) > this.#before.sentAt) continue;
      const from = block * blockOrdinals;
      this.#scanBlock(from, Math.min(from + blockOrdinals, this.#end), newest);
      if (newest.isFull && newest.least === -Infinity) newest.cut();
    }
    const best = newest.cut();
    const last = best.at(-1);
    if (last !== undefined) this.#before = { ...last };
    return best;
  }

  #scanBlock(from: number, to: number, newest: Newest): void {
    const { account, sentAt } = this.#columns;
    const { sentSince } = this.#scan;
    const present = this.#groups?.codes.subarray(from, to);
    if (present !== undefined && this.#groups?.asked.some(code => present.includes(code)) === false) return;
    const [first, ...others] = this.#tests;
    const lastFitting = (at: number) => (first === undefined ? at : first.last(at, from));
    rows: for (let ordinal = lastFitting(to - 1); ordinal >= from; ordinal = lastFitting(ordinal - 1)) {
      for (const test of others) if (!test.fits(ordinal)) continue rows;
      const time = sentAt[ordinal] ?? 0;
      if (time < newest.least || time < sentSince || account[ordinal] !== this.#scan.account) continue;
      if (!follows(time, ordinal, this.#before) || !mayFit(this.#scan, this.#segment, ordinal)) continue;
      newest.add({ sentAt: time, ordinal });
    }
  }
}

/** The newest of what is added: rows come about in their order, so that most of them are known to be too old. */
class Newest {
  readonly #count: number;
  #kept: Candidate[] = [];
  /** Whatever was sent before is not among them. */
  least = -Infinity;

  constructor(count: number) {
    this.#count = count;
  }

  get isFull(): boolean {
    return this.#kept.length >= this.#count;
  }

  add(candidate: Candidate): void {
    if (this.#kept.push(candidate) >= this.#count * 2 + cutSlack) this.cut();
  }

  cut(): readonly Candidate[] {
    this.#kept.sort(newestFirst);
    if (this.#kept.length > this.#count) this.#kept.length = this.#count;
    if (this.isFull) this.least = this.#kept.at(-1)?.sentAt ?? -Infinity;
    return this.#kept;
  }
}

const lowBits = 0xffff;

/** Whether a row's hash of one field is among those asked for. Asked of every row, so each way has a loop of its own. */
class HashTest {
  readonly #column: Uint32Array;
  readonly #hashes: ReadonlySet<number>;
  readonly #only: number | undefined;
  /** By the lower bits of a hash: 1 when it may be among them. A set alone takes ten times as long to say no. */
  readonly #mayBe: Uint8Array;

  constructor(column: Uint32Array, hashes: ReadonlySet<number>) {
    this.#column = column;
    this.#hashes = hashes;
    this.#only = hashes.size === 1 ? [...hashes][0] : undefined;
    this.#mayBe = new Uint8Array(this.#only === undefined ? lowBits + 1 : 0);
    if (this.#only === undefined) for (const hash of hashes) this.#mayBe[hash & lowBits] = 1;
  }

  fits(ordinal: number): boolean {
    const hash = this.#column[ordinal] ?? 0;
    return this.#only === undefined ? this.#hashes.has(hash) : hash === this.#only;
  }

  /** The last ordinal from `at` down that fits; less than `from` when none does. */
  last(at: number, from: number): number {
    return this.#only === undefined ? this.#lastAmong(at, from) : this.#lastEqual(this.#only, at, from);
  }

  #lastEqual(hash: number, at: number, from: number): number {
    const column = this.#column;
    let ordinal = at;
    while (ordinal >= from && column[ordinal] !== hash) ordinal--;
    return ordinal;
  }

  #lastAmong(at: number, from: number): number {
    const [column, mayBe, hashes] = [this.#column, this.#mayBe, this.#hashes];
    for (let ordinal = at; ordinal >= from; ordinal--) {
      const hash = column[ordinal] ?? 0;
      if (mayBe[hash & lowBits] === 1 && hashes.has(hash)) return ordinal;
    }
    return from - 1;
  }
}
