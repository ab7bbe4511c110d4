import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Filter, restrict } from '../../../src/domain/filter.ts';
import type { AccountId, Binding, EpochMs, Submission } from '../../../src/domain/message.ts';
import { statusGroupNames } from '../../../src/domain/registry.ts';
import type { Bookmark, Query, RecordBatch, RecordOutcome, Store } from '../../../src/store/store.ts';
import { anyConditions, anyReport, moment, present, stateValues } from '../../support/arbitraries.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { runs } from '../../support/properties.ts';
import type { OpenEngine } from './engine.ts';

const start: EpochMs = 1_700_000_000_000;
const tickMs = 1000;
export const ids = Array.from({ length: 14 }, (_, i) => `m${i}`);
export const accounts: readonly AccountId[] = [1, 2, 70_000];

const optional = <T>(arbitrary: fc.Arbitrary<T>, freq = 2) => fc.option(arbitrary, { nil: undefined, freq });
const application = fc.constantFrom('a', 'b');
const entity = fc.constantFrom('e', 'f');

/** Half new messages and half reports, and either may turn out to be the other. */
export const anySubmission: fc.Arbitrary<Submission> = fc.oneof(
  fc
    .tuple(
      fc.record({
        messageId: fc.constantFrom(...ids),
        sender: fc.constantFrom('s', 't'),
        destination: fc.constantFrom('d', 'd', 'd', 'x'),
        contentJson: fc.constantFrom('{"type":"TEXT"}', '{ "type": "TEXT" }'),
      }),
      fc
        .record({
          sentAt: optional(moment, 5),
          messageCount: optional(fc.constantFrom(1, 2)),
          bulkId: optional(fc.constantFrom('b', 'c')),
          entityId: optional(entity),
          applicationId: optional(application),
          campaignReferenceId: optional(fc.constantFrom('k', 'l')),
        })
        .map(present),
      fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: anyReport }),
    )
    .map(([required, more, said]): Submission => ({ ...required, ...more, ...said })),
  fc.tuple(fc.constantFrom(...ids), anyReport).map(([messageId, report]): Submission => ({ messageId, ...report })),
);

const anyBinding: fc.Arbitrary<Binding> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.record({ applicationId: application }) },
  { weight: 1, arbitrary: fc.record({ applicationId: application, entityId: entity }) },
);

const filtered = {
  ...stateValues,
  sender: ['s', 't', 'nobody'],
  destination: ['d', 'x'],
  bulkId: ['b', 'c', 'none'],
  messageId: ids,
  entityId: ['e', 'f'],
  applicationId: ['a', 'b'],
  campaignReferenceId: ['k', 'l'],
  text: ['m1', 'm2 s', 'text'],
};

/** Few conditions at once, so that something is found by most. */
export const anyFilter: fc.Arbitrary<Filter> = fc
  .tuple(
    anyConditions(filtered, 3),
    fc
      .record({
        sentSince: optional(moment),
        sentUntil: optional(moment),
        not: optional(anyConditions(filtered, 2)),
      })
      .map(present),
  )
  .map(([conditions, more]) => ({ ...conditions, ...more }));

type Step =
  | { readonly do: 'record'; readonly account: AccountId; readonly binding: Binding; readonly batch: Submission[] }
  | { readonly do: 'record again'; readonly pick: number }
  | {
      readonly do: 'find';
      readonly account: AccountId;
      readonly filter: Filter;
      readonly limit: number;
      readonly walk: boolean;
    }
  | { readonly do: 'walk on'; readonly pick: number }
  | { readonly do: 'history'; readonly account: AccountId; readonly messageId: string }
  | { readonly do: 'age'; readonly ticks: number; readonly drop: boolean }
  | { readonly do: 'reopen' };

/** One account has most of the messages, so that many reports meet on them. */
const anyAccount = fc.constantFrom(1, 1, 1, ...accounts);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('record'),
      account: anyAccount,
      binding: anyBinding,
      batch: fc.array(anySubmission, { minLength: 1, maxLength: 25 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('find'),
      account: anyAccount,
      filter: anyFilter,
      limit: fc.integer({ min: 1, max: 12 }),
      walk: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('walk on'), pick: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('history'), account: anyAccount, messageId: fc.constantFrom(...ids) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('age'), ticks: fc.integer({ min: 0, max: 2 }), drop: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('record again'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen') }) },
);

type Pair<T> = { readonly model: T; readonly engine: T };

/** One engine and the model beside it, going through the same steps. */
class Comparison {
  readonly #model = new MemoryStore();
  readonly #reopen: () => Promise<Store>;
  readonly #walks: { readonly query: Query; readonly after: Pair<Bookmark> }[] = [];
  readonly #batches: Omit<RecordBatch, 'receivedAt' | 'sentSince'>[] = [];
  #engine: Store;
  #sentSince: EpochMs = start;
  #receivedAt: EpochMs = start + 5 * tickMs;

  constructor(engine: Store, reopen: () => Promise<Store>) {
    this.#engine = engine;
    this.#reopen = reopen;
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'record':
        return this.#record(step.account, step.binding, step.batch);
      case 'record again': {
        const batch = this.#batches[step.pick % (this.#batches.length || 1)];
        return batch === undefined ? undefined : this.#recordBatch(batch);
      }
      case 'find': {
        const { account, filter, limit, walk } = step;
        return this.#page({ account, filter, sentSince: this.#sentSince, limit, walk }, undefined);
      }
      case 'walk on': {
        const [begun] = this.#walks.splice(step.pick % (this.#walks.length || 1), 1);
        if (begun === undefined) return;
        return this.#page({ ...begun.query, sentSince: this.#sentSince }, begun.after);
      }
      case 'history': {
        const both = await this.#both(store => store.history(step.account, step.messageId, this.#sentSince));
        expect(both.engine).toEqual(both.model);
        return;
      }
      case 'age':
        this.#sentSince += step.ticks * tickMs;
        this.#receivedAt += step.ticks * tickMs;
        if (step.drop) await this.#both(store => store.dropBefore(this.#sentSince));
        return;
      case 'reopen':
        this.#engine = await this.#reopen();
    }
  }

  /** Everything that every account has, and every history. */
  async compareAll(): Promise<void> {
    for (const account of accounts) {
      await this.take({ do: 'find', account, filter: {}, limit: 1000, walk: false });
      for (const generalStatus of statusGroupNames)
        await this.take({ do: 'find', account, filter: { generalStatus }, limit: 1000, walk: false });
      for (const messageId of ids) await this.take({ do: 'history', account, messageId });
    }
    while (this.#walks.length > 0) await this.take({ do: 'walk on', pick: 0 });
  }

  async #record(account: AccountId, binding: Binding, batch: readonly Submission[]): Promise<void> {
    // A caller fills in the bound ids, and refuses other ones, before the store sees a submission.
    const submissions = batch.flatMap(submission => {
      const { applicationId, entityId } = submission;
      const asked = restrict(present({ applicationId, entityId }), binding);
      return asked === undefined ? [] : [{ ...submission, ...binding }];
    });
    this.#batches.push({ account, binding, submissions });
    return this.#recordBatch({ account, binding, submissions });
  }

  async #recordBatch(batch: Omit<RecordBatch, 'receivedAt' | 'sentSince'>): Promise<void> {
    this.#receivedAt += 7;
    const recorded = { ...batch, receivedAt: this.#receivedAt, sentSince: this.#sentSince };
    const { engine, model } = await this.#both(store => store.record(recorded));
    expect(comparable(engine)).toEqual(comparable(model));
  }

  async #page(query: Query, after: Pair<Bookmark> | undefined): Promise<void> {
    const model = await this.#model.find({ ...query, ...(after !== undefined && { after: after.model }) });
    const engine = await this.#engine.find({ ...query, ...(after !== undefined && { after: after.engine }) });
    expect(engine.logs).toEqual(model.logs);
    expect(engine.next !== undefined).toBe(model.next !== undefined);
    if (model.next !== undefined && engine.next !== undefined)
      this.#walks.push({ query, after: { model: model.next, engine: engine.next } });
  }

  async #both<T>(call: (store: Store) => Promise<T>): Promise<Pair<T>> {
    return { model: await call(this.#model), engine: await call(this.#engine) };
  }
}

/** An answer without the wording of its violations. */
function comparable({ rejected, ...counts }: RecordOutcome) {
  const properties = rejected.map(({ index, messageId, violations }) => ({
    index,
    messageId,
    properties: violations.map(({ property }) => property),
  }));
  return { ...counts, rejected: properties };
}

/** Whatever happens in whatever order: the engine answers as the reference store does. */
export function modelTests(openEngine: OpenEngine, segmentSizes: readonly number[]): void {
  describe('compared with the reference store', () => {
    it.each(segmentSizes)('any steps, %i messages a segment → the same answers', async segmentMessagesMax => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 60, size: 'max' }), async steps => {
          const engine = await openEngine({ segmentMessagesMax });
          try {
            const comparison = new Comparison(engine.store, () => engine.reopen());
            for (const step of steps) await comparison.take(step);
            await comparison.compareAll();
            await comparison.take({ do: 'reopen' });
            await comparison.compareAll();
          } finally {
            await engine.close();
          }
        }),
        { numRuns: runs(8) },
      );
    });
  });
}
