import { setImmediate } from 'node:timers';
import type { RecordOutcome } from '../../store.ts';
import type { PackedBatch } from '../segment/packed-batch.ts';
import type { BatchToRecord, WriterReply, WriterRequest } from './messages.ts';
import type { Thread } from './thread.ts';

/** So many records do not wait for others: the writer is to commit them while this thread takes the next. */
const togetherRecordsMax = 16;

type Writer = Pick<Thread<WriterRequest, WriterReply>, 'expect' | 'send' | 'fail'>;

/**
 * The way of batches to the writer. Each message wakes that thread, which costs both more than one record does; so small
 * batches that come within one turn of the event loop go over together, and into one transaction.
 */
export class BatchesOut {
  readonly #writer: Writer;
  #batches: BatchToRecord[] = [];
  #records = 0;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Resolves with what became of its records, once that is durable. */
  record(batch: PackedBatch): Promise<RecordOutcome> {
    return this.#writer.expect(id => {
      if (this.#batches.push({ id, batch }) === 1) setImmediate(() => this.#send());
      this.#records += batch.count;
      if (this.#records >= togetherRecordsMax) this.#send();
    }) as Promise<RecordOutcome>;
  }

  #send(): void {
    if (this.#batches.length === 0) return;
    const batches = this.#batches;
    [this.#batches, this.#records] = [[], 0];
    try {
      this.#writer.send({ type: 'record', batches }, batches.flatMap(memoryOf));
    } catch (error) {
      // What cannot be handed over fails those who wait for it: nobody else would hear of it.
      const ids = batches.map(({ id }) => id);
      this.#writer.fail(ids, error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** What is handed over. Of a small batch, a copy costs less. */
function memoryOf({ batch: { count, numbers, hashes } }: BatchToRecord): readonly ArrayBuffer[] {
  return count < togetherRecordsMax ? [] : [numbers.buffer, hashes.buffer];
}
