import { setImmediate } from 'node:timers';
import type { RecordOutcome } from '../../store.ts';
import type { PackedBatch } from '../segment/packed-batch.ts';
import type { BatchToRecord, WriterReply, WriterRequest } from './messages.ts';
import type { Thread } from './thread.ts';

/** So many records do not wait for others: the writer is to commit them while this thread takes the next. */
const togetherRecordsMax = 1000;
/** Fewer in one batch are all that its caller has. */
const fewRecords = 16;
/** What has more in it waits for so many turns of the event loop: more of its upload is on its way, or of another. */
const turnsMax = 4;

type Writer = Pick<Thread<WriterRequest, WriterReply>, 'expect' | 'send' | 'fail'>;

/**
 * The way of batches to the writer. Each message wakes that thread, which costs both more than one record does, and a
 * transaction costs as much as dozens; so batches that come within one turn of the event loop go over together, and into one
 * transaction, and parts of uploads within a few.
 */
export class BatchesOut {
  readonly #writer: Writer;
  #batches: BatchToRecord[] = [];
  #records = 0;
  /** How many turns are still waited for. */
  #turns = 0;
  #isWaiting = false;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Resolves with what became of its records, once that is durable. */
  record(batch: PackedBatch): Promise<RecordOutcome> {
    return this.#writer.expect(id => {
      const turns = batch.count < fewRecords ? 1 : turnsMax;
      this.#turns = this.#batches.push({ id, batch }) === 1 ? turns : Math.min(this.#turns, turns);
      this.#records += batch.count;
      if (this.#records >= togetherRecordsMax) this.#send();
      else if (!this.#isWaiting) this.#wait();
    }) as Promise<RecordOutcome>;
  }

  #wait(): void {
    this.#isWaiting = true;
    setImmediate(() => {
      this.#isWaiting = false;
      if (--this.#turns <= 0) this.#send();
      else if (this.#batches.length > 0) this.#wait();
    });
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

/** What is handed over. Of few records, a copy costs less. */
function memoryOf({ batch: { count, numbers, hashes } }: BatchToRecord): readonly ArrayBuffer[] {
  return count < fewRecords ? [] : [numbers.buffer, hashes.buffer];
}
