import type { AccountId, EpochMs, Submission } from '../../src/domain/message.ts';
import { limits } from '../../src/limits.ts';
import { windowMs } from '../../src/mirror/pace.ts';
import type { Question } from '../../src/mirror/plan.ts';
import { mirroredRecord } from '../../src/mirror/records.ts';
import type { Ask, Rows } from '../../src/mirror/upstream.ts';
import type { Store } from '../../src/store/store.ts';

export type NaiveOptions = {
  readonly store: Pick<Store, 'record'>;
  readonly account: AccountId;
  readonly ask: Ask;
  readonly clock: () => EpochMs;
  readonly requestsPerMinute: number;
};

const newestEveryMs = 10_000;
const overlapMs = 10_000;

type Walk = { readonly question: Question; readonly begunAt: EpochMs };

/**
 * What one writes who needs the log: every ten seconds the newest pages until they are known, and with the rest of the
 * budget all 48 hours over and over, by cursor, to see what became of them.
 */
export class NaiveLoop {
  readonly #options: NaiveOptions;
  #newestReadAt = Number.NEGATIVE_INFINITY;
  /** Everything sent before it is read. */
  #head: EpochMs = Number.POSITIVE_INFINITY;
  #newest: Walk | undefined;
  #all: Walk | undefined;
  /** How often all 48 hours were read. */
  walks = 0;

  constructor(options: NaiveOptions) {
    this.#options = options;
  }

  /** One request; the milliseconds until the next. */
  async step(): Promise<number> {
    const { clock, requestsPerMinute } = this.#options;
    const now = clock();
    if (this.#head < now && this.#newest === undefined && now - this.#newestReadAt >= newestEveryMs) {
      this.#newestReadAt = now;
      this.#newest = { question: { sentSince: this.#head - overlapMs }, begunAt: now };
    }
    const walk = this.#newest ?? this.#all ?? { question: { sentSince: now - windowMs }, begunAt: now };
    const isNewest = walk === this.#newest;
    const next = await this.#page(walk);
    if (isNewest) {
      this.#newest = next;
      if (next === undefined) this.#head = walk.begunAt;
    } else {
      this.#all = next;
      if (next === undefined) this.walks++;
      if (next === undefined && this.#head > now) this.#head = walk.begunAt;
    }
    return Math.ceil(60_000 / requestsPerMinute);
  }

  async #page({ question, begunAt }: Walk): Promise<Walk | undefined> {
    const { ask } = this.#options;
    const { rows, failure } = await ask(question, new AbortController().signal);
    if (failure !== undefined)
      throw new Error(`no answer: ${failure.kind === 'limited' ? 'asked too often' : failure.reason}`);
    await this.#record(rows);
    return rows.next === undefined ? undefined : { question: { ...question, cursor: rows.next }, begunAt };
  }

  async #record({ results }: Rows): Promise<void> {
    const { store, account, clock } = this.#options;
    const records = results.flatMap(result => mirroredRecord(result).submission ?? []);
    for (let at = 0; at < records.length; at += limits.batchRecordsMax) {
      const submissions: readonly Submission[] = records.slice(at, at + limits.batchRecordsMax);
      await store.record({ account, binding: {}, receivedAt: clock(), sentSince: 0, submissions });
    }
  }
}
