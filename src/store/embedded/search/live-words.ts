import type { Filtered } from '../../../domain/filter-fields.ts';
import type { AccountId } from '../../../domain/message.ts';
import { type AskedKeys, contentWordsOf, idPiecesOf } from '../../../domain/text-keys.ts';
import { idTexts } from '../../../domain/text-search.ts';
import { pieceHash, wordHash } from '../segment/words-file.ts';
import type { MayBeAsked } from './scan.ts';

/** Of each message so many bits, some of them for each of its words: 60 words leave most unset. */
const bitsOfMessage = 256;
const numbersOfMessage = bitsOfMessage / 32;
const bitsOfWord = 4;
/** A message with more words may have any. */
const wordsMax = 60;
/** Pieces of ids beyond which nothing is told of ids. */
const piecesMax = 200_000;
const anyWord = 0xffffffff;

/**
 * What a reader learnt of the words of a segment that has no index yet, from the messages that it looked through before: those
 * that lack a word asked for are not read again.
 */
export class LiveWords {
  readonly #seed: number;
  readonly #bits: Uint32Array;
  readonly #known: Uint8Array;
  readonly #pieces = new Set<number>();

  /** `messages`: how many the segment has room for. */
  constructor(seed: number, messages: number) {
    this.#seed = seed;
    this.#bits = new Uint32Array(messages * numbersOfMessage);
    this.#known = new Uint8Array(messages);
  }

  learn(account: AccountId, ordinal: number, log: Filtered): void {
    if (this.#known[ordinal] !== 0) return;
    const from = ordinal * numbersOfMessage;
    const words = contentWordsOf(log);
    if (words.size > wordsMax) this.#bits.fill(anyWord, from, from + numbersOfMessage);
    else
      for (const word of words)
        for (const bit of bitsOf(wordHash(this.#seed, account, word)))
          this.#bits[from + (bit >> 5)] = (this.#bits[from + (bit >> 5)] ?? 0) | (1 << (bit & 31));
    if (this.#pieces.size <= piecesMax)
      for (const id of idTexts(log))
        for (const piece of idPiecesOf(id)) this.#pieces.add(pieceHash(this.#seed, account, piece));
    this.#known[ordinal] = 1;
  }

  /** Whether a message of the account may have all terms. */
  test(account: AccountId, terms: readonly AskedKeys[]): MayBeAsked {
    let bits: readonly number[] = [];
    let pieces = -1;
    return ordinal => {
      if (this.#known[ordinal] !== 1) return true;
      // Between two steps of a question others look messages through, whose ids may have what none had before.
      if (pieces !== this.#pieces.size) {
        pieces = this.#pieces.size;
        bits = this.#bitsOfAll(account, terms);
      }
      const from = ordinal * numbersOfMessage;
      return bits.every(bit => ((this.#bits[from + (bit >> 5)] ?? 0) & (1 << (bit & 31))) !== 0);
    };
  }

  /** What a message has where it has all terms in its content; of a term that ids may have, nothing. */
  #bitsOfAll(account: AccountId, terms: readonly AskedKeys[]): readonly number[] {
    if (this.#pieces.size > piecesMax) return [];
    const hasPiece = (piece: string) => this.#pieces.has(pieceHash(this.#seed, account, piece));
    return terms
      .filter(({ inIds }) => !inIds.some(pieces => pieces.every(hasPiece)))
      .flatMap(({ words }) => words.flatMap(word => bitsOf(wordHash(this.#seed, account, word))));
  }
}

/** As many of the bits of a message as a word has, each by eight bits of its hash. */
function bitsOf(hash: number): readonly number[] {
  return Array.from({ length: bitsOfWord }, (_, i) => (hash >>> (i * 8)) & (bitsOfMessage - 1));
}
