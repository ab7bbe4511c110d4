import { describe, expect, it } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { deliveryErrors, pendingAccepted, statuses } from '../../../src/domain/registry.ts';
import { limits } from '../../../src/limits.ts';
import {
  absentSubscriber,
  account,
  delivered,
  engineFor,
  find1,
  findIds,
  horizon,
  logOf,
  message,
  messages,
  now,
  type OpenEngine,
  outcome,
  record,
  recordAll,
  undeliverable,
} from './engine.ts';

const propertiesOf = (rejected: readonly { readonly violations: readonly { readonly property: string }[] }[]) =>
  rejected.map(({ violations }) => violations.map(({ property }) => property));

/** New messages: what is accepted, what is refused, and how a batch answers. */
export function recordingTests(openEngine: OpenEngine): void {
  describe('recording messages', () => {
    it('every field given → every field kept', async () => {
      const { store } = await engineFor(openEngine);
      const full = message('m', {
        bulkId: 'bulk',
        entityId: 'entity',
        applicationId: 'application',
        campaignReferenceId: 'campaign',
        messageCount: 3,
        status: undeliverable,
        error: absentSubscriber,
        at: now - 400,
        doneAt: now - 500,
        seenAt: now - 300,
        price: { pricePerMessage: 0.15, currency: 'EUR' },
      });
      expect(await record(store, [full])).toEqual(outcome({ recorded: 1 }));
      expect(await find1(store, 'm')).toEqual(logOf(full));
    });

    it('only what is required → defaults, and nothing else', async () => {
      const { store } = await engineFor(openEngine);
      const { sentAt: _sentAt, ...undated } = message('m');
      await recordAll(store, [undated]);
      expect(await find1(store, 'm')).toEqual(logOf(undated));
    });

    it('one batch of the greatest size → every message recorded, in the order of the batch', async () => {
      const { store } = await engineFor(openEngine);
      const batch = messages(limits.batchRecordsMax);
      await recordAll(store, batch);
      expect(await findIds(store)).toEqual(batch.map(({ messageId }) => messageId).toReversed());
    });

    it('an empty batch → nothing, and no error', async () => {
      const { store } = await engineFor(openEngine);
      expect(await record(store, [])).toEqual(outcome({}));
    });

    it('messages recorded with every status and every error of the registry → kept as they were', async () => {
      const { store } = await engineFor(openEngine);
      const batch = [
        ...statuses.map(status => message(`status ${status.key}`, { status })),
        ...deliveryErrors.map(error => message(`error ${error.key}`, { error })),
      ];
      await recordAll(store, batch);
      for (const submission of batch) expect(await find1(store, submission.messageId)).toEqual(logOf(submission));
    });

    it('a status and an error in the sender’s own words → kept beside a plain one', async () => {
      const { store } = await engineFor(openEngine);
      const own = [
        message('description', { status: { ...delivered, description: 'Arrived' } }),
        message('action', { status: { ...delivered, action: 'Nothing to do' } }),
        message('both', { status: { ...delivered, description: 'Da', action: 'Nichts' } }),
        message('error', { error: { ...absentSubscriber, description: 'Phone is off' } }),
        message('all', {
          status: { ...delivered, description: 'a', action: 'b' },
          error: { ...absentSubscriber, description: 'c' },
        }),
        message('empty', { status: { ...delivered, description: '' } }),
        message('plain', { status: delivered, error: absentSubscriber }),
      ];
      await recordAll(store, own);
      for (const submission of own) expect(await find1(store, submission.messageId)).toEqual(logOf(submission));
    });

    const extremes: readonly (readonly [condition: string, fields: Partial<Submission>])[] = [
      ['a price of nothing', { price: { pricePerMessage: 0, currency: 'EUR' } }],
      ['a price with many digits', { price: { pricePerMessage: 0.012345678901234, currency: 'USD' } }],
      ['a tiny price', { price: { pricePerMessage: 1e-12, currency: 'AAA' } }],
      ['a huge price', { price: { pricePerMessage: 9_007_199_254_740_991, currency: 'ZZZ' } }],
      ['a price beyond every integer', { price: { pricePerMessage: 1.5e300, currency: 'JPY' } }],
      ['a whole price', { price: { pricePerMessage: 12, currency: 'XAU' } }],
      ['most parts', { messageCount: limits.messageCountMax }],
      ['done long before it was sent', { status: delivered, doneAt: 0 }],
      ['done before 1970', { status: delivered, doneAt: -62_135_596_800_000 }],
      ['done as far ahead as it may be', { status: delivered, doneAt: now + limits.futureSkewMs }],
      ['seen at 0', { seenAt: 0 }],
      ['at 0', { at: 0 }],
      ['a status dated before 1970', { status: delivered, at: -1 }],
    ];

    it('prices, counts and times at their edges → kept', async () => {
      const { store } = await engineFor(openEngine);
      const batch = extremes.map(([condition, fields]) => message(condition, fields));
      await recordAll(store, batch);
      for (const submission of batch) {
        const at = submission.at ?? submission.doneAt ?? now - 1000;
        expect(await find1(store, submission.messageId)).toEqual({ ...logOf(submission), at });
      }
    });

    it('the same message again → unchanged', async () => {
      const { store } = await engineFor(openEngine);
      const full = message('m', { status: delivered, doneAt: now, price: { pricePerMessage: 1, currency: 'EUR' } });
      await recordAll(store, [full]);
      expect(await record(store, [full])).toEqual(outcome({ unchanged: 1 }));
      expect(await findIds(store)).toEqual(['m']);
    });

    it('the same message without its optional fields again → unchanged, none is lost', async () => {
      const { store } = await engineFor(openEngine);
      const full = message('m', { bulkId: 'b', status: delivered, messageCount: 2 });
      await recordAll(store, [full]);
      expect(await record(store, [message('m')])).toEqual(outcome({ unchanged: 1 }));
      expect(await find1(store, 'm')).toEqual(logOf(full));
    });

    it('the same message with its content spaced otherwise → unchanged, kept as it first came', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m')]);
      const spaced = message('m', { contentJson: '{ "type": "TEXT", "text": "\\u0068ello" }' });
      expect(await record(store, [spaced])).toEqual(outcome({ unchanged: 1 }));
      expect((await find1(store, 'm')).contentJson).toBe(message('m').contentJson);
    });

    it('a message twice in one batch → recorded once', async () => {
      const { store } = await engineFor(openEngine);
      expect(await record(store, [message('m'), message('n'), message('m'), message('m')])).toEqual(
        outcome({ recorded: 2, unchanged: 2 }),
      );
      expect(await findIds(store)).toEqual(['n', 'm']);
    });

    it('two different messages of one id in one batch → the first is recorded, the second refused', async () => {
      const { store } = await engineFor(openEngine);
      const answer = await record(store, [message('m'), message('m', { sender: 'other' })]);
      expect(answer).toMatchObject({ recorded: 1, rejected: [{ index: 1, messageId: 'm' }] });
      expect((await find1(store, 'm')).sender).toBe(message('m').sender);
    });

    it('a whole batch again → all unchanged, and nothing else', async () => {
      const { store } = await engineFor(openEngine);
      const batch = messages(300, i => ({ ...(i % 3 === 0 && { status: delivered, doneAt: now - i }) }));
      await recordAll(store, batch);
      const before = await store.find({ account, filter: {}, sentSince: horizon, limit: 1000, walk: false });
      expect(await record(store, batch)).toEqual(outcome({ unchanged: batch.length }));
      expect(await store.find({ account, filter: {}, sentSince: horizon, limit: 1000, walk: false })).toEqual(before);
    });
  });

  describe('refusing records', () => {
    it('a bad record among good ones → only it is refused, with its index and id', async () => {
      const { store } = await engineFor(openEngine);
      const batch = [message('a'), { messageId: 'b' }, message('c'), { messageId: 'd' }, message('e')];
      const answer = await record(store, batch);
      expect(answer.recorded).toBe(3);
      expect(answer.rejected.map(({ index, messageId }) => [index, messageId])).toEqual([
        [1, 'b'],
        [3, 'd'],
      ]);
      expect(await findIds(store)).toEqual(['e', 'c', 'a']);
    });

    it('a refused id, complete the next time → recorded', async () => {
      const { store } = await engineFor(openEngine);
      await record(store, [{ messageId: 'm' }]);
      await recordAll(store, [message('m')]);
    });

    it.each<[string, sentAt: number, accepted: boolean]>([
      ['sent exactly at the horizon → recorded', horizon, true],
      ['sent a millisecond before the horizon → refused', horizon - 1, false],
      ['sent exactly five minutes ahead → recorded', now + limits.futureSkewMs, true],
      ['sent more than five minutes ahead → refused', now + limits.futureSkewMs + 1, false],
    ])('%s', async (_condition, sentAt, accepted) => {
      const { store } = await engineFor(openEngine);
      const answer = await record(store, [message('m', { sentAt })]);
      expect(answer.recorded).toBe(accepted ? 1 : 0);
      expect(propertiesOf(answer.rejected)).toEqual(accepted ? [] : [['sentAt']]);
    });

    it.each(['doneAt', 'seenAt', 'at'] as const)(
      '%s in the future → five minutes are taken, more is refused',
      async property => {
        const { store } = await engineFor(openEngine);
        await recordAll(store, [message('known')]);
        const ahead = { status: delivered, [property]: now + limits.futureSkewMs + 1 };
        const answer = await record(store, [{ messageId: 'known', ...ahead }, message('new', ahead)]);
        expect(answer).toMatchObject({ recorded: 0, updated: 0 });
        expect(propertiesOf(answer.rejected)).toEqual([[property], [property]]);
        expect((await find1(store, 'known')).status).toEqual(pendingAccepted);
        expect(await findIds(store)).toEqual(['known']);
        const allowed = { status: delivered, [property]: now + limits.futureSkewMs };
        expect(await record(store, [{ messageId: 'known', ...allowed }, message('new', allowed)])).toEqual(
          outcome({ recorded: 1, updated: 1 }),
        );
      },
    );

    const changes: readonly (readonly [property: string, change: Partial<Submission>])[] = [
      ['sender', { sender: 'other' }],
      ['destination', { destination: 'other' }],
      ['sentAt', { sentAt: now - 999 }],
      ['messageCount', { messageCount: 2 }],
      ['bulkId', { bulkId: 'other' }],
      ['platform.entityId', { entityId: 'other' }],
      ['platform.applicationId', { applicationId: 'other' }],
      ['campaignReferenceId', { campaignReferenceId: 'other' }],
      ['content', { contentJson: '{"text":"other","type":"TEXT"}' }],
    ];

    it('a known message with another sender, content, … → refused whole, its report too', async () => {
      const { store } = await engineFor(openEngine);
      const known = message('m', { bulkId: 'b', entityId: 'e', applicationId: 'a', campaignReferenceId: 'c' });
      await recordAll(store, [known]);
      const answer = await record(
        store,
        changes.map(([, change]) => ({ ...known, ...change, status: delivered })),
      );
      expect(answer).toMatchObject({ recorded: 0, updated: 0, unchanged: 0 });
      expect(propertiesOf(answer.rejected)).toEqual(changes.map(([property]) => [property]));
      expect(await find1(store, 'm')).toEqual(logOf(known));
      expect((await store.history(account, 'm', horizon))?.timeline).toHaveLength(1);
    });

    it('a known message with an optional id it was recorded without → refused', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m')]);
      const answer = await record(store, [{ messageId: 'm', bulkId: 'b', applicationId: 'a' }]);
      expect(propertiesOf(answer.rejected)).toEqual([['bulkId', 'platform.applicationId']]);
    });

    it('many batches full of refusals → the store goes on', async () => {
      const { store } = await engineFor(openEngine);
      const refused = Array.from({ length: 500 }, (_, i) => ({ messageId: `r${i}` }));
      for (let i = 0; i < 3; i++) expect((await record(store, refused)).rejected).toHaveLength(500);
      await recordAll(store, messages(10));
    });
  });
}
