import { Unavailable } from './failures.ts';

type Waiting = { readonly begin: () => void; readonly refuse: (reason: Error) => void };

/**
 * Lets so many pieces of work run at a time. Further ones wait: their owners take turns, and those of one owner keep
 * their order, so whoever has little waits for little, however much others have. When too many wait, the last of those
 * whose owner has most is refused with `Unavailable`.
 */
export class Turns<Owner> {
  readonly #waitingMax: number;
  readonly #refusal: string;
  /** The owner whose turn is next comes first; none has an empty line. */
  readonly #lines = new Map<Owner, Waiting[]>();
  #waiting = 0;
  #free: number;

  constructor(atOnce: number, waitingMax = Number.POSITIVE_INFINITY, refusal = 'too much waits') {
    this.#free = atOnce;
    this.#waitingMax = waitingMax;
    this.#refusal = refusal;
  }

  /** Rejects with whatever the work rejects with; with the signal's reason when it was given up before it began. */
  async run<T>(owner: Owner, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#turn(owner, signal);
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(owner: Owner, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { begin: resolve, refuse: reject };
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [waiting]);
    else line.push(waiting);
    this.#waiting++;
    if (this.#waiting > this.#waitingMax) this.#refuseOne();
    const giveUp = () => {
      this.#leave(owner, waiting);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /** Hands the place on, so that none can slip in between. */
  #next(): void {
    const [first] = this.#lines;
    if (first === undefined) {
      this.#free++;
      return;
    }
    const [owner, line] = first;
    const next = line.shift();
    this.#waiting--;
    // Behind the others.
    this.#lines.delete(owner);
    if (line.length > 0) this.#lines.set(owner, line);
    next?.begin();
  }

  #leave(owner: Owner, waiting: Waiting): void {
    const line = this.#lines.get(owner);
    const at = line?.indexOf(waiting) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    this.#waiting--;
    if (line.length === 0) this.#lines.delete(owner);
  }

  #refuseOne(): void {
    let [longest] = this.#lines;
    for (const one of this.#lines) if (longest === undefined || one[1].length >= longest[1].length) longest = one;
    if (longest === undefined) return;
    const [owner, line] = longest;
    const last = line.at(-1);
    if (last === undefined) return;
    this.#leave(owner, last);
    last.refuse(new Unavailable(this.#refusal));
  }
}
