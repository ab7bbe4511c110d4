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

/** What is copied before it is looked whether others wait. */
const bytesAtATime = 1024 * 1024;

/** Some bytes one after the other, in memory of their own: to copy a page of long contents takes a tenth of a second. */
export async function joined(parts: readonly Uint8Array[]): Promise<Buffer<ArrayBuffer>> {
  const all = Buffer.allocUnsafeSlow(parts.reduce((bytes, part) => bytes + part.byteLength, 0));
  const slices = new Slices();
  let at = 0;
  for (const part of parts)
    for (let from = 0; from < part.byteLength; from += bytesAtATime) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      const piece = part.subarray(from, from + bytesAtATime);
      all.set(piece, at);
      at += piece.byteLength;
    }
  return all;
}
