import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { Submission } from '../../../src/domain/message.ts';
import {
  type DeliveryError,
  deliveryErrorNamed,
  nameOf,
  noError,
  statuses,
  statusGroupNames,
  unregisteredErrors,
} from '../../../src/domain/registry.ts';
import { renderLogs } from '../../../src/wire/text/log-text.ts';
import { runs } from '../../support/properties.ts';
import {
  account,
  delivered,
  engineFor,
  findIds,
  horizon,
  idsOf,
  logOf,
  message,
  messages,
  now,
  type OpenEngine,
  openings,
  outcome,
  query,
  record,
  recordAll,
  rejected,
} from './engine.ts';

const blocked = deliveryErrorNamed('EC_BLOCKED_USER');

/** Finding messages: filters, ranges, order, limits, and the wall between accounts. */
export function readingTests(openEngine: OpenEngine): void {
  describe('filters', () => {
    const batch: readonly Submission[] = [
      message('plain', { sentAt: now - 9 }),
      message('sender', { sender: 'S', sentAt: now - 8 }),
      message('destination', { destination: 'D', sentAt: now - 7 }),
      message('bulk', { bulkId: 'B', sentAt: now - 6 }),
      message('bulk2', { bulkId: 'B2', sentAt: now - 5 }),
      message('entity', { entityId: 'E', sentAt: now - 4 }),
      message('application', { applicationId: 'A', sentAt: now - 3 }),
      message('campaign', { campaignReferenceId: 'C', sentAt: now - 2 }),
      message('all', {
        sender: 'S',
        destination: 'D',
        bulkId: 'B',
        entityId: 'E',
        applicationId: 'A',
        campaignReferenceId: 'C',
        status: delivered,
        error: blocked,
        sentAt: now - 1,
      }),
    ];
    const allBut = (...left: readonly string[]) =>
      batch
        .map(({ messageId }) => messageId)
        .filter(id => !left.includes(id))
        .toReversed();

    const cases: readonly (readonly [condition: string, filter: Filter, ids: readonly string[]])[] = [
      ['empty', {}, batch.map(({ messageId }) => messageId).toReversed()],
      ['sender', { sender: 'S' }, ['all', 'sender']],
      ['destination', { destination: 'D' }, ['all', 'destination']],
      ['bulkId', { bulkId: ['B'] }, ['all', 'bulk']],
      ['bulkId, one of several', { bulkId: ['B2', 'B', 'none'] }, ['all', 'bulk2', 'bulk']],
      ['bulkId, one given twice', { bulkId: ['B2', 'B2'] }, ['bulk2']],
      ['messageId', { messageId: ['entity'] }, ['entity']],
      ['messageId, one of several', { messageId: ['bulk', 'none', 'all', 'bulk'] }, ['all', 'bulk']],
      ['entityId', { entityId: 'E' }, ['all', 'entity']],
      ['applicationId', { applicationId: 'A' }, ['all', 'application']],
      ['campaignReferenceId', { campaignReferenceId: ['C'] }, ['all', 'campaign']],
      ['campaignReferenceId, one of several', { campaignReferenceId: ['x', 'C', 'y'] }, ['all', 'campaign']],
      ['generalStatus', { generalStatus: 'DELIVERED' }, ['all']],
      ['a generalStatus that none has', { generalStatus: 'EXPIRED' }, []],
      ['the generalStatus no code has', { generalStatus: 'ACCEPTED' }, []],
      ['generalStatus, one of several', { generalStatus: ['DELIVERED', 'EXPIRED'] }, ['all']],
      ['every generalStatus', { generalStatus: statusGroupNames }, allBut()],
      ['errorName', { errorName: 'EC_BLOCKED_USER' }, ['all']],
      ['errorName, one of several', { errorName: ['NO_ERROR', 'EC_NONE'] }, allBut('all')],
      ['errorId', { errorId: [String(blocked.id)] }, ['all']],
      ['an errorId that none has', { errorId: '123456' }, []],
      ['not this sender', { not: { sender: 'S' } }, allBut('sender', 'all')],
      ['not these bulks', { not: { bulkId: ['B', 'none'] } }, allBut('bulk', 'all')],
      ['not these messages', { not: { messageId: ['plain', 'none', 'all'] } }, allBut('plain', 'all')],
      ['not this campaign', { not: { campaignReferenceId: 'C' } }, allBut('campaign', 'all')],
      ['not these groups', { not: { generalStatus: ['PENDING', 'ACCEPTED'] } }, ['all']],
      ['no group at all', { generalStatus: 'PENDING', not: { generalStatus: 'PENDING' } }, []],
      ['not this error', { not: { errorName: 'NO_ERROR' } }, ['all']],
      ['not this number of an error', { not: { errorId: '0' } }, ['all']],
      ['one, and not another', { sender: 'S', not: { destination: 'D' } }, ['sender']],
      ['what is excluded too', { sender: 'S', not: { sender: 'S' } }, []],
      ['several of what has one value', { sender: ['S', 'nobody'] }, ['all', 'sender']],
      ['two that agree', { sender: 'S', destination: 'D' }, ['all']],
      ['two that no message has', { sender: 'S', bulkId: ['B2'] }, []],
      ['a list and a status', { bulkId: ['B', 'B2'], generalStatus: 'PENDING' }, ['bulk2', 'bulk']],
      ['two lists', { bulkId: ['B', 'B2'], messageId: ['bulk2', 'all', 'plain'] }, ['all', 'bulk2']],
      [
        'every one',
        {
          sender: 'S',
          destination: 'D',
          bulkId: ['B'],
          messageId: ['all'],
          entityId: 'E',
          applicationId: 'A',
          campaignReferenceId: ['C'],
          generalStatus: 'DELIVERED',
          sentSince: now - 1,
          sentUntil: now,
        },
        ['all'],
      ],
      ['a value of another field', { sender: 'D' }, []],
      ['another letter case', { sender: 's' }, []],
      ['a part of the value', { messageId: ['bul'] }, []],
      ['more than the value', { messageId: ['bulk '] }, []],
      ['a wildcard', { sender: '%' }, []],
      ['a one-letter wildcard', { sender: '_' }, []],
    ];

    it('each filter, alone and combined → exactly the messages that match all of it', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 4 });
      await recordAll(engine.store, batch);
      for await (const store of openings(engine))
        for (const [condition, filter, ids] of cases) expect(await findIds(store, filter), condition).toEqual(ids);
    });

    it('errors with a name, a number, their group or a foreign group alone → each is found by what figures call it', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 4 });
      const errors = unregisteredErrors.flatMap((error, i): readonly DeliveryError[] => [
        error,
        { ...error, name: 'OWN' },
        { ...error, id: 77, description: '"name":"OWN"' },
        { ...error, foreignGroup: { groupId: 9 } },
        { ...error, foreignGroup: { groupName: 'FOREIGN' }, furtherJson: '{"id":77}' },
        { ...error, id: 78, foreignGroup: { groupName: `FOREIGN_${i}` } },
      ]);
      await recordAll(
        engine.store,
        [noError, blocked, ...errors].map((error, i) => message(`e${i}`, { error, sentAt: now - 1 - i })),
      );
      const all = (await engine.store.find(query())).logs;
      const names = new Set(all.map(({ error }) => nameOf(error)));
      for await (const store of openings(engine))
        for (const name of [...names, 'FOREIGN_0', 'name', 'NONE']) {
          const called = all.filter(({ error }) => nameOf(error) === name).map(({ messageId }) => messageId);
          const field = /^\d+$/.test(name) ? 'errorId' : 'errorName';
          expect(await findIds(store, { [field]: name }), name).toEqual(called);
          const others = all.map(({ messageId }) => messageId).filter(id => !called.includes(id));
          expect(await findIds(store, { not: { [field]: [name] } }), `not ${name}`).toEqual(others);
        }
    });

    it('each group of statuses → exactly the messages in it', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(
        store,
        statuses.map(status => message(`${status.key}`, { status })),
      );
      for (const generalStatus of statusGroupNames) {
        const expected = statuses.filter(({ groupName }) => groupName === generalStatus).map(({ key }) => `${key}`);
        expect(await findIds(store, { generalStatus })).toEqual(expected.toReversed());
      }
    });

    it('thousands of values in a list → all that have one of them', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 50 });
      await recordAll(
        store,
        messages(300, i => ({ campaignReferenceId: `c${i}` })),
      );
      const wanted = Array.from({ length: 5000 }, (_, i) => `c${i * 2}`);
      expect(await findIds(store, { campaignReferenceId: wanted })).toHaveLength(150);
      expect(await findIds(store, { messageId: wanted.map(id => id.replace('c', 'm')) })).toHaveLength(150);
    });
  });

  describe('time ranges', () => {
    const times = [0, 1, 2, 3].map(i => message(`t${i}`, { sentAt: now - 4 + i }));

    const cases: readonly (readonly [condition: string, filter: Filter, ids: readonly string[]])[] = [
      ['sentSince: that moment too', { sentSince: now - 2 }, ['t3', 't2']],
      ['sentUntil: not that moment', { sentUntil: now - 2 }, ['t1', 't0']],
      ['both: half open', { sentSince: now - 3, sentUntil: now - 1 }, ['t2', 't1']],
      ['the same moment twice: nothing', { sentSince: now - 3, sentUntil: now - 3 }, []],
      ['the wrong way round: nothing', { sentSince: now - 1, sentUntil: now - 3 }, []],
      ['the far past and future: everything', { sentSince: 0, sentUntil: now * 2 }, ['t3', 't2', 't1', 't0']],
    ];

    it('since and until → half open', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 2 });
      await recordAll(store, times);
      for (const [condition, filter, ids] of cases) expect(await findIds(store, filter), condition).toEqual(ids);
    });

    it('a horizon inside the log → nothing before it, whatever sentSince says', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, times);
      const { logs } = await store.find(query({ sentSince: now - 2, filter: { sentSince: 0 } }));
      expect(idsOf(logs)).toEqual(['t3', 't2']);
      const later = await store.find(query({ sentSince: now - 3, filter: { sentSince: now - 1 } }));
      expect(idsOf(later.logs)).toEqual(['t3']);
    });

    it('consecutive ranges, cut anywhere → every message in exactly one', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      const sent = messages(200, i => ({ sentAt: now - ((i * 37) % 41) }));
      await recordAll(store, sent);
      const cuts = fc.array(fc.integer({ min: now - 45, max: now + 2 }), { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(cuts, async unordered => {
          const edges = [horizon, ...unordered.sort((a, b) => a - b), now + 10];
          const found: string[] = [];
          for (const [i, sentSince] of edges.entries()) {
            const sentUntil = edges[i + 1];
            if (sentUntil !== undefined) found.unshift(...(await findIds(store, { sentSince, sentUntil })));
          }
          expect(found).toEqual(await findIds(store));
        }),
        { numRuns: runs(25) },
      );
      expect(await findIds(store)).toHaveLength(200);
    });
  });

  describe('order and limit', () => {
    it('messages recorded in no order of time → newest first', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 7 });
      const sent = messages(100, i => ({ sentAt: now - ((i * 7919) % 100) }));
      await recordAll(store, sent);
      const expected = sent.toSorted((a, b) => (b.sentAt ?? 0) - (a.sentAt ?? 0)).map(({ messageId }) => messageId);
      expect(await findIds(store)).toEqual(expected);
    });

    it('hundreds in one millisecond → the later recorded first, the same after reopening', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 30 });
      const sent = messages(300);
      for (let i = 0; i < 300; i += 20) await recordAll(engine.store, sent.slice(i, i + 20));
      const expected = sent.map(({ messageId }) => messageId).toReversed();
      expect(await findIds(engine.store)).toEqual(expected);
      expect(await findIds(await engine.reopen())).toEqual(expected);
    });

    it('the same query twice → the same logs', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 16 });
      await recordAll(
        store,
        messages(100, i => ({ sentAt: now - (i % 3), sender: `s${i % 2}` })),
      );
      const asked = query({ filter: { sender: 's1' }, limit: 20 });
      expect(await store.find(asked)).toEqual(await store.find(asked));
    });

    it('a limit → that many of the newest, no more', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 3 });
      await recordAll(store, messages(10));
      const newestFirst = await findIds(store);
      for (const limit of [1, 2, 9, 10, 11, 1000]) {
        const { logs, next } = await store.find(query({ limit }));
        expect(idsOf(logs), `${limit}`).toEqual(newestFirst.slice(0, limit));
        expect(next).toBeUndefined();
      }
    });

    it('an empty log → an empty page', async () => {
      const { store } = await engineFor(openEngine);
      expect(await store.find(query())).toEqual({ logs: [] });
      expect(await store.find(query({ walk: true }))).toEqual({ logs: [] });
      expect(await store.find(query({ filter: { messageId: ['m'] } }))).toEqual({ logs: [] });
    });
  });

  describe('accounts', () => {
    it('two accounts with the same message ids → each sees and changes only its own', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 7 });
      const [ours, theirs] = [messages(20), messages(20, () => ({ sender: 'theirs', bulkId: 'theirs' }))];
      for (let i = 0; i < 20; i += 5) {
        await recordAll(engine.store, ours.slice(i, i + 5));
        await recordAll(engine.store, theirs.slice(i, i + 5), { account: 2 });
      }
      const report = { messageId: 'm3', status: rejected, at: now };
      expect(await record(engine.store, [report], { account: 2 })).toEqual(outcome({ updated: 1 }));
      for await (const store of openings(engine)) {
        expect((await store.find(query())).logs).toEqual(ours.map(logOf).toReversed());
        const expected = theirs.map(logOf).map(log => (log.messageId === 'm3' ? { ...log, ...report } : log));
        expect((await store.find(query({ account: 2 }))).logs).toEqual(expected.toReversed());
        expect((await store.find(query({ filter: { bulkId: ['theirs'] } }))).logs).toEqual([]);
        expect((await store.find(query({ filter: { generalStatus: 'REJECTED' } }))).logs).toEqual([]);
        expect((await store.history(account, 'm3', horizon))?.timeline).toHaveLength(1);
        expect((await store.history(2, 'm3', horizon))?.timeline).toHaveLength(2);
      }
    });

    it('an account that never recorded → nothing, and its reports find no message', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, messages(3));
      expect(await store.find(query({ account: 7 }))).toEqual({ logs: [] });
      expect(await store.history(7, 'm0', horizon)).toBeUndefined();
      const answer = await record(store, [{ messageId: 'm0', status: delivered }], { account: 7 });
      expect(answer).toEqual(outcome({ waiting: 1 }));
    });
  });

  describe('render', () => {
    it.each(['json', 'ndjson', 'csv'] as const)('%s → the text of what find gives', async form => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 10 });
      const own = { ...rejected, description: 'Ünwanted "quotes", commas\n=1+1', action: 'Ask ☎' };
      await recordAll(
        store,
        messages(35, i => ({
          sentAt: now - i,
          ...(i % 2 === 0 && { bulkId: `bülk,"${i}"`, entityId: '=HYPERLINK("x")', applicationId: "a'" }),
          ...(i % 3 === 0 && { status: own, doneAt: now, price: { pricePerMessage: 0.15, currency: 'EUR' } }),
          contentJson: JSON.stringify({ text: `Zeile ${i}\r\n\t"\\ 🎈 \u2028 שלום`, type: 'TEXT' }),
        })),
      );
      for (const asked of [query(), query({ limit: 10 }), query({ filter: { sender: 'nobody' } })]) {
        const { logs } = await store.find(asked);
        const { text, count, next } = await store.render(asked, form);
        expect(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)).toBe(renderLogs(logs, form));
        expect([count, next]).toEqual([logs.length, undefined]);
      }
    });

    it('a walk by render → the pages of the walk by find', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(store, messages(25));
      // Each by bookmarks of its own: what a bookmark says of the moment may differ from one beginning to the next.
      let [byFind, byRender] = [query({ limit: 10, walk: true }), query({ limit: 10, walk: true })];
      for (const expected of [10, 10, 5]) {
        const found = await store.find(byFind);
        const rendered = await store.render(byRender, 'ndjson');
        expect(rendered.count).toBe(expected);
        expect(new TextDecoder().decode(rendered.text)).toBe(renderLogs(found.logs, 'ndjson'));
        expect(rendered.next === undefined).toBe(found.next === undefined);
        if (found.next !== undefined) byFind = { ...byFind, after: found.next };
        if (rendered.next !== undefined) byRender = { ...byRender, after: rendered.next };
      }
    });
  });
}
