import type { ServerResponse } from 'node:http';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';

type Held = { readonly account: AccountId; bytes: number };

/**
 * What answers on their way hold, over all requests. A caller who does not read could otherwise have as many pages as
 * connections in memory: beyond the bound the oldest answer is given up, of the account whose answers hold most.
 */
export class HeldAnswers {
  /** Oldest first. */
  readonly #held = new Map<ServerResponse, Held>();
  readonly #bytesMax: number;
  #total = 0;

  constructor(bytesMax: number = limits.answersBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** From now on this answer holds so many bytes, until it has left or its connection is over. */
  hold(account: AccountId, response: ServerResponse, bytes: number): void {
    if (response.closed || response.destroyed) return;
    const known = this.#held.get(response);
    if (known === undefined) {
      this.#held.set(response, { account, bytes });
      response.once('close', () => this.#forget(response));
    } else {
      this.#total -= known.bytes;
      known.bytes = bytes;
    }
    this.#total += bytes;
    while (this.#total > this.#bytesMax && this.#held.size > 1) this.#giveUpOne();
  }

  get bytes(): number {
    return this.#total;
  }

  #giveUpOne(): void {
    const byAccount = new Map<AccountId, number>();
    for (const { account, bytes } of this.#held.values()) byAccount.set(account, (byAccount.get(account) ?? 0) + bytes);
    const [most] = [...byAccount].reduce((a, b) => (b[1] > a[1] ? b : a));
    for (const [response, { account, bytes }] of this.#held)
      if (account === most && bytes > 0) {
        this.#forget(response);
        response.destroy();
        return;
      }
  }

  #forget(response: ServerResponse): void {
    this.#total -= this.#held.get(response)?.bytes ?? 0;
    this.#held.delete(response);
  }
}
