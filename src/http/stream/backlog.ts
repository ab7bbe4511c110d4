import { limits } from '../../limits.ts';
import type { Listener } from './listener.ts';

/** What all listeners together have left unread, as of when each was last looked at. */
export class Backlog {
  readonly #bytes = new Map<Listener, number>();
  #total = 0;

  /** Looks at a listener before it is given more: `true` when it has fallen behind too far to be given any. */
  isTooSlow(listener: Listener): boolean {
    const bytes = listener.unreadBytes;
    this.#total += bytes - (this.#bytes.get(listener) ?? 0);
    this.#bytes.set(listener, bytes);
    if (bytes > limits.listenerBytesMax) return true;
    // Of those that fill the room for all it is the slower ones that go.
    return this.#total > limits.listenersBytesMax && bytes * this.#bytes.size >= this.#total;
  }

  forget(listener: Listener): void {
    this.#total -= this.#bytes.get(listener) ?? 0;
    this.#bytes.delete(listener);
  }
}
