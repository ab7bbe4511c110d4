import { describe, expect, it } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import type { Store } from '../../../src/store/store.ts';
import { isThorough } from '../../support/properties.ts';
import { until } from '../../support/sqlite-log.ts';
import {
  delivered,
  engineFor,
  enroute,
  expired,
  horizon,
  message,
  messages,
  now,
  type OpenEngine,
  query,
  record,
  recordAll,
} from './engine.ts';

const own = 2;

/** Whatever the account may ask for. */
async function allAnswers(store: Store): Promise<unknown> {
  const find = (fields: Parameters<typeof query>[0]) => store.find(query({ account: own, ...fields }));
  const range = summaryRange({}, horizon, now, 10);
  const [all, page, byIds, bySender, byGroup] = await Promise.all([
    find({}),
    find({ limit: 7 }),
    find({ filter: { messageId: ['m3', 'm17', 'absent'] } }),
    find({ filter: { sender: 'sender 1' } }),
    find({ filter: { generalStatus: 'DELIVERED' }, limit: 5 }),
  ]);
  const pages = [all, page, byIds, bySender, byGroup].map(({ logs }) => logs);
  const history = await store.history(own, 'm3', horizon);
  const summary = await store.summarize({ account: own, filter: {}, sentSince: horizon, range, budgetMs: 60_000 });
  return { pages, history, absent: await store.history(own, 'only theirs', horizon), summary };
}

/** Whatever one account does, the calls of another keep their answers, and what they cost. */
export function neighbourTests(openEngine: OpenEngine): void {
  describe('neighbours', () => {
    it('another account records, reports and asks, the same ids too → every answer stays as it was', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 50 });
      await recordAll(
        store,
        messages(40, i => ({ sender: `sender ${i % 3}`, sentAt: now - i * 1000 })),
        { account: own },
      );
      await record(
        store,
        [3, 6, 9].map(i => ({ messageId: `m${i}`, status: delivered, at: now })),
        { account: own },
      );
      const before = await allAnswers(store);
      const theirs = async (round: number) => {
        await record(
          store,
          messages(60, i => ({ sender: `sender ${i % 3}`, sentAt: now - i * 1000 - round })),
        );
        await record(store, [
          message('only theirs'),
          ...messages(60).map(({ messageId }) => ({ messageId, status: expired, at: now - round })),
        ]);
        await store.find(query({ filter: { sender: 'nobody' } }));
      };
      for (let round = 0; round < 3; round++) {
        const [, during] = await Promise.all([theirs(round), allAnswers(store)]);
        expect(during).toEqual(before);
      }
      expect(await allAnswers(store)).toEqual(before);
    });

    it('others record much while a follower hears nothing → the first change comes with the first call', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 2000 });
      const ended = store.watch(own, () => {});
      let { next } = await store.changes({ account: own, sentSince: horizon, limit: 1000 });
      // An engine may give changes a moment after it answered their recording; it never has one look on for them.
      const hear = async (count: number) => {
        const heard: string[] = [];
        await until(async () => {
          const answer = await store.changes({ account: own, sentSince: horizon, limit: 1000, after: next });
          expect(answer.more).toBe(false);
          heard.push(...answer.changes.map(({ log }) => log.messageId));
          next = answer.next;
          return heard.length >= count;
        });
        return heard.toSorted();
      };
      const ids = Array.from({ length: 10 }, (_, i) => `own${i}`);
      await recordAll(
        store,
        ids.map(messageId => message(messageId)),
        { account: own },
      );
      expect(await hear(ids.length)).toEqual(ids);
      for (const round of isThorough ? [0, 1] : [0]) {
        const theirs = messages(5000, i => ({ messageId: `theirs ${round} ${i}` }));
        await recordAll(store, theirs);
        for (let at = 0; at < theirs.length; at += 1000)
          await record(
            store,
            theirs.slice(at, at + 1000).map(({ messageId }) => ({ messageId, status: enroute, at: now })),
          );
        await record(store, [message(`first ${round}`), { messageId: `own${round}`, status: delivered, at: now }], {
          account: own,
        });
        expect(await hear(2)).toEqual([`first ${round}`, `own${round}`]);
      }
      ended();
    });
  });
}
