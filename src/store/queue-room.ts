import { limits } from '../limits.ts';
import type { RecordBatch } from './store.ts';

/** What a batch takes of the room. */
export type Load = { readonly records: number; readonly chars: number };

export function loadOf({ submissions }: RecordBatch): Load {
  const chars = submissions.reduce((sum, one) => sum + (one.contentJson?.length ?? 0), 0);
  return { records: submissions.length, chars };
}

/** Bounds the records that are taken and not durable yet: whoever comes when it is full waits. */
export class QueueRoom {
  #inLine = 0;
  #turn: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #records = 0;
  #chars = 0;

  get records(): number {
    return this.#records;
  }

  /**
   * Resolves when there is room, which is taken then: in the order of the calls, since a small batch may hold reports on
   * the messages of a great one before it. `hold` is asked first each time: `true` waits, and it may throw.
   */
  async take({ records, chars }: Load, hold: () => boolean): Promise<void> {
    const before = this.#turn;
    const { promise, resolve: pass } = Promise.withResolvers<void>();
    this.#turn = promise;
    // Where nobody is before it, what there is room for is taken by the time the call returns: whoever closes waits for it.
    const isFirst = ++this.#inLine === 1;
    try {
      if (!isFirst) await before;
      while (hold() || this.#lacks(records, chars)) await new Promise<void>(resolve => (this.#wake = resolve));
      this.#records += records;
      this.#chars += chars;
    } finally {
      this.#inLine--;
      pass();
    }
  }

  give({ records, chars }: Load): void {
    this.#records -= records;
    this.#chars -= chars;
    this.wake();
  }

  /** Has whoever waits ask again. */
  wake(): void {
    this.#wake();
  }

  /** One batch always fits, however large. */
  #lacks(records: number, chars: number): boolean {
    return (
      this.#records > 0 &&
      (this.#records + records > limits.queuedRecordsMax || this.#chars + chars > limits.queuedCharsMax)
    );
  }
}
