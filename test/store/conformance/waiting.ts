import { describe, expect, it } from 'vitest';
import type { Binding, Submission } from '../../../src/domain/message.ts';
import { pendingAccepted } from '../../../src/domain/registry.ts';
import { summaryRange } from '../../../src/domain/summary.ts';
import { limits } from '../../../src/limits.ts';
import type { Change, RecordOutcome, Store } from '../../../src/store/store.ts';
import { until } from '../../support/sqlite-log.ts';
import {
  absentSubscriber,
  account,
  delivered,
  engineFor,
  enroute,
  find1,
  findIds,
  horizon,
  message,
  messages,
  now,
  type OpenEngine,
  operator,
  outcome,
  ownEngineFor,
  query,
  record,
  recordAll,
  rejected,
  undeliverable,
} from './engine.ts';

const historyOf = (store: Store, messageId = 'm') => store.history(account, messageId, horizon);
const waitingIn = async (store: Store) => (await store.stats()).waiting;

/** Reports that come before their messages. */
export function waitingTests(openEngine: OpenEngine): void {
  describe('reports before their messages', () => {
    const reports: readonly Submission[] = [
      { messageId: 'm', status: operator, at: now - 500 },
      { messageId: 'm', status: undeliverable, error: absentSubscriber, doneAt: now - 100, bulkId: 'b' },
      { messageId: 'm', price: { pricePerMessage: 0.1, currency: 'EUR' } },
      { messageId: 'm', seenAt: now - 50, messageCount: 1 },
      { messageId: 'm', status: { ...enroute, description: 'in other words', action: 'x' } },
    ];
    const sent = message('m', { bulkId: 'b' });

    it('in one body, in either order → one log, one timeline, and the answer says that they waited', async () => {
      const { store } = await ownEngineFor(openEngine);
      expect(await record(store, [...reports, sent])).toEqual(outcome({ recorded: 1, waiting: reports.length }));
      await recordAll(store, [sent], { account: 2 });
      await record(store, reports, { account: 2 });
      const [one, other] = await Promise.all([historyOf(store), store.history(2, 'm', horizon)]);
      expect(one).toEqual(other);
      expect(one?.timeline).toHaveLength(1 + reports.length);
      expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 0 });
    });

    it('by another call, and the store opened anew between → as if they had come after their message', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax: 3 });
      await recordAll(engine.store, messages(7));
      for (const [i, report] of reports.entries())
        expect(await record(engine.store, [report], { receivedAt: now + i })).toEqual(outcome({ waiting: 1 }));
      expect(await findIds(engine.store, { messageId: ['m'] })).toEqual([]);
      expect(await historyOf(engine.store)).toBeUndefined();
      const store = await engine.reopen();
      expect(await waitingIn(store)).toEqual({ reports: reports.length, dropped: 0 });
      const receivedAt = now + 1000;
      expect(await record(store, [sent], { receivedAt })).toEqual(outcome({ recorded: 1 }));
      await recordAll(store, [sent], { account: 2, receivedAt });
      for (const [i, report] of reports.entries()) await record(store, [report], { account: 2, receivedAt: now + i });
      expect(await historyOf(store)).toEqual(await store.history(2, 'm', horizon));
      expect(await find1(store, 'm')).toEqual(await find1(store, 'm', { account: 2 }));
      expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 0 });
      const again = await engine.reopen();
      expect(await historyOf(again)).toEqual(await again.history(2, 'm', horizon));
    });

    it('two calls at once, a message and its report → the report is on it, whichever was first', async () => {
      const { store } = await ownEngineFor(openEngine);
      const ids = Array.from({ length: 30 }, (_, i) => `m${i}`);
      await Promise.all(
        ids.flatMap((messageId, i) => {
          const calls = [message(messageId), { messageId, status: delivered, at: now }];
          return (i % 2 === 0 ? calls : calls.reverse()).map(one => record(store, [one]));
        }),
      );
      for (const messageId of ids) expect((await find1(store, messageId)).status, messageId).toEqual(delivered);
      expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 0 });
    });

    it('whoever follows → is told of the message, then of each report that changes it', async () => {
      const { store } = await engineFor(openEngine);
      const { next } = await store.changes({ account, sentSince: horizon, limit: 10 });
      await record(store, [
        { messageId: 'm', status: operator, at: now },
        { messageId: 'm', status: enroute, at: now },
        { messageId: 'm', status: delivered, at: now },
      ]);
      await record(store, [sent]);
      // An engine may give changes a moment after it answered their recording.
      let changes: readonly Change[] = [];
      await until(async () => {
        ({ changes } = await store.changes({ account, sentSince: horizon, after: next, limit: 10 }));
        return changes.length > 0;
      });
      expect(changes.map(({ log }) => log.status)).toEqual([pendingAccepted, operator, delivered]);
      const summary = await store.summarize({
        ...query(),
        range: summaryRange({}, horizon, now, 1),
        budgetMs: 10_000,
      });
      expect(summary.groups).toMatchObject({ PENDING: 0, DELIVERED: 1 });
    });

    it('the same report again and again while it waits → waits once', async () => {
      const { store } = await ownEngineFor(openEngine);
      const report = { messageId: 'm', status: delivered };
      await record(store, [report, report]);
      expect(await record(store, [report], { receivedAt: now + 5 })).toEqual(outcome({ waiting: 1 }));
      expect(await waitingIn(store)).toEqual({ reports: 1, dropped: 0 });
      await record(store, [sent]);
      expect((await historyOf(store))?.timeline).toHaveLength(2);
    });

    const refused: readonly (readonly [string, Submission, readonly string[]])[] = [
      ['an id alone', { messageId: 'm' }, ['sender', 'destination', 'content']],
      [
        'a sender, but not all of a message',
        { messageId: 'm', sender: 's', status: delivered },
        ['destination', 'content'],
      ],
      ['content alone', { messageId: 'm', contentJson: '{"type":"TEXT"}', seenAt: now }, ['sender', 'destination']],
      ['only what identifies', { messageId: 'm', bulkId: 'b', sentAt: now }, ['sender', 'destination', 'content']],
      ['of what is past retention', { messageId: 'm', status: delivered, sentAt: horizon - 1 }, ['sentAt']],
      ['of the future', { messageId: 'm', status: delivered, at: now + limits.futureSkewMs + 1 }, ['at']],
    ];

    it.each(refused)('%s → refused, and nothing waits', async (_condition, submission, properties) => {
      const { store } = await ownEngineFor(openEngine);
      const answer = await record(store, [submission]);
      expect(answer.rejected.flatMap(({ violations }) => violations.map(({ property }) => property))).toEqual(
        properties,
      );
      expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 0 });
    });

    it('a report of another account → is not on the message', async () => {
      const { store } = await engineFor(openEngine);
      await record(store, [{ messageId: 'm', status: delivered }], { account: 2 });
      await recordAll(store, [sent]);
      expect((await find1(store, 'm')).status).toEqual(pendingAccepted);
      await recordAll(store, [sent], { account: 2 });
      expect((await find1(store, 'm', { account: 2 })).status).toEqual(delivered);
    });

    it.each<[string, Binding, Partial<Submission>]>([
      ['another application', { applicationId: 'app' }, { applicationId: 'app2' }],
      ['no application', { applicationId: 'app' }, {}],
      ['another entity', { entityId: 'ent' }, { entityId: 'ent2', applicationId: 'app' }],
    ])(
      'bound to one, the message of %s → the answers do not tell that it is there, and it stays',
      async (_c, binding, of) => {
        const { store } = await ownEngineFor(openEngine);
        const report = { messageId: 'm', status: delivered, ...binding };
        const before = await record(store, [report, { ...report, messageId: 'n' }], { binding });
        await recordAll(store, [message('m', of), message('there', of)]);
        const after = await record(
          store,
          [
            { ...report, status: rejected },
            { ...report, messageId: 'there' },
          ],
          { binding },
        );
        expect([before, after]).toEqual([outcome({ waiting: 2 }), outcome({ waiting: 2 })]);
        expect((await find1(store, 'm')).status).toEqual(pendingAccepted);
        expect((await find1(store, 'there')).status).toEqual(pendingAccepted);
        expect(await waitingIn(store)).toEqual({ reports: 4, dropped: 0 });
        await record(store, [message('n', binding)], { binding });
        expect((await find1(store, 'n')).status).toEqual(delivered);
      },
    );

    it('a report that contradicts its message → dropped when that comes, and counted', async () => {
      const { store } = await ownEngineFor(openEngine);
      await record(store, [{ messageId: 'm', status: delivered, bulkId: 'other' }]);
      await recordAll(store, [sent]);
      expect((await find1(store, 'm')).status).toEqual(pendingAccepted);
      expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 1 });
    });

    it.each([-1, 1])(
      'a message whose call comes by a clock hours off, by %i times as long as reports wait → its report is on it',
      async by => {
        const { store } = await ownEngineFor(openEngine);
        const sentSince = now - 10 * limits.waitingMs;
        await record(store, [{ messageId: 'm', status: delivered, at: now - 2 * limits.waitingMs }], { sentSince });
        const receivedAt = now + by * (limits.waitingMs + 1);
        await recordAll(store, [message('m', { sentAt: receivedAt })], { receivedAt, sentSince });
        expect((await find1(store, 'm')).status).toEqual(delivered);
        expect(await waitingIn(store)).toEqual({ reports: 0, dropped: 0 });
      },
    );

    it('more than may wait on one message → rejected with the reason, the others kept', async () => {
      const { store } = await engineFor(openEngine);
      const { waitingOnMessageMax: most } = limits;
      const many = Array.from({ length: most + 1 }, (_, i) => ({ messageId: 'm', seenAt: now - i }));
      const answer = await record(store, many);
      expect(answer).toMatchObject({ waiting: most, rejected: [{ index: most, messageId: 'm' }] });
      expect(await record(store, many.slice(0, 2))).toEqual(outcome({ waiting: 2 }));
      await recordAll(store, [sent]);
      expect((await find1(store, 'm')).seenAt).toBe(now - most + 1);
      expect(await record(store, [{ messageId: 'n', status: delivered }])).toEqual(outcome({ waiting: 1 }));
    });

    it('more than may wait of one account → rejected with the reason, another account waits on', async () => {
      const { store } = await engineFor(openEngine);
      const { waitingOfAccountMax: most, waitingMax } = limits;
      // Where an account is spread over slices, each of them has the bound of one that is not.
      let [waiting, refused]: [number, RecordOutcome['rejected']] = [0, []];
      for (let from = 0; refused.length === 0 && from < waitingMax; from += 1000) {
        const reports = Array.from({ length: 1000 }, (_, i) => ({ messageId: `w${from + i}`, status: delivered }));
        const answer = await record(store, reports);
        waiting += answer.waiting;
        refused = answer.rejected;
        expect(answer.waiting + refused.length).toBe(1000);
      }
      expect(waiting).toBeGreaterThanOrEqual(most);
      expect(refused[0]?.violations).toEqual([{ property: 'messageId', violation: expect.stringContaining('wait') }]);
      const again = await record(store, [{ messageId: refused[0]?.messageId ?? '', status: delivered }, message('w0')]);
      expect(again).toMatchObject({ recorded: 1, waiting: 0, rejected: [{ index: 0 }] });
      expect((await find1(store, 'w0')).status).toEqual(delivered);
      const other = await record(store, [{ messageId: 'one more', status: delivered }], { account: 2 });
      expect(other).toEqual(outcome({ waiting: 1 }));
    });

    it('a message past retention → a report on it waits for the next of that id', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m', { sentAt: now - 1000 })]);
      const sentSince = now;
      expect(await record(store, [{ messageId: 'm', status: delivered }], { sentSince })).toEqual(
        outcome({ waiting: 1 }),
      );
      await recordAll(store, [message('m', { sentAt: now + 10 })], { sentSince, receivedAt: now + 20 });
      const history = await store.history(account, 'm', sentSince);
      expect(history?.log).toMatchObject({ status: delivered, sentAt: now + 10 });
    });
  });
}
