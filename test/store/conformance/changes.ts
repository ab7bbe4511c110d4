import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccountId, LogRecord, Submission } from '../../../src/domain/message.ts';
import {
  type Bookmark,
  type Change,
  type ChangesQuery,
  InvalidBookmark,
  type Store,
} from '../../../src/store/store.ts';
import { anyReport, moment } from '../../support/arbitraries.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { runs } from '../../support/properties.ts';
import {
  account,
  delivered,
  engineFor,
  enroute,
  expired,
  horizon,
  message,
  messages,
  now,
  type OpenEngine,
  ownEngineFor,
  record,
  recordAll,
} from './engine.ts';

const changesQuery = (fields: Partial<ChangesQuery> = {}): ChangesQuery => ({
  account,
  sentSince: horizon,
  limit: 1000,
  ...fields,
});

let markers = 0;
const isMarker = ({ log }: Change) => log.messageId.startsWith('marker ');

/**
 * All changes after a place, and the place behind them. An engine may give changes a moment after it answered their
 * recording, though never out of order: so it is followed to a message that is recorded now, which is left out.
 */
export async function follow(store: Store, after: Bookmark, fields: Partial<ChangesQuery> = {}) {
  const marker = message(`marker ${markers++}`);
  if (fields.until === undefined) await recordAll(store, [marker], { account: fields.account ?? account });
  const changes: Change[] = [];
  let all = false;
  for (let place = after; ; ) {
    const asked = changesQuery({ ...fields, after: place });
    const answer = await store.changes(asked);
    expect(answer.changes.length).toBeLessThanOrEqual(asked.limit);
    changes.push(...answer.changes);
    place = answer.next;
    all ||= answer.changes.some(({ log }) => log.messageId === marker.messageId) || place === fields.until;
    if (all && !answer.more) return { changes: changes.filter(change => !isMarker(change)), next: place };
    if (!answer.more) await new Promise(resolve => setTimeout(resolve, 1));
  }
}

/** The place behind all that was recorded of an account. */
async function placeNow(store: Store, of: AccountId = account): Promise<Bookmark> {
  const { next } = await store.changes(changesQuery({ account: of }));
  return (await follow(store, next, { account: of })).next;
}

const shown = (changes: readonly Change[]) => changes.map(({ log }) => `${log.messageId} ${log.status.name}`);

/** Following the log: each change once, as it was, across calls, places, limits and openings. */
export function changesTests(openEngine: OpenEngine): void {
  describe('changes', () => {
    it('without a place → none, and a place after which only what comes later shows', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, messages(3));
      await placeNow(store);
      const answer = await store.changes(changesQuery());
      expect(answer).toMatchObject({ changes: [], more: false });
      expect(answer.next).toMatch(/^[\x20-\x7e]{1,200}$/);
      await recordAll(store, [message('later')]);
      expect(shown((await follow(store, answer.next)).changes)).toEqual(['later PENDING_ACCEPTED']);
    });

    it('an empty log has a place too → all that comes shows', async () => {
      const { store } = await engineFor(openEngine);
      const { next: start } = await store.changes(changesQuery());
      await recordAll(store, messages(2));
      const { changes } = await follow(store, start);
      expect(shown(changes).toSorted()).toEqual(['m0 PENDING_ACCEPTED', 'm1 PENDING_ACCEPTED']);
    });

    it.each([1, 2, 7, 1000])(
      'reports and messages, %i an answer → each change once, the log as it was then',
      async limit => {
        const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
        const start = await placeNow(store);
        await recordAll(store, messages(12));
        await record(store, [
          { messageId: 'm3', status: enroute, at: now },
          { messageId: 'm11', status: delivered, doneAt: now },
          { messageId: 'm3', status: expired, at: now + 1 },
        ]);
        await record(store, [
          message('last', { status: delivered }),
          { messageId: 'm3', status: delivered, at: now + 2 },
        ]);
        const { changes } = await follow(store, start, { limit });
        expect(shown(changes).toSorted()).toEqual(
          [
            ...Array.from({ length: 12 }, (_, i) => `m${i} PENDING_ACCEPTED`),
            'm3 PENDING_ENROUTE',
            'm11 DELIVERED_TO_HANDSET',
            'm3 EXPIRED_EXPIRED',
            'last DELIVERED_TO_HANDSET',
            'm3 DELIVERED_TO_HANDSET',
          ].toSorted(),
        );
        expect(shown(changes).filter(one => one.startsWith('m3 '))).toEqual([
          'm3 PENDING_ACCEPTED',
          'm3 PENDING_ENROUTE',
          'm3 EXPIRED_EXPIRED',
          'm3 DELIVERED_TO_HANDSET',
        ]);
      },
    );

    it('a message and reports on it in one batch → each step shows', async () => {
      const { store } = await engineFor(openEngine);
      const start = await placeNow(store);
      await record(store, [
        message('a'),
        { messageId: 'a', status: enroute, at: now },
        { messageId: 'a', status: delivered, doneAt: now },
      ]);
      expect(shown((await follow(store, start)).changes)).toEqual([
        'a PENDING_ACCEPTED',
        'a PENDING_ENROUTE',
        'a DELIVERED_TO_HANDSET',
      ]);
    });

    it('reports that change nothing → do not show', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('a', { status: delivered, at: now })]);
      const start = await placeNow(store);
      await record(store, [
        { messageId: 'a', status: enroute, at: now - 5 },
        { messageId: 'a', status: delivered, at: now },
      ]);
      expect((await follow(store, start)).changes).toEqual([]);
    });

    it('the place of any change → goes on right behind it', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 4 });
      const start = await placeNow(store);
      await recordAll(store, messages(9));
      await record(
        store,
        messages(9).map(({ messageId }) => ({ messageId, status: enroute, at: now })),
      );
      const { changes } = await follow(store, start, { limit: 5 });
      expect(changes).toHaveLength(18);
      for (const [i, { place }] of changes.entries()) {
        const rest = await follow(store, place, { limit: 3 });
        expect(shown(rest.changes).toSorted()).toEqual(shown(changes.slice(i + 1)).toSorted());
      }
    });

    it('up to a place → all before it, nothing behind it, and that very place', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 4 });
      const start = await placeNow(store);
      await recordAll(store, messages(6));
      await record(store, [{ messageId: 'm0', status: enroute, at: now }]);
      const { next: until } = await follow(store, start, { limit: 2 });
      await recordAll(store, [message('beyond')]);
      await record(store, [{ messageId: 'm1', status: enroute, at: now }]);
      const before = await follow(store, start, { until, limit: 3 });
      expect(before.next).toBe(until);
      expect(before.changes).toHaveLength(7);
      const behind = await follow(store, until);
      expect(shown(behind.changes).toSorted()).toEqual(['beyond PENDING_ACCEPTED', 'm1 PENDING_ENROUTE']);
    });

    it('another account, and what is past retention → do not show', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 3 });
      const [mine, theirs] = [await placeNow(store), await placeNow(store, 2)];
      await recordAll(store, messages(4));
      await recordAll(store, [message('m1'), message('other')], { account: 2 });
      await recordAll(store, [message('old', { sentAt: now - 5000 })]);
      expect(shown((await follow(store, mine, { sentSince: now - 2000 })).changes)).toHaveLength(4);
      const { changes } = await follow(store, theirs, { account: 2, limit: 1 });
      expect(shown(changes).toSorted()).toEqual(['m1 PENDING_ACCEPTED', 'other PENDING_ACCEPTED']);
    });

    it('the store opened again → a place is as good as before', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 3 });
      const start = await placeNow(engine.store);
      await recordAll(engine.store, messages(5));
      const { changes, next } = await follow(engine.store, start, { limit: 2 });
      const store = await engine.reopen();
      expect(shown((await follow(store, start)).changes).toSorted()).toEqual(shown(changes).toSorted());
      await record(store, [{ messageId: 'm4', status: delivered, at: now }]);
      expect(shown((await follow(store, next)).changes)).toEqual(['m4 DELIVERED_TO_HANDSET']);
    });

    it('segments dropped behind a place → what is left shows', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 3 });
      const start = await placeNow(store);
      await recordAll(
        store,
        messages(6, i => ({ sentAt: now - 60_000 + i })),
      );
      await recordAll(store, [message('kept')]);
      await store.dropBefore(now - 2000);
      expect(shown((await follow(store, start, { sentSince: now - 2000 })).changes)).toEqual(['kept PENDING_ACCEPTED']);
    });

    it.each(['', 'x', 's1.0.0.0.0', '9'.repeat(300)])('%j is no place → InvalidBookmark', async after => {
      const { store } = await engineFor(openEngine);
      await expect(store.changes(changesQuery({ after }))).rejects.toThrow(InvalidBookmark);
    });

    it('recording while somebody follows → every change once', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 40 });
      let place = await placeNow(store);
      const taken: Change[] = [];
      const recording = (async () => {
        for (let i = 0; i < 30; i++) {
          await recordAll(
            store,
            messages(10).map(one => ({ ...one, messageId: `${one.messageId}-${i}` })),
          );
          await record(store, [{ messageId: `m3-${i}`, status: delivered, at: now }]);
        }
      })();
      let going = true;
      const following = (async () => {
        while (going) {
          const answer = await store.changes(changesQuery({ after: place, limit: 17 }));
          taken.push(...answer.changes);
          place = answer.next;
          if (!answer.more) await new Promise(resolve => setTimeout(resolve, 1));
        }
      })();
      await recording;
      going = false;
      await following;
      taken.push(...(await follow(store, place, { limit: 17 })).changes);
      expect(new Set(shown(taken)).size).toBe(taken.length);
      expect(taken).toHaveLength(330);
    });

    it('whoever watches an account → is woken by what is recorded for it, until the watch ends', async () => {
      const { store } = await engineFor(openEngine);
      let [woken, others] = [0, 0];
      const end = store.watch(account, () => woken++);
      const endOther = store.watch(99, () => others++);
      await recordAll(store, [message('a')]);
      await expect.poll(() => woken).toBeGreaterThan(0);
      expect(others).toBe(0);
      end();
      endOther();
      // Called after those before it, had they not ended.
      let later = 0;
      const endLater = store.watch(account, () => later++);
      woken = 0;
      await recordAll(store, [message('b')]);
      await expect.poll(() => later).toBeGreaterThan(0);
      expect(woken).toBe(0);
      endLater();
    });

    it('anything recorded in any order → the changes of the reference store', async () => {
      // One opening for all that was recorded: each would take longer than the rest.
      const compares: (() => Promise<void>)[] = [];
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyBatch, { minLength: 1, maxLength: 6 }),
          fc.integer({ min: 1, max: 9 }),
          async (batches, limit) => {
            const engine = await engineFor(openEngine, { segmentMessagesMax: 4 });
            const model = new MemoryStore();
            const places = { engine: await placeNow(engine.store), model: await placeNow(model) };
            for (const batch of batches) {
              await record(engine.store, batch, wide);
              await record(model, batch, wide);
            }
            const compare = async () => {
              const { changes } = await follow(engine.current(), places.engine, { limit, sentSince: 0 });
              const expected = await follow(model, places.model, { sentSince: 0 });
              expect(byMessage(changes)).toEqual(byMessage(expected.changes));
            };
            compares.push(compare);
            await compare();
          },
        ),
        { numRuns: runs(15) },
      );
      await (await engineFor(openEngine, { segmentMessagesMax: 4 })).reopen();
      for (const compare of compares) await compare();
    });
  });
}

const wide = { receivedAt: 1_700_000_010_000, sentSince: 0 };
const anyId = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const anySubmission: fc.Arbitrary<Submission> = fc.oneof(
  fc.tuple(anyId, moment).map(([messageId, sentAt]) => message(messageId, { sentAt })),
  fc.tuple(anyId, anyReport).map(([messageId, report]): Submission => ({ messageId, ...report })),
);
const anyBatch = fc.array(anySubmission, { minLength: 1, maxLength: 12 });

/** The order between messages is the engine's. */
function byMessage(changes: readonly Change[]): ReadonlyMap<string, readonly LogRecord[]> {
  const logs = changes.map(({ log }) => log).toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  return Map.groupBy(logs, log => log.messageId);
}
