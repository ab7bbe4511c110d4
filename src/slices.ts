/** What others wait for meanwhile; several times, since an answer takes a few turns of the thread. */
const sliceMs = 2;

/** Work that goes on in a later turn of the thread, the one that waits longest first. */
const waiting: (() => void)[] = [];

/** One slice a turn, whoever else has more to do: those that wait for an answer wait for that turn, several times. */
function goOn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(goOn);
}

/**
 * Work of many small steps on a thread that others wait for: between two of them it gives way, once it has taken so long. What
 * gave way goes on in turns, one in each turn of the thread.
 */
export class Slices {
  #endsAt = performance.now() + sliceMs;

  /** What to wait for before the next step; nothing, for most of them. */
  pause(): Promise<void> | undefined {
    if (performance.now() < this.#endsAt) return undefined;
    return new Promise(resolve => {
      waiting.push(() => {
        this.#endsAt = performance.now() + sliceMs;
        resolve();
      });
      if (waiting.length === 1) setImmediate(goOn);
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
