import type { Disk } from '../files/disk.ts';
import { IndexFile } from '../segment/index-file.ts';

const chunkBytes = 1 << 14;

/** The keys of a sealed segment in the order of their hashes, read off its index a piece at a time. */
export class KeyRun {
  readonly #index: IndexFile;
  readonly #hashes: Numbers;
  readonly #ordinals: Numbers;
  /** Where hashes stand once for all their ordinals: where those of each begin. */
  readonly #starts: Uint32Array | undefined;
  #hash: number | undefined;
  #place = 0;

  constructor(disk: Disk, path: string) {
    this.#index = new IndexFile(path, disk);
    try {
      this.#hashes = new Numbers(this.#index.uint32Chunks('messageId.hashes', chunkBytes));
      this.#ordinals = new Numbers(this.#index.uint32Chunks('messageId.ordinals', chunkBytes));
      if (this.#index.bytesOf('messageId.starts') > 0) this.#starts = this.#index.uint32('messageId.starts');
      this.#hash = this.#hashes.next();
    } catch (error) {
      this.#index.close();
      throw error;
    }
  }

  /** Hands on the keys from where it stopped to the first whose hash is `end` or greater. */
  take(end: number, visit: (hash: number, ordinal: number) => void): void {
    const starts = this.#starts;
    for (let hash = this.#hash; hash !== undefined && hash < end; hash = this.#hash) {
      const times = starts === undefined ? 1 : (starts[this.#place + 1] ?? 0) - (starts[this.#place] ?? 0);
      for (let i = 0; i < times; i++) visit(hash, this.#ordinals.next() ?? 0);
      this.#place++;
      this.#hash = this.#hashes.next();
    }
  }

  close(): void {
    this.#index.close();
  }
}

/** The numbers of some chunks, one after the other. */
class Numbers {
  readonly #chunks: Iterator<Uint32Array>;
  #chunk: Uint32Array = new Uint32Array(0);
  #at = 0;

  constructor(chunks: Iterator<Uint32Array>) {
    this.#chunks = chunks;
  }

  next(): number | undefined {
    if (this.#at === this.#chunk.length) {
      const next = this.#chunks.next();
      if (next.done) return undefined;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return this.#chunk[this.#at++];
  }
}
