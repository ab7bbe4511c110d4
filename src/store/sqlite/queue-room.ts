import { limits } from '../../limits.ts';
import type { RecordBatch } from '../store.ts';

/** What a batch takes of the room. */
export type Load = { readonly records: number; readonly chars: number };

export function loadOf({ submissions }: RecordBatch): Load {
  const chars = submissions.reduce((sum, one) => sum + (one.contentJson?.length ?? 0), 0);
  return { records: submissions.length, chars };
}

/** Bounds the records that are on their way to disk: whoever comes when it is full waits. */
export class QueueRoom {
  readonly #waiters: (() => void)[] = [];
  #records = 0;
  #chars = 0;

  get records(): number {
    return this.#records;
  }

  /** Resolves when there is room, which is taken then. `hold` is asked first each time: `true` waits, and it may throw. */
  async take({ records, chars }: Load, hold: () => boolean): Promise<void> {
    while (hold() || this.#lacks(records, chars)) await new Promise<void>(resolve => this.#waiters.push(resolve));
    this.#records += records;
    this.#chars += chars;
  }

  give({ records, chars }: Load): void {
    this.#records -= records;
    this.#chars -= chars;
    this.wake();
  }

  /** Has everybody who waits ask again. */
  wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** One batch always fits, however large. */
  #lacks(records: number, chars: number): boolean {
    return (
      this.#records > 0 &&
      (this.#records + records > limits.queuedRecordsMax || this.#chars + chars > limits.queuedCharsMax)
    );
  }
}
