import { DamagedIndex, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { Merging } from '../threads/messages.ts';
import { makeVolume } from './make-volume.ts';

/** The rows file, and its volume beside it, and as much again that is left to whoever records. */
const roomPerRowsByte = 2;

type Work = {
  atLeisure<T>(steps: Generator<void, T>): Promise<T>;
  made(segmentId: number): void;
  failed(segmentId: number, error: unknown): void;
};

/** Makes the volumes of sealed segments, one at a time, the oldest first. */
export class Volumes {
  readonly #folder: Folder;
  readonly #merging: Merging | undefined;
  readonly #work: Work;
  readonly #left = new Set<number>();
  /** In order; the youngest are left as they are. */
  #youngest: readonly number[] = [];
  #isMaking = false;

  constructor(folder: Folder, merging: Merging | undefined, work: Work) {
    this.#folder = folder;
    this.#merging = merging;
    this.#work = work;
  }

  /** A segment that has an index. What could not be made before is tried again. */
  async add(segmentId: number): Promise<void> {
    if (this.#merging === undefined) return;
    this.#left.add(segmentId);
    const { youngestLeft, blockRows } = this.#merging;
    const known = new Set([...this.#youngest, segmentId]);
    this.#youngest = [...known].sort((a, b) => a - b).slice(-youngestLeft - 1);
    if (this.#isMaking) return;
    this.#isMaking = true;
    const tried = new Set<number>();
    for (let next = this.#next(tried, youngestLeft); next !== undefined; next = this.#next(tried, youngestLeft)) {
      tried.add(next);
      await this.#make(next, blockRows);
    }
    this.#isMaking = false;
  }

  #next(tried: ReadonlySet<number>, youngestLeft: number): number | undefined {
    const end = youngestLeft === 0 ? Infinity : (this.#youngest.at(-youngestLeft) ?? 0);
    const due = [...this.#left].filter(id => id < end && !tried.has(id));
    return due.length === 0 ? undefined : Math.min(...due);
  }

  async #make(segmentId: number, blockRows: number): Promise<void> {
    try {
      await this.#makeSound(segmentId, blockRows);
    } catch (error) {
      this.#work.failed(segmentId, error);
    }
  }

  async #makeSound(segmentId: number, blockRows: number): Promise<void> {
    const rowsBytes = this.#folder.disk.size(this.#folder.rows(segmentId)) ?? 0;
    try {
      if (this.#folder.freeBytes() < rowsBytes * roomPerRowsByte) return;
      const isMade = await this.#work.atLeisure(makeVolume(this.#folder, segmentId, blockRows));
      this.#left.delete(segmentId);
      if (isMade) this.#work.made(segmentId);
    } catch (error) {
      // What was dropped or made anew meanwhile is none; what is damaged is told by whoever reads or verifies it.
      if (isDamage(error)) this.#left.delete(segmentId);
      if (error instanceof DamagedIndex || this.#folder.isGoing(segmentId)) return;
      throw error;
    }
  }
}
