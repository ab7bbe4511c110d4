import { describe, expect, it } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import type { Store } from '../../../src/store/store.ts';
import { isThorough } from '../../support/properties.ts';
import {
  account,
  delivered,
  engineFor,
  enroute,
  find1,
  findIds,
  horizon,
  hourMs,
  logOf,
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

/** What is past retention is not shown and not known; what is inside it is never dropped. */
export function retentionTests(openEngine: OpenEngine): void {
  describe('retention', () => {
    const later = horizon + hourMs;

    it('a message that has gone past the horizon → not shown, though not yet dropped', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('old', { sentAt: later - 1 }), message('edge', { sentAt: later })]);
      const { logs } = await store.find(query({ sentSince: later }));
      expect(logs.map(log => log.messageId)).toEqual(['edge']);
      expect(await store.history(account, 'old', later)).toBeUndefined();
      expect(await store.history(account, 'edge', later)).toBeDefined();
      const byId = await store.find(query({ sentSince: later, filter: { messageId: ['old'], sentSince: 0 } }));
      expect(byId.logs).toEqual([]);
    });

    it('a report on a message past the horizon → as on an unknown one', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m', { sentAt: later - 1 })]);
      const answer = await record(store, [{ messageId: 'm', status: delivered }], { sentSince: later });
      expect(answer).toEqual(outcome({ waiting: 1 }));
      expect((await find1(store, 'm')).status.groupName).toBe('PENDING');
    });

    it('a message past the horizon sent again → refused for its age', async () => {
      const { store } = await engineFor(openEngine);
      const old = message('m', { sentAt: later - 1 });
      await recordAll(store, [old]);
      const answer = await record(store, [old], { sentSince: later });
      expect(answer.rejected.map(({ violations }) => violations.map(({ property }) => property))).toEqual([['sentAt']]);
    });

    it('a new message with the id of one past the horizon → recorded anew, with a timeline of its own', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      const old = message('m', { sentAt: later - 1, sender: 'old', bulkId: 'old' });
      await recordAll(engine.store, [old, ...messages(20, i => ({ messageId: `x${i}` }))]);
      await record(engine.store, [{ messageId: 'm', status: delivered }]);
      const again = message('m', { sender: 'new' });
      await recordAll(engine.store, [again], { sentSince: later, receivedAt: now + 9 });
      expect(await record(engine.store, [again], { sentSince: later })).toEqual(outcome({ unchanged: 1 }));
      for await (const store of openings(engine)) {
        expect(await find1(store, 'm', { sentSince: later })).toEqual(logOf(again));
        const history = await store.history(account, 'm', later);
        expect(history?.timeline).toMatchObject([{ receivedAt: now + 9 }]);
      }
      const store = await engine.reopen();
      expect(await record(store, [{ messageId: 'm', status: delivered, at: now }], { sentSince: later })).toEqual(
        outcome({ updated: 1 }),
      );
      await store.dropBefore(later);
      expect(await find1(store, 'm', { sentSince: later })).toMatchObject({ sender: 'new', status: delivered });
    });

    it('what is wholly past is dropped → what is inside stays, also after reopening', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 20 });
      await recordAll(
        engine.store,
        messages(300, i => ({ sentAt: horizon + i * 60_000, bulkId: `b${i % 3}` })),
      );
      const cut = horizon + 150 * 60_000;
      const expected = (await engine.store.find(query({ sentSince: cut }))).logs;
      expect(expected).toHaveLength(150);
      const before = await engine.store.stats();
      const { past, all } = await engine.store.wouldDrop(cut);
      expect(all).toBe(300);
      expect(past).toBeLessThanOrEqual(150);
      expect(await engine.store.wouldDrop(now + 1)).toEqual({ past: 300, all: 300, losesMost: true });
      expect(await engine.store.wouldDrop(horizon)).toEqual({ past: 0, all: 300, losesMost: false });
      expect(await engine.store.wouldDrop(now + 1, undefined, horizon)).toEqual({ past: 0, all: 0, losesMost: false });
      await engine.store.dropBefore(cut);
      for await (const store of openings(engine)) {
        expect((await store.find(query({ sentSince: cut }))).logs).toEqual(expected);
        const bulk = await store.find(query({ sentSince: cut, filter: { bulkId: ['b1'] } }));
        expect(bulk.logs).toEqual(expected.filter(log => log.bulkId === 'b1'));
      }
      const store = await engine.reopen();
      const after = await store.stats();
      expect(after.messages).toBeLessThanOrEqual(before.messages);
      expect(after.messages).toBeGreaterThanOrEqual(150);
      await recordAll(
        store,
        messages(30, i => ({ messageId: `new${i}` })),
        { sentSince: cut },
      );
      expect((await store.find(query({ sentSince: cut }))).logs).toHaveLength(180);
    });

    it('everything is past → nothing is left, and recording goes on', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 20 });
      await recordAll(engine.store, messages(90));
      await engine.store.dropBefore(now);
      expect(await engine.store.stats()).toMatchObject({ messages: 0, reports: 0 });
      expect((await engine.store.find(query({ sentSince: now }))).logs).toEqual([]);
      const fresh = message('m0', { sentAt: now });
      await recordAll(engine.store, [fresh], { sentSince: now });
      const store = await engine.reopen();
      expect((await store.find(query({ sentSince: now }))).logs).toEqual([logOf(fresh)]);
    });

    it('dropped right after recording, again and again → done each time', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 20 });
      for (let round = 0; round < (isThorough ? 25 : 10); round++) {
        const sentAt = now - 100 + round;
        await recordAll(
          store,
          messages(90, i => ({ messageId: `${round} ${i}`, sentAt })),
        );
        // So that dropping begins at every moment of what the engine may still be doing with the records.
        await new Promise(resolve => setTimeout(resolve, round % 5));
        await store.dropBefore(sentAt + 1);
        expect((await store.stats()).messages).toBe(0);
      }
    });

    it('nothing is past → nothing is dropped', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 20 });
      await recordAll(
        store,
        messages(90, i => ({ sentAt: horizon + i })),
      );
      await store.dropBefore(horizon);
      await store.dropBefore(0);
      expect(await findIds(store)).toHaveLength(90);
    });

    it('an empty log → dropping does nothing', async () => {
      const { store } = await ownEngineFor(openEngine);
      await store.dropBefore(now);
      await recordAll(store, [message('m')]);
      expect(await findIds(store)).toEqual(['m']);
    });

    it('a message recorded late, among old ones or new ones → dropped by its own time', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(
        store,
        messages(100, i => ({ sentAt: i % 10 === 0 ? now : horizon + i })),
      );
      await store.dropBefore(horizon + hourMs);
      const { logs } = await store.find(query({ sentSince: horizon + hourMs }));
      expect(logs).toHaveLength(10);
    });

    it('reports that came in among messages now past → kept as long as their own message', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(engine.store, [message('kept'), ...messages(25, i => ({ messageId: `a${i}`, sentAt: horizon }))]);
      await record(engine.store, [{ messageId: 'kept', status: enroute, at: now }]);
      await recordAll(
        engine.store,
        messages(25, i => ({ messageId: `b${i}`, sentAt: horizon })),
      );
      await record(engine.store, [{ messageId: 'kept', status: delivered, at: now + 1 }]);
      await recordAll(
        engine.store,
        messages(25, i => ({ messageId: `c${i}`, sentAt: horizon })),
      );
      await engine.store.dropBefore(horizon + 1);
      for await (const store of openings(engine)) {
        const history = await store.history(account, 'kept', horizon + 1);
        expect(history?.timeline).toHaveLength(3);
        expect(history?.log.status).toEqual(delivered);
        expect(
          (await store.find(query({ sentSince: horizon + 1, filter: { generalStatus: 'DELIVERED' } }))).logs,
        ).toHaveLength(1);
      }
    });

    it('accounts with little of the log would lose most of theirs → told, whatever others keep', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 10, accounts: [1, 2, 3] });
      const keptLong = new Map([[1, horizon]]);
      await recordAll(
        store,
        messages(20, i => ({ messageId: `b${i}`, sentAt: horizon })),
        { account: 2 },
      );
      // What takes writes counts as all else does.
      expect(await store.wouldDrop(later, keptLong)).toEqual({ past: 20, all: 20, losesMost: true });
      await recordAll(
        store,
        messages(60, i => ({ messageId: `a${i}`, sentAt: horizon })),
        { account: 1 },
      );
      // Unless all lies together with what is kept.
      const { past, all, losesMost } = await store.wouldDrop(later, keptLong);
      expect(all).toBe(80);
      expect([0, 20]).toContain(past);
      expect(losesMost).toBe(past > 0);
      expect(await store.wouldDrop(horizon, keptLong)).toEqual({ past: 0, all: 80, losesMost: false });
      await recordAll(
        store,
        messages(40, i => ({ messageId: `c${i}`, sentAt: now })),
        { account: 3 },
      );
      expect(await store.wouldDrop(later, keptLong)).toMatchObject({ all: 120, losesMost: false });
    });

    it('accounts keep theirs for times of their own → of each what it keeps, whole, and the rest goes', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10, accounts: [1, 2, 3] });
      const [first, second, third] = [30, 10, 20].map(hours => horizon + hours * hourMs) as [number, number, number];
      const horizonOf = new Map([first, second, third].map((before, i) => [i + 1, before]));
      for (let i = 0; i < 40; i += 4)
        for (const id of [1, 2, 3]) {
          const sent = messages(4, j => ({
            messageId: `${i + j}`,
            sentAt: horizon + (i + j + 0.5) * hourMs,
            sender: `s${j % 2}`,
          }));
          // Reports lie in the segments of later messages.
          const reports = [`${i}`, `${Math.floor(i / 2)}`].map(messageId => ({
            messageId,
            status: delivered,
            at: now,
          }));
          expect(await record(engine.store, [...sent, ...reports], { account: id })).toMatchObject({ recorded: 4 });
        }
      const seen = async (store: Store, id: number) => {
        const at = { account: id, sentSince: horizonOf.get(id) ?? 0 };
        const { logs } = await store.find(query(at));
        const histories = await Promise.all(logs.map(log => store.history(id, log.messageId, at.sentSince)));
        const range = summaryRange({}, at.sentSince, now, 4);
        return {
          logs,
          histories,
          bySender: (await store.find(query({ ...at, filter: { sender: 's1' } }))).logs,
          summary: await store.summarize({ ...at, filter: {}, range, budgetMs: 60_000 }),
        };
      };
      const expected = new Map(
        await Promise.all([1, 2, 3].map(async id => [id, await seen(engine.store, id)] as const)),
      );
      expect(Array.from(expected.values(), ({ logs }) => logs.length)).toEqual([10, 30, 20]);
      const before = await engine.store.stats();
      await engine.store.dropBefore(
        first,
        new Map([
          [2, second],
          [3, third],
        ]),
      );
      for await (const store of openings(engine)) {
        for (const id of [1, 2, 3]) expect(await seen(store, id)).toEqual(expected.get(id));
        expect((await store.stats()).messages).toBeLessThanOrEqual(before.messages);
      }
      // The account that keeps the most goes on alone; then nothing is kept of any.
      const store = await engine.reopen();
      await store.dropBefore(now, new Map([[2, second]]));
      expect(await seen(store, 2)).toEqual(expected.get(2));
      await store.dropBefore(now, new Map([[3, now]]));
      expect((await store.stats()).messages).toBe(0);
    });

    it('reads and records while dropping → nothing inside is missed', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 20 });
      await recordAll(
        store,
        messages(400, i => ({ sentAt: i < 200 ? horizon : now })),
      );
      const reading = Array.from({ length: 20 }, () => store.find(query({ sentSince: now })));
      const dropping = store.dropBefore(now);
      const recording = record(
        store,
        messages(50, i => ({ messageId: `n${i}`, sentAt: now })),
        { sentSince: now },
      );
      for (const page of await Promise.all(reading)) expect(page.logs.length).toBeGreaterThanOrEqual(200);
      await dropping;
      expect((await recording).recorded).toBe(50);
      expect((await store.find(query({ sentSince: now }))).logs).toHaveLength(250);
    });
  });
}
