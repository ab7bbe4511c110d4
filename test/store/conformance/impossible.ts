import { describe, expect, it } from 'vitest';
import type { BreakdownField } from '../../../src/domain/breakdown.ts';
import { minuteMs, summaryRange } from '../../../src/domain/summary.ts';
import { limits } from '../../../src/limits.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  account,
  delivered,
  engineFor,
  find1,
  horizon,
  hourMs,
  message,
  messages,
  now,
  type OpenEngine,
  openings,
  outcome,
  ownEngineFor,
  query,
  record,
  recordAll,
} from './engine.ts';

const budgetMs = 60_000;
const other = 2;

function summarize(store: Store, whose = account, filter = {}, by?: readonly BreakdownField[]) {
  const range = summaryRange(filter, horizon, now, 48);
  return store.summarize({ account: whose, filter, sentSince: horizon, range, budgetMs, ...(by && { by }) });
}

/** What no caller can send any more, or what nobody thought of: it costs what it concerns, and nothing else. */
export function impossibleTests(openEngine: OpenEngine): void {
  describe('figures that cannot be', () => {
    const euros = (pricePerMessage: number) => ({ price: { pricePerMessage, currency: 'EUR' } });
    const beyond = [
      message('1', { ...euros(1e300), sentAt: now - 3 * minuteMs }),
      message('2', { ...euros(1e308), messageCount: 1000, sentAt: now - 3 * minuteMs }),
      message('3', { ...euros(Number.MAX_VALUE), sentAt: now - 2 * hourMs }),
      message('4', { ...euros(1e20), sentAt: now - 2 * hourMs }),
    ];

    it('prices beyond what can be summed up, as 0.1.0 recorded them → read, reported on, swept; only their sum is missing', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 3 });
      await recordAll(engine.store, beyond);
      await recordAll(engine.store, [message('usd', { price: { pricePerMessage: 0.25, currency: 'USD' } })]);
      await recordAll(
        engine.store,
        messages(4, () => euros(0.15)),
        { account: other },
      );
      const reports = beyond.map(({ messageId }) => ({ messageId, status: delivered, at: now }));
      expect(await record(engine.store, reports)).toEqual(outcome({ updated: 4 }));
      for await (const store of openings(engine)) {
        for (const { messageId, price } of beyond) {
          expect(await find1(store, messageId)).toMatchObject({ price, status: delivered });
          expect((await store.history(account, messageId, horizon))?.timeline).toHaveLength(2);
        }
        for (const filter of [{}, { sender: '44113496000' }]) {
          const summary = await summarize(store, account, filter);
          expect(summary).toMatchObject({ complete: false, total: 5, groups: { DELIVERED: 4, PENDING: 1 } });
          expect(summary.prices).toEqual([
            { currency: 'EUR', count: 4 },
            { currency: 'USD', sum: 0.25, count: 1 },
          ]);
        }
        expect(await summarize(store, other)).toMatchObject({ complete: true, total: 4 });
      }
      const store = await engine.reopen();
      await store.dropBefore(now - hourMs);
      expect(await store.stats()).toMatchObject({ queuedRecords: 0, damaged: [] });
      expect((await store.find(query({ sentSince: now - hourMs }))).logs).toHaveLength(3);
    });

    it('such a price replaced by another → counted by it wherever messages are counted', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, beyond.slice(0, 1));
      expect(await record(store, [{ messageId: '1', ...euros(0.15), at: now }])).toEqual(outcome({ updated: 1 }));
      const summary = await summarize(store, account, { sender: '44113496000' });
      expect(summary).toMatchObject({ complete: true, prices: [{ currency: 'EUR', sum: 0.15, count: 1 }] });
    });

    it('the greatest prices of all → summed up to 15 digits, and gone from the sum when they are taken back', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 40 });
      const greatest = { ...euros(limits.pricePerMessageMax), messageCount: limits.messageCountMax };
      await recordAll(
        engine.store,
        messages(100, i => ({ ...greatest, sentAt: now - i * minuteMs })),
      );
      await recordAll(engine.store, [message('small', euros(0.15))]);
      const whole = 100 * limits.pricePerMessageMax * limits.messageCountMax + 0.15;
      for (const filter of [{}, { sender: '44113496000' }]) {
        const { prices, breakdown } = await summarize(engine.store, account, filter, ['sender']);
        const sums = [prices, breakdown?.rows[0]?.prices].map(all => all?.[0]?.sum);
        expect(sums).toEqual(Array(2).fill(Number(whole.toPrecision(15))));
      }
      const taken = messages(100).map(({ messageId }) => ({ messageId, ...euros(0), at: now + 1 }));
      expect(await record(engine.store, taken)).toEqual(outcome({ updated: 100 }));
      for await (const store of openings(engine)) {
        const summary = await summarize(store);
        expect(summary).toMatchObject({ complete: true, prices: [{ currency: 'EUR', count: 101 }] });
        expect(summary.prices?.[0]?.sum).toBe(0.15);
      }
    });
  });

  describe('a defect in one record', () => {
    /** No caller can send it, and every engine must compare it with what it has. */
    const defect = message('known', { contentJson: 'no JSON' });

    it('batches of others in the same group → recorded; only its own batch fails', async () => {
      const engine = await engineFor(openEngine);
      await recordAll(engine.store, [message('known')]);
      const others = Array.from({ length: 40 }, (_, i) => i);
      const settled = await Promise.allSettled(
        others.map(i =>
          i === 17
            ? record(engine.store, [message('beside the defect'), defect])
            : record(engine.store, [message(`other ${i}`), message(`another ${i}`)], {
                account: i % 2 === 0 ? account : other,
              }),
        ),
      );
      for (const [i, one] of settled.entries())
        if (i === 17) expect(one.status).toBe('rejected');
        else expect(one).toEqual({ status: 'fulfilled', value: outcome({ recorded: 2 }) });
      for await (const store of openings(engine)) {
        expect(await summarize(store, other)).toMatchObject({ complete: true, total: 38 });
        expect(await find1(store, 'known')).toMatchObject({ messageId: 'known' });
        expect(await record(store, [{ messageId: 'known', status: delivered }])).toMatchObject({ rejected: [] });
      }
    });
  });
}
