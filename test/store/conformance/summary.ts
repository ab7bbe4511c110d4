import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BreakdownField, breakdownFields } from '../../../src/domain/breakdown.ts';
import type { Filter } from '../../../src/domain/filter.ts';
import type { EpochMs, Submission } from '../../../src/domain/message.ts';
import { type DeliveryError, noError, unregisteredErrors } from '../../../src/domain/registry.ts';
import { minuteMs, type Summary, summaryRange } from '../../../src/domain/summary.ts';
import { limits } from '../../../src/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import { anyConditions, anyReport, present, stateValues } from '../../support/arbitraries.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { runs } from '../../support/properties.ts';
import {
  absentSubscriber,
  account,
  delivered,
  engineFor,
  enroute,
  expired,
  horizon,
  hourMs,
  message,
  messages,
  now,
  type OpenEngine,
  openings,
  ownEngineFor,
  record,
  recordAll,
  rejected,
  undeliverable,
} from './engine.ts';

const ampleMs = 60_000;

type Asked = {
  readonly filter?: Filter;
  readonly sentSince?: EpochMs;
  readonly buckets?: number;
  readonly budgetMs?: number;
  readonly by?: readonly BreakdownField[];
  readonly first?: number;
};

function summarize(
  store: Store,
  { filter = {}, sentSince = horizon, buckets = 48, budgetMs = ampleMs, ...division }: Asked = {},
) {
  const range = summaryRange(filter, sentSince, now, buckets);
  return store.summarize({ account, filter, sentSince, range, budgetMs, ...division });
}

const countsIn = (summary: Summary) =>
  summary.buckets.filter(({ groups }) => Object.values(groups).some(count => count !== 0));

/** Summaries: what a count by hand gives, whatever was recorded in whatever order. */
export function summaryTests(openEngine: OpenEngine): void {
  describe('summaries', () => {
    it('an empty log → every figure is there and 0', async () => {
      const { store } = await engineFor(openEngine);
      expect(await summarize(store)).toMatchObject({
        complete: true,
        total: 0,
        groups: { ACCEPTED: 0, PENDING: 0, UNDELIVERABLE: 0, DELIVERED: 0, EXPIRED: 0, REJECTED: 0 },
        deliveryMs: { count: 0 },
        prices: [],
        failures: { errors: [], senders: [], campaigns: [] },
      });
    });

    it('messages of every group over two hours → counted by their present status, in the bucket of their sentAt', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 7 });
      const price = { pricePerMessage: 0.1, currency: 'EUR' };
      await recordAll(
        engine.store,
        messages(40, i => ({
          sentAt: now - i * 3 * minuteMs,
          sender: `s${i % 2}`,
          ...(i % 4 === 0 && { campaignReferenceId: 'summer', price, messageCount: 2 }),
        })),
      );
      await record(engine.store, [
        ...messages(10, () => ({})).map(({ messageId }) => ({ messageId, status: delivered, doneAt: now + 1000 })),
        { messageId: 'm10', status: expired, at: now },
        { messageId: 'm11', status: undeliverable, error: absentSubscriber, at: now },
        { messageId: 'm12', status: rejected, at: now },
        { messageId: 'm13', status: enroute, at: now },
      ]);
      await record(engine.store, [{ messageId: 'm10', status: delivered, doneAt: now + 2000 }]);
      for await (const store of openings(engine)) {
        const summary = await summarize(store);
        expect(summary).toMatchObject({
          complete: true,
          total: 40,
          groups: { ACCEPTED: 0, PENDING: 27, UNDELIVERABLE: 1, DELIVERED: 11, EXPIRED: 0, REJECTED: 1 },
          prices: [{ currency: 'EUR', sum: 2, count: 10 }],
          failures: {
            errors: [
              { name: absentSubscriber.name, count: 1 },
              { name: 'NO_ERROR', count: 1 },
            ],
            senders: [
              { name: 's0', count: 1 },
              { name: 's1', count: 1 },
            ],
            campaigns: [{ name: 'summer', count: 1 }],
          },
        });
        expect(summary.deliveryMs?.count).toBe(11);
        expect(summary.buckets.at(-1)?.groups.DELIVERED).toBe(11);
      }
    });

    it('a range that cuts a minute → only what is inside it', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 7 });
      await recordAll(
        store,
        messages(60, i => ({ sentAt: now - 2 * minuteMs + i * 2000 })),
      );
      const filter = { sentSince: now - 2 * minuteMs + 10_000, sentUntil: now - 30_000 };
      const summary = await summarize(store, { filter, buckets: 2 });
      expect(summary.total).toBe(40);
      expect(countsIn(summary)).toEqual([
        { from: filter.sentSince, groups: { ...summary.groups, PENDING: 25 } },
        { from: now - minuteMs, groups: { ...summary.groups, PENDING: 15 } },
      ]);
    });

    it('a range that is over before it begins → nothing, in no bucket', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, messages(3));
      const summary = await summarize(store, { filter: { sentSince: now, sentUntil: now - hourMs } });
      expect(summary).toMatchObject({ complete: true, total: 0, buckets: [] });
    });

    it('what is past retention, of another account, or dated ahead → left out, left out, in the last bucket', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 3 });
      await recordAll(
        store,
        messages(8, i => ({ sentAt: now - i * hourMs - 1 })),
      );
      await recordAll(store, [message('ahead', { sentAt: now + 4 * minuteMs })]);
      await recordAll(store, messages(5), { account: 2 });
      const sentSince = now - 3 * hourMs;
      const summary = await summarize(store, { sentSince, buckets: 6 });
      expect(summary.total).toBe(4);
      expect(summary.buckets.at(-1)?.groups.PENDING).toBe(2);
      await store.dropBefore(sentSince);
      expect((await summarize(store, { sentSince, buckets: 6 })).total).toBe(4);
    });

    it('a filter → what a filtered count gives, and an application’s own', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 9 });
      await recordAll(
        store,
        messages(50, i => ({
          sentAt: now - i * minuteMs,
          sender: `s${i % 3}`,
          ...(i % 2 === 0 && { applicationId: 'a' }),
          ...(i % 5 === 0 && { status: delivered, doneAt: now + minuteMs }),
        })),
      );
      expect((await summarize(store, { filter: { sender: 's1' } })).total).toBe(17);
      expect((await summarize(store, { filter: { applicationId: 'a', sender: 's0' } })).total).toBe(9);
      expect((await summarize(store, { filter: { generalStatus: 'DELIVERED' } })).groups).toMatchObject({
        DELIVERED: 10,
        PENDING: 0,
      });
      expect((await summarize(store, { filter: { sender: 'nobody' } })).total).toBe(0);
    });

    it('a breakdown by each field, and by the error of each campaign → what a count by hand gives, the most first', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 7 });
      const price = { pricePerMessage: 0.1, currency: 'EUR' };
      await recordAll(
        engine.store,
        messages(20, i => ({
          sentAt: now - i * minuteMs,
          sender: `s${i % 3}`,
          ...(i % 2 === 0 && { campaignReferenceId: i % 4 === 0 ? 'summer' : 'winter', price, messageCount: 2 }),
          ...(i % 5 === 0 && { applicationId: 'a' }),
          ...(i % 10 === 0 && { entityId: 'e' }),
        })),
      );
      await record(engine.store, [
        { messageId: 'm0', status: delivered, doneAt: now + 1000 },
        { messageId: 'm3', status: delivered, doneAt: now - 3 * minuteMs + 100 },
        { messageId: 'm4', status: undeliverable, error: absentSubscriber, at: now },
        { messageId: 'm8', status: undeliverable, error: absentSubscriber, at: now },
        { messageId: 'm6', status: rejected, error: absentSubscriber, at: now },
      ]);
      const none = { deliveryMs: { count: 0 }, prices: [] };
      const cost = (count: number) => [{ currency: 'EUR', sum: count / 5, count }];
      const in100 = { count: 1, p50: 100, p95: 100 };
      for await (const store of openings(engine)) {
        const rowsBy = async (...by: BreakdownField[]) => {
          const { breakdown, ...figures } = await summarize(store, { by });
          expect(figures).toEqual(await summarize(store));
          return breakdown?.rows;
        };
        expect(await rowsBy('sender')).toMatchObject([
          { values: ['s0'], messages: 7, failed: 1, deliveryMs: { count: 2, p50: 100 }, prices: cost(4) },
          { values: ['s1'], messages: 7, failed: 1, deliveryMs: { count: 0 }, prices: cost(3) },
          { values: ['s2'], messages: 6, failed: 1, deliveryMs: { count: 0 }, prices: cost(3) },
        ]);
        expect(await rowsBy('campaignReferenceId')).toMatchObject([
          { values: [undefined], messages: 10, failed: 0, deliveryMs: in100, prices: [] },
          { values: ['summer'], messages: 5, failed: 2, deliveryMs: { count: 1 }, prices: cost(5) },
          { values: ['winter'], messages: 5, failed: 1, deliveryMs: { count: 0 }, prices: cost(5) },
        ]);
        expect(await rowsBy('applicationId')).toMatchObject([
          { values: [undefined], messages: 16 },
          { values: ['a'], messages: 4 },
        ]);
        expect(await rowsBy('entityId')).toMatchObject([
          { values: [undefined], messages: 18 },
          { values: ['e'], messages: 2 },
        ]);
        expect(await rowsBy('error')).toMatchObject([
          { values: [absentSubscriber.name], messages: 3, failed: 3, deliveryMs: { count: 0 }, prices: cost(3) },
          { values: ['NO_ERROR'], messages: 17, failed: 0, deliveryMs: { count: 2 }, prices: cost(7) },
        ]);
        expect(await rowsBy('error', 'campaignReferenceId')).toMatchObject([
          { values: [absentSubscriber.name, 'summer'], messages: 2, failed: 2, prices: cost(2) },
          { values: [absentSubscriber.name, 'winter'], messages: 1, failed: 1, prices: cost(1) },
          { values: ['NO_ERROR', undefined], messages: 10, failed: 0, prices: [] },
          { values: ['NO_ERROR', 'winter'], messages: 4, failed: 0, prices: cost(4) },
          { values: ['NO_ERROR', 'summer'], messages: 3, failed: 0, prices: cost(3) },
        ]);
        const filtered = await summarize(store, { filter: { sender: 's0' }, by: ['error'] });
        expect(filtered.breakdown?.rows).toMatchObject([
          { values: [absentSubscriber.name], messages: 1, failed: 1 },
          { values: ['NO_ERROR'], messages: 6, ...none, deliveryMs: { count: 2 }, prices: cost(3) },
        ]);
      }
    });

    it('errors that have no entry and no name → called by their id, or by their group', async () => {
      const { store } = await engineFor(openEngine);
      const other = (groupId: number, more: object) => ({ ...unregisteredErrors[groupId], ...more }) as DeliveryError;
      const errors = [other(2, {}), other(3, { description: 'd' }), other(2, { id: 777 }), other(2, { name: 'N' })];
      await recordAll(
        store,
        messages(errors.length, i => ({ status: rejected, error: errors[i] ?? noError })),
      );
      const names = ['777', 'N', 'OPERATOR_ERRORS', 'USER_ERRORS'];
      const { failures, breakdown } = await summarize(store, { by: ['error'] });
      expect(failures?.errors).toEqual(names.map(name => ({ name, count: 1 })));
      expect(breakdown?.rows.map(({ values, failed }) => [values[0], failed])).toEqual(names.map(name => [name, 1]));
    });

    it('no time to break figures down → none of the breakdown, and the figures that are known without it', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 500 });
      await recordAll(
        store,
        messages(3000, i => ({ sentAt: now - i * 1000 })),
      );
      const summary = await summarize(store, { by: ['sender'], budgetMs: 0 });
      if (!summary.complete) {
        expect(summary).not.toHaveProperty('breakdown');
        expect([undefined, 3000]).toContain(summary.total);
      }
      const { breakdown } = await summarize(store, { by: ['sender'] });
      expect(breakdown).toMatchObject({ rows: [{ values: ['44113496000'], messages: 3000 }], more: 0 });
    });

    it('more values than are told apart → no breakdown, and all the rest', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 2000 });
      const count = limits.breakdownRowsMax + 1;
      for (let at = 0; at < count; at += 1000)
        await recordAll(
          store,
          messages(Math.min(1000, count - at), i => ({ campaignReferenceId: `c${at + i}`, messageId: `m${at + i}` })),
        );
      const summary = await summarize(store, { by: ['campaignReferenceId', 'sender'] });
      expect(summary).toMatchObject({ total: count, complete: false });
      expect(summary).not.toHaveProperty('breakdown');
    });

    it('no time to count → what is not known is absent, never 0, and what is given is right', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 500 });
      await recordAll(
        store,
        messages(3000, i => ({ sentAt: now - i * 1000 })),
      );
      const filter = { sender: '44113496000' };
      const summary = await summarize(store, { filter, budgetMs: 0 });
      if (summary.complete) expect(summary.total).toBe(3000);
      else expect(Object.keys(summary).toSorted()).toEqual(['buckets', 'complete', 'range']);
      const all = await summarize(store, { filter });
      const byFrom = new Map(all.buckets.map(({ from, groups }) => [from, groups]));
      for (const { from, groups } of summary.buckets) expect(groups).toEqual(byFrom.get(from));
    });

    it('anything recorded in any order, summed up by any filter → the figures of the reference store', async () => {
      // One opening for all that was recorded: each would take longer than the rest.
      const compares: (() => Promise<void>)[] = [];
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyBatch, { minLength: 1, maxLength: 5 }),
          fc.array(anyAsked, { minLength: 4, maxLength: 4 }),
          async (batches, asked) => {
            const engine = await engineFor(openEngine, { segmentMessagesMax: 15 });
            const model = new MemoryStore();
            for (const batch of batches) {
              await record(engine.store, batch);
              await record(model, batch);
            }
            const compare = async () => {
              for (const one of [{}, ...asked])
                expect(await summarize(engine.current(), one)).toEqual(await summarize(model, one));
            };
            compares.push(compare);
            await compare();
          },
        ),
        { numRuns: runs(12) },
      );
      await (await engineFor(openEngine, { segmentMessagesMax: 15 })).reopen();
      for (const compare of compares) await compare();
    });
  });
}

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const anyId = fc.nat({ max: 30 }).map(i => `m${i}`);
/** Over three hours and the five minutes ahead, whole minutes among them. */
const anyMoment = fc.oneof(
  fc.integer({ min: now - 3 * hourMs, max: now + 5 * minuteMs }),
  fc.integer({ min: -180, max: 5 }).map(minutes => now + minutes * minuteMs),
);
const anyMessage = fc
  .record({
    messageId: anyId,
    sentAt: anyMoment,
    sender: fc.constantFrom('s', 't'),
    messageCount: fc.constantFrom(1, 3),
    campaignReferenceId: optional(fc.constantFrom('c', 'd')),
    applicationId: optional(fc.constantFrom('a', 'b')),
    entityId: optional(fc.constantFrom('e', 'f')),
  })
  .map(({ messageId, ...fields }) => message(messageId, present(fields)));
const anyLateReport = fc
  .tuple(anyId, anyReport, optional(anyMoment))
  .map(
    ([messageId, report, doneAt]): Submission => ({ messageId, ...report, ...(doneAt !== undefined && { doneAt }) }),
  );
const anyBatch = fc.array(fc.oneof(anyMessage, anyLateReport), { minLength: 1, maxLength: 40 });
const filtered = {
  ...stateValues,
  sender: ['s', 't', 'nobody'],
  applicationId: ['a', 'b'],
  campaignReferenceId: ['c', 'd'],
  messageId: ['m1', 'm2', 'm29'],
};
const anyAsked: fc.Arbitrary<Asked> = fc
  .record({
    filter: fc
      .record({
        sentSince: optional(anyMoment),
        sentUntil: optional(anyMoment),
        conditions: anyConditions(filtered, 2),
        not: optional(anyConditions(filtered, 2)),
      })
      .map(({ conditions, ...more }) => ({ ...conditions, ...present(more) })),
    sentSince: fc.constantFrom(horizon, now - 2 * hourMs - 12_345),
    buckets: fc.constantFrom(1, 2, 7, 200),
    by: optional(fc.subarray([...breakdownFields], { minLength: 1, maxLength: 2 })),
    first: optional(fc.constantFrom(1, 3)),
  })
  .map(present);
