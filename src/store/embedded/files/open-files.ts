import { LRUCache } from 'lru-cache';
import { descriptorsMax } from '../../../descriptors.ts';

/** Of one kind, what may be in use at a time: these are not closed. */
const inUseMax = 16;
/** What four threads would keep open of all kinds together. */
const wantedByAll = 4 * 2752;
/** What else a server has open, but for connections, which have the other half. */
const openBesides = 128;

/**
 * Files of segments that a thread keeps open, those that were asked for last. Where the process may have few open at once
 * they are fewer, and where none can be opened now the oldest makes room.
 */
export class OpenFiles<T extends { close(): void }> {
  readonly #files: LRUCache<number, T & object>;

  /** `wanted`: as many as are of use. */
  constructor(wanted: number, descriptors: number = descriptorsMax()) {
    const share = Math.min(1, (descriptors / 2 - openBesides) / wantedByAll);
    const max = Math.max(inUseMax, Math.floor(share * wanted));
    this.#files = new LRUCache<number, T & object>({ max, dispose: file => file.close() });
  }

  /** The file of a segment, opened unless it is. */
  of(segmentId: number, open: () => T): T {
    const known = this.#files.get(segmentId);
    if (known !== undefined) return known;
    const opened = this.#opened(open);
    this.#files.set(segmentId, opened);
    return opened;
  }

  has(segmentId: number): boolean {
    return this.#files.has(segmentId);
  }

  delete(segmentId: number): void {
    this.#files.delete(segmentId);
  }

  clear(): void {
    this.#files.clear();
  }

  #opened(open: () => T): T {
    for (;;) {
      try {
        return open();
      } catch (error) {
        if (!areTooManyOpen(error) || this.#files.size < inUseMax) throw error;
        this.#files.pop();
      }
    }
  }
}

function areTooManyOpen(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');
}
