import { describe, expect, it } from 'vitest';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { settle } from '../../support/settle.ts';
import {
  account,
  delivered,
  engineFor,
  enroute,
  expired,
  find1,
  findIds,
  horizon,
  logOf,
  message,
  messages,
  now,
  type OpenEngine,
  openings,
  operator,
  outcome,
  ownEngineFor,
  query,
  record,
  recordAll,
  rejected,
  undeliverable,
} from './engine.ts';

/** Many callers at once, opening, closing, and the figures. */
export function lifecycleTests(openEngine: OpenEngine): void {
  describe('many callers at once', () => {
    it('the same new messages from all of them → each recorded exactly once', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 30 });
      const answers = await Promise.all(Array.from({ length: 25 }, () => record(store, messages(40))));
      const sum = (count: 'recorded' | 'unchanged') => answers.reduce((total, answer) => total + answer[count], 0);
      expect([sum('recorded'), sum('unchanged')]).toEqual([40, 24 * 40]);
      expect((await findIds(store)).toSorted()).toEqual(
        messages(40)
          .map(({ messageId }) => messageId)
          .toSorted(),
      );
    });

    it('different messages with one id → one recorded, the others refused', async () => {
      const { store } = await engineFor(openEngine);
      const answers = await Promise.all(
        Array.from({ length: 25 }, (_, i) => record(store, [message('m', { sender: `s${i}` })])),
      );
      expect(answers.filter(answer => answer.recorded === 1)).toHaveLength(1);
      expect(answers.filter(answer => answer.rejected.length === 1)).toHaveLength(24);
      const winner = answers.findIndex(answer => answer.recorded === 1);
      expect((await find1(store, 'm')).sender).toBe(`s${winner}`);
    });

    it('reports on one message from all of them → the state all of them settle on', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 10 });
      const sent = message('m');
      await recordAll(store, [sent]);
      const statuses = [enroute, operator, expired, rejected, undeliverable, delivered];
      const reports = Array.from({ length: 60 }, (_, i) => ({
        status: statuses[i % statuses.length] ?? enroute,
        at: now + ((i * 7919) % 60),
      }));
      const answers = await Promise.all(reports.map(report => record(store, [{ messageId: 'm', ...report }])));
      expect(answers.reduce((total, { updated, unchanged }) => total + updated + unchanged, 0)).toBe(60);
      const history = await store.history(account, 'm', horizon);
      expect(history?.log).toEqual({ ...logOf(sent), ...settle(logOf(sent), reports) });
      expect(history?.timeline).toHaveLength(61);
    });

    it('the same report from all of them → applied once', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m')]);
      const report = { messageId: 'm', status: delivered, doneAt: now };
      const answers = await Promise.all(Array.from({ length: 20 }, () => record(store, [report])));
      expect(answers.reduce((total, answer) => total + answer.updated, 0)).toBe(1);
      expect((await store.history(account, 'm', horizon))?.timeline).toHaveLength(2);
    });

    it('what was answered → found at once by every reader', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 30 });
      await Promise.all(
        Array.from({ length: 10 }, async (_, writer) => {
          for (let i = 0; i < 15; i++) {
            const messageId = `${writer} ${i}`;
            await recordAll(store, [message(messageId)]);
            const found = await Promise.all([
              find1(store, messageId),
              find1(store, messageId),
              find1(store, messageId),
            ]);
            expect(found).toHaveLength(3);
            await record(store, [{ messageId, status: delivered }]);
            expect((await find1(store, messageId)).status).toEqual(delivered);
          }
        }),
      );
      expect(await findIds(store, { generalStatus: 'DELIVERED' })).toHaveLength(150);
    });

    it('batches with refusals beside good ones → each caller gets its own answer', async () => {
      const { store } = await engineFor(openEngine);
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          record(
            store,
            i % 2 === 0 ? [message(`m${i}`), message(`n${i}`)] : [{ messageId: `m${i}` }, message(`n${i}`)],
          ),
        ),
      );
      for (const [i, answer] of answers.entries()) {
        if (i % 2 === 0) expect(answer).toEqual(outcome({ recorded: 2 }));
        else expect(answer).toMatchObject({ recorded: 1, rejected: [{ index: 0, messageId: `m${i}` }] });
      }
    });
  });

  describe('opening and closing', () => {
    it('reopened, time and again → everything is there, and recording goes on', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 7 });
      let store = engine.store;
      for (let i = 0; i < 4; i++) {
        const before = await findIds(store);
        store = await engine.reopen();
        expect(await findIds(store)).toEqual(before);
        await recordAll(
          store,
          messages(10, j => ({ messageId: `${i} ${j}` })),
        );
        const report = { messageId: `${Math.floor(i / 2)} ${i}`, status: delivered, at: now };
        expect(await record(store, [report])).toEqual(outcome({ updated: 1 }));
        expect(await record(store, [report])).toEqual(outcome({ unchanged: 1 }));
      }
      expect(await findIds(await engine.reopen())).toHaveLength(40);
    });

    it('known before reopening → known after it', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      const batch = messages(45);
      await recordAll(engine.store, batch);
      await record(engine.store, [{ messageId: 'm7', status: delivered, doneAt: now }]);
      const store = await engine.reopen();
      expect(await record(store, batch)).toEqual(outcome({ unchanged: 45 }));
      expect(await record(store, [{ messageId: 'm7', status: delivered, doneAt: now }])).toEqual(
        outcome({ unchanged: 1 }),
      );
      expect((await record(store, [message('m8', { sender: 'x' })])).rejected).toHaveLength(1);
      expect((await store.history(account, 'm7', horizon))?.timeline).toHaveLength(2);
    });

    it('messages of several accounts, some in segments of before → each account is told, and no other', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      for (const one of [account, account + 1, account + 2])
        await recordAll(engine.store, messages(15), { account: one });
      await record(engine.store, [{ messageId: 'nobody knows', status: delivered }], { account: account + 3 });
      const told = async (store: Store) => {
        const ids = new Set<number>();
        for await (const part of store.accounts()) for (const id of part) ids.add(id);
        return [...ids].sort((a, b) => a - b);
      };
      expect(await told(engine.store)).toEqual([account, account + 1, account + 2]);
      expect(await told(await engine.reopen())).toEqual([account, account + 1, account + 2]);
    });

    it('closed with records on their way → those taken are answered, and are there afterwards', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 100_000 });
      const taken = Array.from({ length: 20 }, (_, i) =>
        record(
          engine.store,
          messages(50, j => ({ messageId: `${i} ${j}` })),
        ),
      );
      const closing = engine.store.close();
      for (const answer of await Promise.all(taken)) expect(answer).toEqual(outcome({ recorded: 50 }));
      await closing;
      expect(await findIds(await engine.reopen())).toHaveLength(1000);
    });

    it('closed twice, and twice at once → closed', async () => {
      const { store } = await ownEngineFor(openEngine);
      await recordAll(store, messages(3));
      await Promise.all([store.close(), store.close()]);
      await store.close();
    });

    const calls: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
      ['record', store => record(store, [message('n')])],
      ['find', store => store.find(query())],
      ['render', store => store.render(query(), 'json')],
      ['history', store => store.history(account, 'm', horizon)],
      ['dropBefore', store => store.dropBefore(now)],
    ];

    it('every call after closing → StoreUnavailable', async () => {
      const engine = await ownEngineFor(openEngine);
      await recordAll(engine.store, [message('m')]);
      await engine.store.close();
      for (const [name, call] of calls) await expect(call(engine.store), name).rejects.toThrow(StoreUnavailable);
      expect(await findIds(await engine.reopen())).toEqual(['m']);
    });
  });

  describe('stats', () => {
    it('an empty log → nothing counted, no oldest message', async () => {
      const { store } = await ownEngineFor(openEngine);
      const stats = await store.stats();
      expect(stats).toMatchObject({ messages: 0, reports: 0, queuedRecords: 0, damaged: [] });
      expect(stats.oldestSentAt).toBeUndefined();
      expect(stats.writeFailure).toBeUndefined();
    });

    it('messages and reports of all accounts → counted, repeats and refusals not, the same after reopening', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      const batch = messages(25, i => ({ sentAt: now - i }));
      await recordAll(engine.store, batch);
      await recordAll(engine.store, batch, { account: 2 });
      await record(engine.store, [...batch, { messageId: 'unknown', status: delivered }]);
      const reports = batch.slice(0, 7).map(({ messageId }) => ({ messageId, status: delivered, at: now }));
      await record(engine.store, [...reports, ...reports, { messageId: 'm1', status: enroute, at: now }]);
      for await (const store of openings(engine)) {
        const stats = await store.stats();
        expect(stats).toMatchObject({ messages: 50, reports: 8, queuedRecords: 0, damaged: [] });
        expect(stats.oldestSentAt).toBe(now - 24);
        expect(stats.segments).toBeGreaterThanOrEqual(1);
        expect(stats.bytes).toBeGreaterThan(0);
      }
    });

    it('records on their way → counted as queued until they are answered', async () => {
      const { store } = await ownEngineFor(openEngine);
      const taken = Array.from({ length: 10 }, (_, i) =>
        record(
          store,
          messages(100, j => ({ messageId: `${i} ${j}` })),
        ),
      );
      const { queuedRecords } = await store.stats();
      expect(queuedRecords).toBeGreaterThanOrEqual(0);
      expect(queuedRecords).toBeLessThanOrEqual(1000);
      await Promise.all(taken);
      expect((await store.stats()).queuedRecords).toBe(0);
    });
  });
}
