import type { Submission } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { RecordOutcome, Rejection } from '../store/store.ts';

type Waiting = {
  readonly submissions: readonly Submission[];
  readonly kept: (rejected: readonly Rejection[]) => void;
  readonly failed: (error: unknown) => void;
};

/** Records what many say at about the same time together: while one call of the log is under way, what comes waits for the next. */
export class Gathering {
  readonly #record: (submissions: readonly Submission[]) => Promise<Pick<RecordOutcome, 'rejected'>>;
  #waiting: Waiting[] = [];
  #isRecording = false;

  constructor(record: (submissions: readonly Submission[]) => Promise<Pick<RecordOutcome, 'rejected'>>) {
    this.#record = record;
  }

  /** At most `limits.batchRecordsMax`. Resolves with those of them that were rejected once the others are durable; rejects as the log does. */
  add(submissions: readonly Submission[]): Promise<readonly Rejection[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Rejection[]>();
    this.#waiting.push({ submissions, kept: resolve, failed: reject });
    if (!this.#isRecording) this.#recordAll();
    return promise;
  }

  /** Never rejects. */
  async #recordAll(): Promise<void> {
    this.#isRecording = true;
    while (this.#waiting.length > 0) await this.#recordSome();
    this.#isRecording = false;
  }

  async #recordSome(): Promise<void> {
    let count = 0;
    const end = this.#waiting.findIndex(({ submissions }) => {
      count += submissions.length;
      return count > limits.batchRecordsMax;
    });
    const together = this.#waiting.splice(0, end < 0 ? this.#waiting.length : Math.max(1, end));
    try {
      const { rejected } = await this.#record(together.flatMap(({ submissions }) => submissions));
      let from = 0;
      for (const { submissions, kept } of together) {
        const [start, until] = [from, from + submissions.length];
        kept(
          rejected
            .filter(({ index }) => index >= start && index < until)
            .map(one => ({ ...one, index: one.index - start })),
        );
        from = until;
      }
    } catch (error) {
      for (const { failed } of together) failed(error);
    }
  }
}
