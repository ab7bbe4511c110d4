import type { AccountId } from '../../../domain/message.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { lowerBound, placeOfAccount, type Run, runOf } from '../segment/index-runs.ts';
import type { SharedSegment } from '../segment/shared-segment.ts';
import type { WordBlocks } from '../segment/words-file.ts';
import { GroupScan, isRareGroup } from './group-scan.ts';
import { type Candidate, follows, mayFit, type Scan, type SealedSource } from './scan.ts';

const bitmapFrom = 256;
const chunkMin = 128;
const chunkMax = 16_384;

/**
 * The candidates of a sealed segment, one source for each value of the rarest field asked for (or for the account,
 * when no field is): each is a run of the index in time order. The other fields are tested by bitmaps of their runs.
 * `blocks`: those of the account's messages alone that may have the words asked for.
 */
export function sealedSources(
  scan: Scan,
  segment: SharedSegment,
  index: IndexFile,
  blocks?: WordBlocks,
): readonly SealedSource[] {
  const byField: (readonly Run[])[] = [];
  for (const [field, hashes] of scan.hashes) {
    const runs = runsOf(index, field, hashes);
    if (runs.length === 0) return [];
    byField.push(runs);
  }
  byField.sort((a, b) => lengthOf(a) - lengthOf(b));
  const rarest = byField[0] ?? accountRuns(index, scan.account);
  const inBlocks = blocks === undefined ? Infinity : blocks.numbers.length * blocks.rows;
  const isByWords = inBlocks < lengthOf(rarest) || (blocks !== undefined && byField.length === 0);
  const [driver = [], ...others] =
    isByWords || byField.length === 0 ? [accountRuns(index, scan.account), ...byField] : byField;
  if (driver.length === 0 || inBlocks === 0) return [];
  if (isByWords) {
    const bitmaps = inBlocks < bitmapFrom ? [] : others.map(runs => bitmapOf(index, runs));
    return driver.map(run => new RunScan(scan, segment, index, run, bitmaps, blocks));
  }
  if (isRareGroup(scan, segment, lengthOf(driver))) return [new GroupScan(scan, segment, index)];
  // A handful of candidates is cheaper to read and compare than any other field's bitmap is to build.
  const bitmaps = lengthOf(driver) < bitmapFrom ? [] : others.map(runs => bitmapOf(index, runs));
  return driver.map(run => new RunScan(scan, segment, index, run, bitmaps));
}

function lengthOf(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.to - run.from, 0);
}

function bitmapOf(index: IndexFile, runs: readonly Run[]): Uint8Array {
  const bitmap = new Uint8Array(index.header.messages);
  for (const run of runs)
    for (const ordinal of index.uint32(run.section, run.from, run.to - run.from)) bitmap[ordinal] = 1;
  return bitmap;
}

/** How many messages an account has in a sealed segment. */
export function messagesOf(index: IndexFile, account: AccountId): number {
  return lengthOf(accountRuns(index, account));
}

/** The ordinals of an account's messages in a sealed segment, in their order. */
export function ordinalsOf(index: IndexFile, account: AccountId): Uint32Array {
  const [run] = accountRuns(index, account);
  return run === undefined ? new Uint32Array() : index.uint32(run.section, run.from, run.to - run.from).sort();
}

/** Whether a sealed segment has messages or reports of an account; `true` where an older version did not write it down. */
export function concerns(index: IndexFile, account: AccountId): boolean {
  if (index.bytesOf('counts.until') === 0) return true;
  return placeOfAccount(index, 'counts.accounts', account) !== undefined;
}

/** Where in `order`, by the time they were sent, an account's messages stand: from one to before another. */
export function ownRun(index: IndexFile, account: AccountId): readonly [from: number, to: number] {
  const at = placeOfAccount(index, 'accounts', account);
  const [from = 0, to = 0] = at === undefined ? [] : index.uint32('accountStarts', at, 2);
  return [from, to];
}

function accountRuns(index: IndexFile, account: AccountId): readonly Run[] {
  const [from, to] = ownRun(index, account);
  return from === to ? [] : [{ section: 'order', from, to }];
}

function runsOf(index: IndexFile, field: number, hashes: ReadonlySet<number>): readonly Run[] {
  return [...hashes].flatMap(hash => runOf(index, field, hash) ?? []);
}

class RunScan implements SealedSource {
  readonly #scan: Scan;
  readonly #segment: SharedSegment;
  readonly #run: Run;
  readonly #bitmaps: readonly Uint8Array[];
  readonly #blocks: WordBlocks | undefined;
  /** Everything from here on has been given, or comes before what was asked. */
  #end: number;

  constructor(
    scan: Scan,
    segment: SharedSegment,
    index: IndexFile,
    run: Run,
    bitmaps: readonly Uint8Array[],
    blocks?: WordBlocks,
  ) {
    this.#blocks = blocks;
    this.#scan = scan;
    this.#segment = segment;
    this.#run = run;
    this.#bitmaps = bitmaps;
    this.#end = this.#firstBefore(index);
  }

  next(index: IndexFile, count: number): readonly Candidate[] {
    const found: Candidate[] = [];
    for (
      let chunk = chunkMin;
      found.length < count && this.#end > this.#run.from;
      chunk = Math.min(chunk * 4, chunkMax)
    ) {
      const [from, to] = this.#below(Math.max(chunk, count));
      if (from >= to) {
        this.#end = this.#run.from;
        break;
      }
      const ordinals = index.uint32Briefly(this.#run.section, from, to - from);
      const left = this.#collect(index, ordinals, count, found);
      this.#end = left === undefined ? this.#run.from : from + left;
    }
    return found;
  }

  /** The next places from the end on: so many, or those of a block that are left. */
  #below(count: number): readonly [from: number, to: number] {
    const [end, blocks] = [this.#end, this.#blocks];
    if (blocks === undefined) return [Math.max(this.#run.from, end - count), end];
    const { rows, numbers } = blocks;
    const at = lowerBound(numbers.length, i => (numbers[i] ?? 0) * rows - end) - 1;
    const begin = (numbers[at] ?? 0) * rows;
    return at < 0 ? [0, 0] : [Math.max(this.#run.from, begin), Math.min(end, begin + rows)];
  }

  /** Adds from the end of `ordinals` until there are enough; returns how many are left, `undefined` when all are too old. */
  #collect(index: IndexFile, ordinals: Uint32Array, count: number, found: Candidate[]): number | undefined {
    const kept: number[] = [];
    let left = ordinals.length;
    while (left > 0 && found.length + kept.length < count) {
      const ordinal = ordinals[--left] ?? 0;
      if (ordinal >= this.#scan.ordinalEnd || !mayFit(this.#scan, this.#segment, ordinal)) continue;
      if (this.#bitmaps.some(bitmap => bitmap[ordinal] === 0)) continue;
      kept.push(ordinal);
    }
    const times = timesOf(index, kept);
    for (const [i, ordinal] of kept.entries()) {
      const sentAt = times[i] ?? 0;
      if (sentAt < this.#scan.sentSince) return undefined;
      found.push({ sentAt, ordinal });
    }
    return left;
  }

  #firstBefore(index: IndexFile): number {
    const { before } = this.#scan;
    if (index.header.maxSentAt < before.sentAt) return this.#run.to;
    const { section, from, to } = this.#run;
    return (
      from +
      lowerBound(to - from, place => {
        const ordinal = index.uint32Briefly(section, from + place, 1)[0] ?? 0;
        const sentAt = index.times(ordinal, 1)[0] ?? 0;
        return follows(sentAt, ordinal, before) ? -1 : 0;
      })
    );
  }
}

function timesOf(index: IndexFile, ordinals: readonly number[]): ArrayLike<number> {
  if (ordinals.length === 0) return [];
  const [least, greatest] = [Math.min(...ordinals), Math.max(...ordinals)];
  if (greatest - least > Math.max(4096, ordinals.length * 16))
    return ordinals.map(ordinal => index.times(ordinal, 1)[0] ?? 0);
  const times = index.times(least, greatest - least + 1);
  return ordinals.map(ordinal => times[ordinal - least] ?? 0);
}
