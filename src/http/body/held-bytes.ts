import { unavailable } from '../errors.ts';

/** JSON bodies held at once, over all requests: further ones are asked to come again. */
const heldBytesMax = 128 * 1024 * 1024;
const heldRetryMs = 2000;

/** Bounds the bodies that are held while they are read and worked on. */
export class HeldBytes {
  #bytes = 0;

  /** For one body: `add` throws an `ApiError` 503 when there is no more room. */
  holder(): { add: (bytes: number) => void; release: () => void } {
    let held = 0;
    return {
      add: bytes => {
        if (this.#bytes + bytes > heldBytesMax) throw unavailable(heldRetryMs);
        this.#bytes += bytes;
        held += bytes;
      },
      release: () => {
        this.#bytes -= held;
      },
    };
  }
}
