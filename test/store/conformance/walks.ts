import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conditionMatcher, type Filter } from '../../../src/domain/filter.ts';
import { deliveryErrorByKey, deliveryErrorNamed, noError, unregisteredErrors } from '../../../src/domain/registry.ts';
import { InvalidBookmark } from '../../../src/store/store.ts';
import { runs } from '../../support/properties.ts';
import {
  account,
  delivered,
  engineFor,
  enroute,
  expired,
  findIds,
  horizon,
  hourMs,
  idsOf,
  message,
  messages,
  now,
  type OpenEngine,
  ownEngineFor,
  query,
  record,
  recordAll,
  rejected,
  walk,
} from './engine.ts';

/** Walks: exact whatever happens meanwhile, bookmarks that last, and bookmarks that are none. */
export function walkTests(openEngine: OpenEngine): void {
  describe('walks', () => {
    it.each([1, 7, 50, 99, 100, 101])(
      'a hundred messages of one millisecond, %i a page → each once, in order',
      async limit => {
        const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
        await recordAll(store, messages(100));
        expect(idsOf(await walk(store, { limit }))).toEqual(await findIds(store));
      },
    );

    it('walks with each filter → what one page of it gives', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(
        store,
        messages(150, i => ({
          sender: `s${i % 2}`,
          sentAt: now - ((i * 31) % 20),
          ...(i % 3 === 0 && { bulkId: `b${i % 4}`, applicationId: 'a' }),
          ...(i % 5 === 0 && { campaignReferenceId: 'c', entityId: 'e' }),
          ...(i % 7 === 0 && { status: delivered }),
        })),
      );
      const filters: readonly Filter[] = [
        { sender: 's1' },
        { bulkId: ['b1', 'b2'] },
        { messageId: ['m1', 'm140', 'm70'] },
        { campaignReferenceId: ['c'] },
        { entityId: 'e', applicationId: 'a' },
        { generalStatus: 'DELIVERED' },
        { generalStatus: 'PENDING', sender: 's0' },
        { sentSince: now - 10, sentUntil: now - 3 },
      ];
      for (const filter of filters) {
        const expected = await findIds(store, filter);
        expect(expected.length).toBeGreaterThan(1);
        for (const limit of [1, 4]) expect(idsOf(await walk(store, { filter, limit }))).toEqual(expected);
      }
    });

    it('no walk asked for → no bookmark', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, messages(10));
      expect(Object.keys(await store.find(query({ limit: 3 })))).toEqual(['logs']);
    });

    it('a page that ends the log exactly → no bookmark', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
      await recordAll(store, messages(10));
      const { next: after } = await store.find(query({ limit: 5, walk: true }));
      expect(after).toMatch(/^[\x20-\x7e]+$/);
      if (after === undefined) return;
      expect(Object.keys(await store.find(query({ limit: 5, walk: true, after })))).toEqual(['logs']);
    });

    it('the same page asked for again → the same page', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
      await recordAll(store, messages(20));
      const { next: after } = await store.find(query({ limit: 6, walk: true }));
      if (after === undefined) throw new Error('no bookmark');
      const asked = query({ limit: 6, walk: true, after });
      const page = await store.find(asked);
      await recordAll(store, [message('late')]);
      expect(await store.find(asked)).toEqual(page);
    });

    it('messages recorded meanwhile, newer, older and of the same moment → not in the walk', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(
        store,
        messages(100, i => ({ sentAt: now - (i % 10) })),
      );
      const expected = await findIds(store);
      const walked = await walk(store, { limit: 9 }, async page => {
        await recordAll(
          store,
          messages(12, i => ({ messageId: `late ${page} ${i}`, sentAt: now + 3 - i })),
        );
      });
      expect(idsOf(walked)).toEqual(expected);
      expect((await findIds(store)).length).toBeGreaterThan(200);
    });

    it('statuses that change meanwhile → a walk without a status shows them as they are', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(store, messages(40));
      const walked = await walk(store, { limit: 20 }, async () => {
        await record(
          store,
          messages(40).map(({ messageId }) => ({ messageId, status: delivered })),
        );
      });
      expect(walked.map(log => log.status.name)).toEqual([
        ...Array.from({ length: 20 }, () => 'PENDING_ACCEPTED'),
        ...Array.from({ length: 20 }, () => 'DELIVERED_TO_HANDSET'),
      ]);
    });

    it('messages that lose the asked error meanwhile → shown as they were, each once; those that come to it → not', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      const lost = { ...deliveryErrorByKey(unregisteredErrors[1]?.key ?? 0), name: 'ONE_TO_COME' };
      const kept = deliveryErrorNamed('EC_BLOCKED_USER');
      const errors = [lost, kept, noError];
      const errorOf = (i: number) => errors[i % 3] ?? noError;
      await recordAll(
        store,
        messages(60, i => ({ error: errorOf(i), status: enroute, at: now - 2 })),
      );
      const filters: readonly Filter[] = [
        { errorName: ['ONE_TO_COME', 'EC_BLOCKED_USER'] },
        { errorName: 'ONE_TO_COME', generalStatus: ['PENDING', 'EXPIRED'] },
        { not: { errorName: 'NO_ERROR', generalStatus: 'DELIVERED' } },
        { errorId: String(kept.id) },
        { errorName: 'EC_BLOCKED_USER', generalStatus: 'PENDING' },
        { errorName: 'EC_BLOCKED_USER', errorId: [String(kept.id), '1'], sender: '44113496000' },
        { errorName: 'ONE_TO_COME', not: { errorId: String(kept.id), messageId: 'm9' } },
        { errorName: ['NO_ERROR', 'ONE_TO_COME'] },
      ];
      const walks = await Promise.all(
        filters.map(async filter => {
          const expected = (await store.find(query({ filter }))).logs;
          const first = await store.find(query({ filter, limit: 7, walk: true }));
          return { filter, expected, first };
        }),
      );
      await record(
        store,
        messages(60).map(({ messageId }, i) => ({ messageId, error: errorOf(i + 1), status: expired, at: now - 1 })),
      );
      for (const { filter, expected, first } of walks) {
        const logs = [...first.logs];
        for (let after = first.next; after !== undefined; ) {
          const page = await store.find(query({ filter, limit: 7, walk: true, after }));
          logs.push(...page.logs);
          after = page.next;
        }
        expect(idsOf(logs)).toEqual(idsOf(expected));
        const isAsked = conditionMatcher(filter, { changes: true });
        expect(logs.every(isAsked)).toBe(true);
      }
    });

    it('messages that leave the asked status meanwhile → shown as they were, each once', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(store, messages(60));
      await record(
        store,
        messages(60).map(({ messageId }) => ({ messageId, seenAt: now })),
      );
      const expected = await findIds(store, { generalStatus: 'PENDING' });
      const steps = [expired, delivered, rejected];
      const walked = await walk(store, { limit: 13, filter: { generalStatus: 'PENDING' } }, async page => {
        const status = steps[page % steps.length] ?? delivered;
        await record(
          store,
          messages(60).map(({ messageId }) => ({ messageId, status, at: now + page })),
        );
      });
      expect(idsOf(walked)).toEqual(expected);
      expect(walked.every(log => log.status.groupName === 'PENDING' && log.seenAt === now)).toBe(true);
      expect(await findIds(store, { generalStatus: 'PENDING' })).toEqual([]);
    });

    it('messages that come to the asked status meanwhile → not in the walk', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(
        store,
        messages(60, i => (i % 2 === 0 ? { status: rejected } : {})),
      );
      const expected = await findIds(store, { generalStatus: 'REJECTED' });
      const walked = await walk(store, { limit: 7, filter: { generalStatus: 'REJECTED' } }, async () => {
        await record(
          store,
          messages(60).map(({ messageId }) => ({ messageId, status: rejected })),
        );
      });
      expect(idsOf(walked)).toEqual(expected);
      expect(await findIds(store, { generalStatus: 'REJECTED' })).toHaveLength(60);
    });

    it('messages that keep the asked status and change otherwise → shown as they are', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
      await recordAll(
        store,
        messages(20, () => ({ status: rejected })),
      );
      const walked = await walk(store, { limit: 10, filter: { generalStatus: 'REJECTED' } }, async () => {
        await record(
          store,
          messages(20).map(({ messageId }) => ({ messageId, seenAt: now + 5 })),
        );
      });
      expect(walked.map(log => log.seenAt !== undefined)).toEqual(Array.from({ length: 20 }, (_, i) => i >= 10));
    });

    it('messages that leave the asked status and come back → in the walk once', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 5 });
      await recordAll(
        store,
        messages(20, () => ({ status: rejected, at: now })),
      );
      const walked = await walk(store, { limit: 6, filter: { generalStatus: 'REJECTED' } }, async page => {
        const status = page === 0 ? delivered : rejected;
        await record(
          store,
          messages(20).map(({ messageId }) => ({ messageId, status, at: now + 1 + page })),
        );
      });
      expect(idsOf(walked)).toEqual(
        messages(20)
          .map(({ messageId }) => messageId)
          .toReversed(),
      );
    });

    it('several walks begun at different moments → each sees its own log', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 8 });
      const begun: { expected: readonly string[]; after: string }[] = [];
      for (let i = 0; i < 5; i++) {
        await recordAll(
          store,
          messages(10, j => ({ messageId: `${i} ${j}` })),
        );
        const expected = await findIds(store);
        const { next: after } = await store.find(query({ limit: 1, walk: true }));
        if (after !== undefined) begun.push({ expected: expected.slice(1), after });
      }
      for (const { expected, after } of begun.toReversed())
        expect(idsOf((await store.find(query({ walk: true, after }))).logs)).toEqual(expected);
      expect(begun).toHaveLength(5);
    });

    it('the store reopened between pages → the walk goes on exactly', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 16 });
      let store = engine.store;
      await recordAll(store, messages(60));
      const expected = await findIds(store, { generalStatus: 'PENDING' });
      const walked: string[] = [];
      const asked = query({ limit: 25, walk: true, filter: { generalStatus: 'PENDING' } });
      for (let page = await store.find(asked); ; ) {
        walked.push(...idsOf(page.logs));
        if (page.next === undefined) break;
        await record(
          store,
          messages(60).map(({ messageId }) => ({ messageId, status: delivered })),
        );
        await recordAll(
          store,
          messages(3, i => ({ messageId: `late ${walked.length} ${i}` })),
        );
        store = await engine.reopen();
        page = await store.find({ ...asked, after: page.next });
      }
      expect(walked).toEqual(expected);
    });

    it('retention that moves between pages → only what is past it is missing', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(
        store,
        messages(100, i => ({ sentAt: horizon + (i % 20) * hourMs })),
      );
      const all = (await store.find(query())).logs;
      const { next: after } = await store.find(query({ limit: 30, walk: true }));
      if (after === undefined) throw new Error('no bookmark');
      const sentSince = horizon + 5 * hourMs;
      await store.dropBefore(sentSince);
      const { logs } = await store.find(query({ walk: true, after, sentSince }));
      expect(idsOf(logs)).toEqual(idsOf(all.slice(30).filter(log => log.sentAt >= sentSince)));
    });

    it('recording and reporting by many at once → walks stay exact', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 40 });
      const sentAt = (i: number) => now - (i % 7);
      await recordAll(
        store,
        messages(300, i => ({ sentAt: sentAt(i) })),
      );
      const expected = await findIds(store);
      const recording = Array.from({ length: 10 }, async (_, writer) => {
        for (let i = 0; i < 10; i++) {
          await record(
            store,
            messages(15, j => ({ messageId: `w${writer} ${i} ${j}`, sentAt: sentAt(j) })),
          );
          await record(
            store,
            messages(30).map((_, j) => ({ messageId: `m${writer * 30 + j}`, status: delivered })),
          );
        }
      });
      const walking = Array.from({ length: 6 }, async (_, i) => {
        const ids = idsOf(await walk(store, { limit: 17 + i }));
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter(id => id.startsWith('m'))).toEqual(expected);
      });
      await Promise.all([...recording, ...walking]);
      expect(await findIds(store, { generalStatus: 'DELIVERED' })).toHaveLength(300);
    });

    it('a walk by status begun before many report at once → every message of that status, once', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 40 });
      await recordAll(store, messages(300));
      const asked = query({ limit: 20, walk: true, filter: { generalStatus: 'PENDING' } });
      const begun = await store.find(asked);
      const reporting = Array.from({ length: 10 }, (_, reporter) =>
        record(
          store,
          messages(30).map((_, j) => ({ messageId: `m${reporter * 30 + j}`, status: delivered })),
        ),
      );
      const walked = [...begun.logs];
      for (let after = begun.next; after !== undefined; ) {
        const page = await store.find({ ...asked, after });
        walked.push(...page.logs);
        after = page.next;
      }
      await Promise.all(reporting);
      expect(idsOf(walked)).toEqual(
        messages(300)
          .map(({ messageId }) => messageId)
          .toReversed(),
      );
      expect(walked.every(log => log.status.groupName === 'PENDING')).toBe(true);
    });
  });

  describe('bookmarks', () => {
    it('any text that is none → InvalidBookmark, by find and by render', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, messages(3));
      const garbage = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 60 }), fc.base64String());
      await fc.assert(
        fc.asyncProperty(garbage, async after => {
          await expect(store.find(query({ walk: true, after }))).rejects.toThrow(InvalidBookmark);
          await expect(store.render(query({ walk: true, after }), 'json')).rejects.toThrow(InvalidBookmark);
        }),
        { numRuns: runs(150), examples: [[''], ['0'], ['undefined'], ['1.1.1'], ['1.1.1.1.1'], ['-'], [' ']] },
      );
      expect(await findIds(store)).toHaveLength(3);
    });

    it('a true one, damaged → InvalidBookmark or a page, never a defect', async () => {
      const { store } = await ownEngineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(store, messages(30));
      const { next = '' } = await store.find(query({ limit: 7, walk: true, filter: { generalStatus: 'PENDING' } }));
      const damaged = fc.tuple(fc.nat(next.length), fc.nat(3), fc.string({ maxLength: 4 })).map(([at, cut, put]) => {
        return next.slice(0, at) + put + next.slice(at + cut);
      });
      await fc.assert(
        fc.asyncProperty(damaged, async after => {
          const asked = query({ walk: true, after, filter: { generalStatus: 'PENDING' } });
          const page = await store.find(asked).catch((error: unknown) => error);
          if (!(page instanceof InvalidBookmark)) expect(page).toHaveProperty('logs');
        }),
        { numRuns: runs(150) },
      );
      await expect(store.find(query({ walk: true, after: `${next}x` }))).rejects.toThrow(InvalidBookmark);
      await expect(store.find(query({ walk: true, after: ` ${next}` }))).rejects.toThrow(InvalidBookmark);
      expect(await store.history(account, 'm0', horizon)).toBeDefined();
    });
  });
}
