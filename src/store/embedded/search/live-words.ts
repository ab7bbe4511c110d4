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
/** Different pieces of ids that are kept, of all accounts. */
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
  readonly #pieces = new IdPieces();

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
    for (const id of idTexts(log))
      for (const piece of idPiecesOf(id)) this.#pieces.add(account, pieceHash(this.#seed, account, piece));
    this.#known[ordinal] = 1;
  }

  /** Whether a message of the account may have all terms. */
  test(account: AccountId, terms: readonly AskedKeys[]): MayBeAsked {
    let bits: readonly number[] = [];
    let changes = -1;
    return ordinal => {
      if (this.#known[ordinal] !== 1) return true;
      // Between two steps of a question others look messages through, whose ids may have what none had before.
      if (changes !== this.#pieces.changes) {
        changes = this.#pieces.changes;
        bits = this.#bitsOfAll(account, terms);
      }
      const from = ordinal * numbersOfMessage;
      return bits.every(bit => ((this.#bits[from + (bit >> 5)] ?? 0) & (1 << (bit & 31))) !== 0);
    };
  }

  /** What a message has where it has all terms in its content; of a term that ids may have, nothing. */
  #bitsOfAll(account: AccountId, terms: readonly AskedKeys[]): readonly number[] {
    const hasPiece = (piece: string) => this.#pieces.mayHave(account, pieceHash(this.#seed, account, piece));
    return terms
      .filter(({ inIds }) => !inIds.some(pieces => pieces.every(hasPiece)))
      .flatMap(({ words }) => words.flatMap(word => bitsOf(wordHash(this.#seed, account, word))));
  }
}

/** Which pieces the ids of each account have. Where there is no more room, the account that has most of them is left out. */
class IdPieces {
  readonly #held = new Map<AccountId, Set<number>>();
  readonly #leftOut = new Set<AccountId>();
  #room = piecesMax;
  /** Grows with everything that changes an answer. */
  changes = 0;

  add(account: AccountId, piece: number): void {
    if (this.#leftOut.has(account)) return;
    const held = this.#held.get(account) ?? new Set();
    this.#held.set(account, held);
    if (held.has(piece)) return;
    held.add(piece);
    this.changes++;
    if (--this.#room < 0) this.#leaveMostOut();
  }

  /** Of an account that is left out any. */
  mayHave(account: AccountId, piece: number): boolean {
    return this.#leftOut.has(account) || this.#held.get(account)?.has(piece) === true;
  }

  #leaveMostOut(): void {
    const [most] = [...this.#held].sort(([, a], [, b]) => b.size - a.size);
    if (most === undefined) return;
    const [account, { size }] = most;
    this.#held.delete(account);
    this.#leftOut.add(account);
    this.#room += size;
  }
}

/** As many of the bits of a message as a word has, each by eight bits of its hash. */
function bitsOf(hash: number): readonly number[] {
  return Array.from({ length: bitsOfWord }, (_, i) => (hash >>> (i * 8)) & (bitsOfMessage - 1));
}
