import type { Filtered } from '../../../domain/filter-fields.ts';
import type { AccountId } from '../../../domain/message.ts';
import { type AskedKeys, contentWordsOf, idPiecesOf } from '../../../domain/text-keys.ts';
import { idTexts } from '../../../domain/text-search.ts';
import { hashValue } from './fields.ts';
import type { IndexFile } from './index-file.ts';
import { equalRange, lowerBound } from './index-runs.ts';

/** Accounts with fewer messages have their rows read: that takes no longer. */
export const messagesOfAccountMin = 512;

/** Behind the fields of messages: the hashes of words and of pieces of ids. */
const [wordField, pieceField] = [64, 65];

export const wordHash = (seed: number, account: AccountId, word: string) => hashValue(seed, account, wordField, word);
export const pieceHash = (seed: number, account: AccountId, piece: string) =>
  hashValue(seed, account, pieceField, piece);

/** What is in more of the blocks than this is not told: its messages are found wherever one looks. */
const frequentShare = 1 / 4;
/** Words of messages beyond which none are told, since they take memory while they are gathered. */
const pairsMax = 1 << 23;
const blockNumbers = 2 ** 16;
/** Ids that are remembered, so that those that many messages have are taken to pieces once. */
const idsKnownMax = 4096;

/**
 * How words are told apart and compared: by this build, whose number grows when that changes, and by the Unicode of the
 * runtime. Where it was another way, a word asked for now may not be among those that are told.
 */
const form = Uint32Array.from([1, ...(process.versions.unicode ?? '').split('.').map(Number)]);

/** Whether a file tells the words as they are asked for now. Throws `DamagedIndex`. */
export function isOfForm(words: IndexFile): boolean {
  return words.uint32('words.form').join() === form.join();
}

/** Rows of a block: eight, or as many as make block numbers fit into two bytes. */
export function blockRowsOf(messages: number): number {
  let rows = 8;
  while (messages > rows * blockNumbers) rows *= 2;
  return rows;
}

/**
 * What stands in a file of words, of the accounts that have many messages in a segment: by which blocks of an account's
 * messages, in time order, may have a word. A block is so many neighbours in the index's `order`.
 */
export type WordSections = {
  readonly 'words.form': Uint32Array;
  readonly 'words.accounts': Float64Array;
  readonly 'words.hashes': Uint32Array;
  readonly 'words.starts': Uint32Array;
  readonly 'words.blocks': Uint16Array;
  readonly 'words.pieces': Uint32Array;
};

/** Gathers the words of a segment's messages, in any order. */
export class WordsMaker {
  readonly #seed: number;
  readonly #blockRows: number;
  readonly #blocks: number;
  #pairs = new Float64Array(1 << 16);
  #count = 0;
  readonly #pieces = new Set<number>();
  readonly #knownIds = new Set<string>();

  constructor(seed: number, messages: number) {
    this.#seed = seed;
    this.#blockRows = blockRowsOf(messages);
    this.#blocks = Math.ceil(messages / this.#blockRows);
  }

  /** Whether there are so many words that none will be told. */
  get isFull(): boolean {
    return this.#count >= pairsMax;
  }

  /** `place`: where the message stands in the index's `order`. */
  add(account: AccountId, place: number, log: Filtered): void {
    const block = Math.floor(place / this.#blockRows);
    for (const word of contentWordsOf(log)) this.#addPair(wordHash(this.#seed, account, word), block);
    for (const id of idTexts(log)) {
      const known = `${account} ${id}`;
      if (this.#knownIds.has(known)) continue;
      if (this.#knownIds.size === idsKnownMax) this.#knownIds.clear();
      this.#knownIds.add(known);
      for (const piece of idPiecesOf(id)) this.#pieces.add(pieceHash(this.#seed, account, piece));
    }
  }

  /** Of these accounts, in ascending order; of none where there are too many words. */
  sections(accounts: Float64Array): WordSections {
    const told = this.isFull ? 0 : this.#count;
    const pairs = this.#pairs.subarray(0, told).sort();
    const hashes: number[] = [];
    const starts: number[] = [];
    const blocks = new Uint16Array(told);
    let end = 0;
    for (let at = 0; at < told; ) {
      const hash = Math.floor((pairs[at] ?? 0) / blockNumbers);
      const from = end;
      for (let before = -1; at < told; at++) {
        const pair = pairs[at] ?? 0;
        if (Math.floor(pair / blockNumbers) !== hash) break;
        if (pair !== before) blocks[end++] = pair % blockNumbers;
        before = pair;
      }
      if (end - from > this.#blocks * frequentShare) end = from;
      hashes.push(hash);
      starts.push(from);
    }
    return {
      'words.form': form.slice(),
      'words.accounts': this.isFull ? new Float64Array(0) : accounts,
      'words.hashes': Uint32Array.from(hashes),
      'words.starts': Uint32Array.from([...starts, end]),
      'words.blocks': blocks.slice(0, end),
      'words.pieces': Uint32Array.from(this.isFull ? [] : this.#pieces).sort(),
    };
  }

  #addPair(hash: number, block: number): void {
    if (this.isFull) return;
    // What it was is freed at once: it lies outside the heap, until a collection.
    if (this.#count === this.#pairs.length)
      this.#pairs = new Float64Array(this.#pairs.buffer.transfer(2 * this.#pairs.byteLength));
    this.#pairs[this.#count++] = hash * blockNumbers + block;
  }
}

/** The blocks of an account's messages that may have what is asked for, in ascending order. */
export type WordBlocks = { readonly rows: number; readonly numbers: ArrayLike<number> };

/**
 * Which blocks of an account may have all terms; `undefined` where the file does not tell: any may. Throws `DamagedIndex`
 * for what is not what was written.
 */
export function blocksWith(
  words: IndexFile,
  seed: number,
  account: AccountId,
  terms: readonly AskedKeys[],
): WordBlocks | undefined {
  if (!isOfForm(words)) return undefined;
  const accounts = words.float64('words.accounts');
  if (accounts[lowerBound(accounts.length, at => (accounts[at] ?? 0) - account)] !== account) return undefined;
  const hasPiece = (piece: string) => {
    const [from, to] = equalRange(words, 'words.pieces', pieceHash(seed, account, piece));
    return from < to;
  };
  let common: ArrayLike<number> | undefined;
  for (const { words: all, inIds } of terms) {
    if (inIds.some(pieces => pieces.every(hasPiece))) continue;
    for (const word of all) {
      const blocks = blocksOf(words, wordHash(seed, account, word));
      if (blocks !== 'frequent') common = common === undefined ? blocks : inBoth(common, blocks);
      if (common?.length === 0) break;
    }
  }
  return common && { rows: blockRowsOf(words.header.messages), numbers: common };
}

function blocksOf(words: IndexFile, hash: number): Uint16Array | 'frequent' {
  const [first, end] = equalRange(words, 'words.hashes', hash);
  if (first === end) return new Uint16Array(0);
  const [from = 0, to = 0] = words.uint32Briefly('words.starts', first, 2);
  return from === to ? 'frequent' : words.uint16('words.blocks', from, to - from);
}

function inBoth(a: ArrayLike<number>, b: ArrayLike<number>): ArrayLike<number> {
  const both: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [left, right] = [a[i] ?? 0, b[j] ?? 0];
    if (left === right) both.push(left);
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return both;
}
