import { LRUCache } from 'lru-cache';
import type { AccountId, LogRecord } from '../../../domain/message.ts';
import { Turns } from '../../../turns.ts';

/** What is read at once of contents that may be as long as may be: 4 MB. */
export const fewRows = 60;
/** A page of contents that are no longer than this takes no more. */
const shortCharsMax = 4 * 1024;
/** Contents become shorter or longer. */
const remembered = { max: 10_000, ttl: 60_000 };

/**
 * Of accounts whose contents are long no page is read at once: a thousand messages take 65 MB, and a second in which its
 * connection serves nobody else. It is read a few messages at a time, each in a turn of its own, and few such pages are being
 * read, since they are held meanwhile.
 */
export class LongContents {
  readonly #isLong = new LRUCache<AccountId, boolean>(remembered);
  readonly #pages: Turns<AccountId>;

  constructor(pagesMax: number, waitMsMax: number) {
    this.#pages = new Turns(pagesMax, { waitMsMax, refusal: 'too many pages of long contents are read' });
  }

  /** How many of `count` are read next; the rest comes after them. */
  rowsAtOnce(account: AccountId, count: number): number {
    return this.#isLong.get(account) === false ? count : Math.min(count, fewRows);
  }

  /** Whether a page of so many has its turn first. */
  isLong(account: AccountId, count: number): boolean {
    return count > fewRows && this.#isLong.get(account) === true;
  }

  saw(account: AccountId, logs: readonly LogRecord[]): void {
    if (logs.length === 0) return;
    const chars = logs.reduce((sum, { contentJson }) => sum + contentJson.length, 0);
    this.#isLong.set(account, chars > shortCharsMax * logs.length);
  }

  /** Does what reads the rest of a long page, when it has its turn. */
  inTurn<T>(account: AccountId, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#pages.run(account, work, signal);
  }
}
