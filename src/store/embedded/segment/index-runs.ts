import type { AccountId } from '../../../domain/message.ts';
import { fields, messageIdField } from './fields.ts';
import type { IndexFile, SectionName } from './index-file.ts';

/** A run of ordinals in an index file, in time order, oldest first. */
export type Run = {
  readonly section: 'order' | `${(typeof fields)[number]}.ordinals`;
  readonly from: number;
  readonly to: number;
};

/** Where the ordinals of the messages stand that have a value with this hash; `undefined` where none has. */
export function runOf(index: IndexFile, field: number, hash: number): Run | undefined {
  const name = fields[field];
  if (name === undefined) throw new RangeError(`no field ${field}`);
  const [first, end] = equalRange(index, `${name}.hashes`, hash);
  if (first === end) return undefined;
  if (index.bytesOf(`${name}.starts`) === 0) return { section: `${name}.ordinals`, from: first, to: end };
  const [from = 0, to = 0] = index.uint32Briefly(`${name}.starts`, first, 2);
  return { section: `${name}.ordinals`, from, to };
}

/** The messages whose id has the hash. */
export function ordinalsWithId(index: IndexFile, hash: number): Uint32Array {
  const run = runOf(index, messageIdField, hash);
  return run === undefined ? new Uint32Array(0) : index.uint32(run.section, run.from, run.to - run.from);
}

/** All hashes of a segment's ids and which messages have them, in memory. */
export class IdsOfSegment {
  readonly #hashes: Uint32Array;
  readonly #starts: Uint32Array | undefined;
  readonly #ordinals: Uint32Array;

  constructor(index: IndexFile) {
    this.#hashes = index.uint32('messageId.hashes');
    this.#starts = index.bytesOf('messageId.starts') === 0 ? undefined : index.uint32('messageId.starts');
    this.#ordinals = index.uint32('messageId.ordinals');
  }

  get bytes(): number {
    return this.#hashes.byteLength + this.#ordinals.byteLength + (this.#starts?.byteLength ?? 0);
  }

  /** Nothing is asked of it any more: its memory need not wait for a collection. */
  free(): void {
    for (const array of [this.#hashes, this.#starts, this.#ordinals])
      if (array?.buffer instanceof ArrayBuffer && !array.buffer.detached) array.buffer.transfer(0);
  }

  /** As `ordinalsWithId`. */
  ordinals(hash: number): readonly number[] {
    const [hashes, starts] = [this.#hashes, this.#starts];
    const first = this.#firstOf(hash);
    let end = first;
    while (hashes[end] === hash) end++;
    const [from, to] = starts === undefined || first === end ? [first, end] : [starts[first] ?? 0, starts[end] ?? 0];
    const found: number[] = [];
    for (let place = from; place < to; place++) found.push(this.#ordinals[place] ?? 0);
    return found;
  }

  /** The first place of a hash that is not less: looked for around where it must stand, as `equalRange` does. */
  #firstOf(hash: number): number {
    const hashes = this.#hashes;
    const guess = Math.floor((hash / 2 ** 32) * hashes.length);
    let [low, high, step] = [guess, guess, 256];
    for (; low > 0 && (hashes[low - 1] ?? 0) >= hash; step *= 2) low = Math.max(0, low - step);
    for (; high < hashes.length && (hashes[high] ?? 0) < hash; step *= 2) high = Math.min(hashes.length, high + step);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((hashes[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where the first hash of an id stands that is not less. */
export function firstOfHash(index: IndexFile, hash: number): number {
  const count = index.bytesOf('messageId.hashes') / 4;
  return lowerBound(count, place => (index.uint32Briefly('messageId.hashes', place, 1)[0] ?? 0) - hash);
}

/** Hashes are spread evenly, so where one must stand is known within a few hundred places: one read finds it. */
export function equalRange(index: IndexFile, section: SectionName, hash: number): readonly [from: number, to: number] {
  const count = index.bytesOf(section) / 4;
  const guess = Math.floor((hash / 2 ** 32) * count);
  const margin = 64 + Math.ceil(Math.sqrt(count));
  let [low, high] = [Math.max(0, guess - margin), Math.min(count, guess + margin)];
  let window = index.uint32Briefly(section, low, high - low);
  const encloses = () => (low === 0 || (window[0] ?? 0) < hash) && (high === count || (window.at(-1) ?? 0) > hash);
  while (!encloses()) {
    const step = high - low;
    [low, high] = [Math.max(0, low - step), Math.min(count, high + step)];
    window = index.uint32Briefly(section, low, high - low);
  }
  const from = lowerBound(window.length, place => (window[place] ?? 0) - hash);
  let to = from;
  while (window[to] === hash) to++;
  return [low + from, low + to];
}

/** Where an account stands among those of a section, which are in order; `undefined` where it is none of them. */
export function placeOfAccount(
  index: IndexFile,
  section: 'accounts' | 'reportAccounts' | 'counts.accounts',
  account: AccountId,
): number | undefined {
  const count = index.bytesOf(section) / 8;
  const at = lowerBound(count, place => (index.float64(section, place, 1)[0] ?? 0) - account);
  return at < count && index.float64(section, at, 1)[0] === account ? at : undefined;
}

/** The first of `count` places whose comparison is not negative. */
export function lowerBound(count: number, compare: (place: number) => number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(middle) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
