import type { ReplicaReads, StoreObserver } from '../../store.ts';
import type { Beat } from './heartbeat.ts';
import type { ReplicaServer } from './replica.ts';

/** A server that may be read now, and what it is known to show. */
export type Readable = { readonly server: ReplicaServer; readonly beat: Beat };

/** Why a replica cannot be used. */
export type Fault = {
  readonly reason: string;
  /** `mistake`: only the operator can mend it. `away`: it does not answer. `behind`: it has not come that far (yet). */
  readonly kind: 'mistake' | 'away' | 'behind';
};

/** Reads, and looks at how far it is for one, that fail one after the other while the database answers. */
const failuresMax = 3;
/** Looks at a replica that it must stand in a row to be used again, so that one on the brink is not told of all the time. */
const looksToReturn = 20;

type UseOptions = { readonly lagMsMax: number; readonly startMs: number; readonly observer: StoreObserver };

/** Whether a replica is used: decided by one look after the other, and told when it changes. */
export class ReplicaUse {
  readonly #name: string;
  readonly #lagMsMax: number;
  readonly #startMs: number;
  readonly #observer: StoreObserver;
  readonly #beganAt = performance.now();
  #found: Readable | undefined;
  #reads = 0;
  #isUsed = false;
  #looksNeeded = 1;
  #failures = 0;
  #told: Fault['kind'] | undefined;

  constructor(name: string, { lagMsMax, startMs, observer }: UseOptions) {
    this.#name = name;
    this.#lagMsMax = lagMsMax;
    this.#startMs = startMs;
    this.#observer = observer;
  }

  /** Absent when what was found there is too old, or when it is not used. */
  get readable(): Readable | undefined {
    return this.#isUsed && this.#behindMs() <= this.#lagMsMax ? this.#found : undefined;
  }

  get reads(): ReplicaReads {
    const found = { name: this.#name, reads: this.#reads, isUsed: this.readable !== undefined };
    return this.#found === undefined ? found : { ...found, behindMs: this.#behindMs() };
  }

  /** It was looked at, and shows this. */
  shows(found: Readable): void {
    this.#found = found;
    const behindMs = this.#behindMs();
    if (behindMs > this.#lagMsMax) this.leave({ kind: 'behind', reason: `it is ${Math.round(behindMs)} ms behind` });
    else if (!this.#isUsed && --this.#looksNeeded <= 0) {
      this.#isUsed = true;
      this.#told = undefined;
      this.#failures = 0;
      this.#observer.note({ level: 'info', message: 'a read replica is used', detail: { replica: this.#name } });
    }
  }

  leave({ kind, reason }: Fault): void {
    const isStarting = kind === 'behind' && performance.now() - this.#beganAt < this.#startMs + this.#lagMsMax;
    const isNews = this.#told === undefined ? this.#isUsed || !isStarting : kind === 'mistake' && this.#told !== kind;
    if (isNews || this.#told !== undefined) this.#looksNeeded = looksToReturn;
    this.#isUsed = false;
    if (kind === 'away') this.#found?.server.abandon();
    if (!isNews) return;
    this.#told = kind;
    const level = kind === 'mistake' ? 'error' : 'warn';
    const detail = { replica: this.#name, reason };
    this.#observer.note({ level, message: 'a read replica is not used', detail });
  }

  answered(): void {
    this.#reads++;
    this.#failures = 0;
  }

  /** It failed a read that the database answered, or to say how far it is: once, when recovery broke it off, but not time and again. */
  failed(reason: string): void {
    if (++this.#failures >= failuresMax) this.leave({ kind: 'away', reason: `it does not answer reads: ${reason}` });
  }

  /** How old the newest thing is that it is known to show. */
  #behindMs(): number {
    return this.#found === undefined ? Infinity : performance.now() - this.#found.beat.sentAtMs;
  }
}
