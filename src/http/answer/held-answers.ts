import type { ServerResponse } from 'node:http';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';

/** Whose answers they are: an account's, or of whoever calls from a network without saying who it is. */
type Owner = AccountId | string;
type Held = { readonly owner: Owner; bytes: number };

/** What is shorter the system takes from a connection at once, and nearly every answer is. */
const textCharsMin = 16 * 1024;

/**
 * What answers on their way hold, over all requests. A caller who does not read could otherwise have as many pages as
 * connections in memory: beyond the bound the oldest answer is given up, of whoever's answers hold most.
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
  hold(owner: Owner, response: ServerResponse, bytes: number): void {
    if (response.closed || response.destroyed) return;
    const known = this.#held.get(response);
    if (known === undefined) {
      this.#held.set(response, { owner, bytes });
      response.once('close', () => this.#forget(response));
    } else {
      this.#total -= known.bytes;
      known.bytes = bytes;
    }
    this.#total += bytes;
    while (this.#total > this.#bytesMax && this.#held.size > 1) this.#giveUpOne();
  }

  /** Of a text that was made for one answer; bytes that many share, such as the page's files, are held once. */
  holdText(owner: Owner, response: ServerResponse, answer: unknown): void {
    if (typeof answer === 'string' && answer.length >= textCharsMin)
      this.hold(owner, response, Buffer.byteLength(answer));
  }

  get bytes(): number {
    return this.#total;
  }

  #giveUpOne(): void {
    const byOwner = new Map<Owner, number>();
    for (const { owner, bytes } of this.#held.values()) byOwner.set(owner, (byOwner.get(owner) ?? 0) + bytes);
    const [most] = [...byOwner].reduce((a, b) => (b[1] > a[1] ? b : a));
    for (const [response, { owner, bytes }] of this.#held)
      if (owner === most && bytes > 0) {
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
