import { setImmediate } from 'node:timers/promises';

/** What others wait for meanwhile; several times, since an answer takes a few turns of the thread. */
const sliceMs = 2;

/** Work of many small steps on a thread that others wait for: between two of them it gives way, once it has taken so long. */
export class Slices {
  #endsAt = performance.now() + sliceMs;

  /** What to wait for before the next step; nothing, for most of them. */
  pause(): Promise<void> | undefined {
    if (performance.now() < this.#endsAt) return undefined;
    return setImmediate().then(() => {
      this.#endsAt = performance.now() + sliceMs;
    });
  }
}
