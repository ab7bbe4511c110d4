import type { EpochMs } from '../../src/domain/message.ts';

const bucketMs = 250;

/** What is to happen, handed out in the order it is due. */
export class Schedule<T extends { readonly dueAt: EpochMs }> {
  readonly #buckets = new Map<number, T[]>();
  #next = Number.POSITIVE_INFINITY;

  add(items: Iterable<T>): void {
    for (const item of items) {
      const bucket = Math.floor(item.dueAt / bucketMs);
      const there = this.#buckets.get(bucket);
      if (there === undefined) this.#buckets.set(bucket, [item]);
      else there.push(item);
      this.#next = Math.min(this.#next, bucket);
    }
  }

  /** Takes out what is due by then, to a quarter of a second. */
  take(until: EpochMs): readonly T[] {
    const end = Math.floor(until / bucketMs);
    const due: T[] = [];
    for (; this.#next < end && this.#buckets.size > 0; this.#next += 1) {
      const bucket = this.#buckets.get(this.#next);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#next);
      due.push(...bucket.sort((a, b) => a.dueAt - b.dueAt));
    }
    return due;
  }
}
