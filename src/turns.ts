import { Unavailable } from './failures.ts';

type Waiting = { readonly begin: () => void; readonly refuse: (reason: Error) => void };

export type TurnsOptions = {
  /** Pieces of work that one owner has at most, so that some room is left for whoever comes. */
  readonly ownerMax?: number;
  /** Waiting, of all owners. */
  readonly waitingMax?: number;
  /** How long anybody waits. */
  readonly waitMsMax?: number;
  /** What is told to whoever is refused for that. */
  readonly refusal?: string;
};

/**
 * Lets so many pieces of work run at a time. Further ones wait: their owners take turns, and those of one owner keep
 * their order, so whoever has little waits for little, however much others have. When too many wait, the last of those
 * whose owner has most is refused with `Unavailable`.
 */
export class Turns<Owner> {
  readonly #ownerMax: number;
  readonly #waitingMax: number;
  readonly #waitMsMax: number | undefined;
  readonly #refusal: string;
  /** The owner whose turn is next comes first; none has an empty line. */
  readonly #lines = new Map<Owner, Waiting[]>();
  readonly #running = new Map<Owner, number>();
  #waiting = 0;
  #free: number;

  constructor(atOnce: number, options: TurnsOptions = {}) {
    const { ownerMax = atOnce, waitingMax = Number.POSITIVE_INFINITY, refusal = 'too much waits' } = options;
    this.#free = atOnce;
    this.#ownerMax = ownerMax;
    this.#waitingMax = waitingMax;
    this.#waitMsMax = options.waitMsMax;
    this.#refusal = refusal;
  }

  /** Rejects with whatever the work rejects with; with the signal's reason when it was given up before it began. */
  async run<T>(owner: Owner, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#free > 0 && this.#hasRoom(owner)) this.#begin(owner);
    else await this.#turn(owner, signal);
    try {
      return await work();
    } finally {
      this.#end(owner);
    }
  }

  #hasRoom(owner: Owner): boolean {
    return (this.#running.get(owner) ?? 0) < this.#ownerMax;
  }

  #begin(owner: Owner): void {
    this.#free--;
    this.#running.set(owner, (this.#running.get(owner) ?? 0) + 1);
  }

  /** Hands the place on, so that none can slip in between. */
  #end(owner: Owner): void {
    this.#free++;
    const left = (this.#running.get(owner) ?? 1) - 1;
    if (left > 0) this.#running.set(owner, left);
    else this.#running.delete(owner);
    for (const [next, line] of this.#lines) {
      if (!this.#hasRoom(next)) continue;
      const waiting = line.shift();
      this.#waiting--;
      // Behind the others.
      this.#lines.delete(next);
      if (line.length > 0) this.#lines.set(next, line);
      this.#begin(next);
      waiting?.begin();
      return;
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
    const tooLong = () => {
      this.#leave(owner, waiting);
      reject(new Unavailable(this.#refusal));
    };
    const timer = this.#waitMsMax === undefined ? undefined : setTimeout(tooLong, this.#waitMsMax);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
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
