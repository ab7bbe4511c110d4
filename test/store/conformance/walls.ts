import { describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { Binding, Submission } from '../../../src/domain/message.ts';
import { pendingAccepted } from '../../../src/domain/registry.ts';
import type { Store } from '../../../src/store/store.ts';
import { isThorough } from '../../support/properties.ts';
import { follow } from './changes.ts';
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

/** What callers are told of what they may not see. */
export function wallTests(openEngine: OpenEngine): void {
  describe('a caller who may not read', () => {
    const whole = message('m', { bulkId: 'b', campaignReferenceId: 'c', applicationId: 'a', entityId: 'e' });
    const fields = ['sender', 'destination', 'bulkId', 'campaignReferenceId', 'applicationId', 'entityId'] as const;
    const unread = { mayRead: false };

    it('reports that repeat the message, rightly or not → the same answers, and the message as it was', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [whole]);
      const guesses: readonly Partial<Submission>[] = [
        ...fields.map(field => ({ [field]: `not ${whole[field]}` })),
        { sentAt: now - 1 },
        { messageCount: 9 },
        { contentJson: '{"type":"TEXT","text":"another"}' },
      ];
      const answers = new Set<string>();
      const before = await find1(store, 'm');
      for (const [i, guess] of guesses.entries()) {
        const at = now + i;
        for (const repeated of [guess, whole])
          for (const name of Object.keys(guess) as (keyof Submission)[]) {
            const report = { messageId: 'm', status: delivered, at, [name]: repeated[name] };
            const { recorded, rejected } = await record(store, [report], unread);
            answers.add(JSON.stringify([recorded, rejected]));
          }
      }
      expect([...answers]).toEqual(['[0,[]]']);
      const { status, doneAt, at, ...identity } = await find1(store, 'm');
      expect(before).toMatchObject(identity);
    });

    it('a whole message under a known id, right in all or in all but one field → one answer, and the message as it was', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [whole]);
      const before = await find1(store, 'm');
      const guesses: readonly Partial<Submission>[] = [
        {},
        ...fields.map(field => ({ [field]: `${whole[field]}?` })),
        ...fields.slice(2).map(field => ({ [field]: undefined })),
        { sentAt: now - 1 },
        { messageCount: 9 },
        { contentJson: `${whole.contentJson} ` },
        { contentJson: '{"type":"TEXT","text":"another"}' },
      ];
      const answers = new Set<string>();
      for (const guess of guesses) answers.add(JSON.stringify(await record(store, [{ ...whole, ...guess }], unread)));
      expect([...answers]).toEqual([JSON.stringify(outcome({ unchanged: 1 }))]);
      expect(await find1(store, 'm')).toEqual(before);
      // Whoever may read is told, so that no message is lost without a word.
      for (const guess of guesses.filter(one => Object.values(one).some(value => value !== undefined)).slice(0, 6))
        expect((await record(store, [{ ...whole, ...guess }])).rejected).toHaveLength(1);
    });
  });

  describe('an account that does nothing while another records', () => {
    const other = { account: 2 };

    /** All that the account can ask for, bookmarks and places among it. */
    async function answers(store: Store): Promise<string> {
      const filters: readonly Filter[] = [
        {},
        { generalStatus: 'PENDING' },
        { generalStatus: 'DELIVERED' },
        { sender: 'a' },
        { sender: 'b', generalStatus: 'PENDING' },
        { messageId: ['m1', 'm2', 'm3', 'm4'] },
      ];
      const told: unknown[] = [];
      for (const filter of filters) {
        let page = await store.find(query({ filter, walk: true, limit: 2 }));
        const rendered = await store.render(query({ filter, walk: true, limit: 2 }), 'ndjson');
        told.push(page, Buffer.from(rendered.text).toString(), rendered.next);
        while (page.next !== undefined) {
          page = await store.find(query({ filter, limit: 2, after: page.next }));
          told.push(page);
        }
      }
      const { next: end } = await store.changes({ account, sentSince: horizon, limit: 3 });
      told.push(end);
      for (const start of starts) {
        let at = await store.changes({ account, sentSince: horizon, limit: 3, after: start });
        while (at.more) {
          told.push(at);
          at = await store.changes({ account, sentSince: horizon, limit: 3, after: at.next });
        }
        told.push(at);
      }
      return JSON.stringify(told);
    }

    let starts: readonly string[] = [];

    async function recordOwn(store: Store): Promise<void> {
      const { next } = await store.changes({ account, sentSince: horizon, limit: 3 });
      await recordAll(
        store,
        messages(9, i => ({ sender: i % 2 === 0 ? 'a' : 'b', sentAt: now - i * 1000 })),
      );
      const { next: middle } = await store.changes({ account, sentSince: horizon, limit: 3 });
      await record(
        store,
        [0, 3, 4].map(i => ({ messageId: `m${i}`, status: delivered, at: now + i })),
      );
      starts = [next, middle];
    }

    it.each([
      ['that has recorded', recordOwn],
      ['that never recorded', async () => {}],
    ])('%s → the same bytes, bookmarks and places among them, after a restart too', async (_, recordFirst) => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 10 });
      starts = [];
      await recordAll(engine.store, messages(3), other);
      await recordFirst(engine.store);
      const before = await settled(() => answers(engine.store));
      for await (const store of openings(engine)) {
        expect(await settled(() => answers(store))).toBe(before);
        for (let round = 0; round < (isThorough ? 3 : 1); round++) {
          await recordAll(
            store,
            messages(12, i => ({ messageId: `other-${Math.random()}-${i}` })),
            other,
          );
          await record(
            store,
            messages(3).map(({ messageId }) => ({ messageId, status: delivered, at: now + round })),
            other,
          );
          expect(await answers(store)).toBe(before);
        }
      }
    });
  });

  describe('an account whose own last messages and reports are past retention', () => {
    const other = { account: 2 };
    const past = horizon + hourMs;
    const old = (sentBefore: number) => ({ sentAt: past - sentBefore });
    /** With what others record in between, what is past lies apart from what is kept. */
    const others = (store: Store, name: string, fields: Partial<Submission>) =>
      recordAll(
        store,
        messages(3, i => ({ messageId: `${name}-${i}`, ...fields })),
        other,
      );
    const report = (store: Store, messageId: string) => record(store, [{ messageId, status: delivered, at: now }]);

    async function answers(store: Store): Promise<string> {
      const asked = { account, sentSince: past, limit: 2 };
      const { next } = await store.changes(asked);
      const first = await store.find(query({ ...asked, walk: true }));
      const second = await store.find(query({ ...asked, ...(first.next !== undefined && { after: first.next }) }));
      return JSON.stringify([next, await store.changes({ ...asked, after: next }), first, second]);
    }

    it.each([
      ['and some are kept', 3],
      ['and none is kept', 0],
    ])('%s → the same bytes before they are dropped, after that, and after a restart', async (_, kept) => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 4 });
      const { store } = engine;
      await recordAll(store, messages(kept));
      await others(store, 'new', {});
      if (kept > 0) await report(store, 'm0');
      await recordAll(store, [message('past-1', old(1))]);
      await others(store, 'old', old(2));
      await recordAll(store, [message('past-2', old(3))]);
      await report(store, 'past-1');
      await others(store, 'older', old(4));
      await others(store, 'newest', {});
      const before = await settled(() => answers(store));
      // Where there are several segments, one goes that others have most of.
      await store.dropBefore(past);
      expect(await settled(() => answers(store))).toBe(before);
      const again = await engine.reopen();
      expect(await settled(() => answers(again))).toBe(before);
      // What comes now is behind all that was.
      const place = (await again.changes({ account, sentSince: past, limit: 2 })).next;
      await recordAll(again, [message('later')]);
      const { changes } = await follow(again, place, { sentSince: past });
      expect(changes.map(({ log }) => log.messageId)).toEqual(['later']);
    });

    it('kept longer later → shown again, and given to nobody twice who follows', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 4 });
      const { next: start } = await store.changes({ account, sentSince: horizon, limit: 9 });
      // One after the other: those of one call may be told in any order, where the account is spread.
      for (const one of [message('m'), message('past', old(1))]) await recordAll(store, [one]);
      await report(store, 'past');
      const whole = await follow(store, start);
      expect(whole.changes.map(({ log }) => log.messageId)).toEqual(['m', 'past', 'past']);
      const { next, changes } = await store.changes({ account, sentSince: past, limit: 9, after: whole.next });
      expect(changes).toEqual([]);
      const filter = { messageId: ['m', 'past'] };
      expect((await store.find(query({ filter, sentSince: past }))).logs).toHaveLength(1);
      expect((await store.find(query({ filter }))).logs).toHaveLength(2);
      expect((await find1(store, 'past')).status).toEqual(delivered);
      expect((await store.changes({ account, sentSince: horizon, limit: 9, after: next })).changes).toEqual([]);
    });
  });

  describe('a bound key', () => {
    const bound = message('bound', { applicationId: 'app', entityId: 'ent' });
    const other = message('other', { applicationId: 'app2', entityId: 'ent' });
    const free = message('free');

    it.each<[Binding, outside: readonly string[]]>([
      [{ applicationId: 'app' }, ['other', 'free']],
      [{ entityId: 'ent' }, ['free']],
      [{ applicationId: 'app', entityId: 'ent' }, ['other', 'free']],
      [{ applicationId: 'app', entityId: 'ent2' }, ['bound', 'other', 'free']],
      [{}, []],
    ])(
      '%j reports on messages → those outside are answered for as if they were not there',
      async (binding, outside) => {
        const { store } = await engineFor(openEngine);
        const all = [bound, other, free];
        await recordAll(store, all);
        const answer = await record(
          store,
          all.map(({ messageId }) => ({ messageId, status: delivered })),
          { binding },
        );
        expect(answer).toEqual(outcome({ updated: all.length - outside.length, waiting: outside.length }));
        const missing = await record(store, [{ messageId: 'missing', status: delivered }], { binding });
        expect(missing).toEqual(outcome({ waiting: 1 }));
        for (const one of all)
          expect((await find1(store, one.messageId)).status).toEqual(
            outside.includes(one.messageId) ? pendingAccepted : delivered,
          );
      },
    );
  });
}

/**
 * What `answer` gives time and again. Over PostgreSQL a transaction that is under way, upkeep's say, and began before an
 * account's own last one stands in its places until it ends.
 */
async function settled(answer: () => Promise<string>): Promise<string> {
  let last = await answer();
  for (let same = 0; same < 5; ) {
    await new Promise(resolve => setTimeout(resolve, 20));
    const next = await answer();
    same = next === last ? same + 1 : 0;
    last = next;
  }
  return last;
}
