import { describe, expect, it } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { deliveryErrors, noError, pendingAccepted, statuses } from '../../../src/domain/registry.ts';
import type { DatedReport } from '../../../src/domain/report.ts';
import { limits } from '../../../src/limits.ts';
import { settle } from '../../support/settle.ts';
import {
  absentSubscriber,
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
  record,
  recordAll,
  rejected,
  undeliverable,
} from './engine.ts';

const sent = message('m');
const first = { at: now - 1000, status: pendingAccepted, error: noError, receivedAt: now };

/** Reports on known messages, and the timeline they leave. */
export function reportTests(openEngine: OpenEngine): void {
  describe('reports', () => {
    it('a report → the log shows it and the timeline has it', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      const price = { pricePerMessage: 0.15, currency: 'EUR' };
      const report = { messageId: 'm', status: undeliverable, error: absentSubscriber, doneAt: now + 5, price };
      expect(await record(store, [report], { receivedAt: now + 10 })).toEqual(outcome({ updated: 1 }));
      const log = { ...logOf(sent), ...report, at: now + 5 };
      expect(await find1(store, 'm')).toEqual(log);
      expect(await store.history(account, 'm', horizon)).toEqual({
        log,
        timeline: [first, { at: now + 5, status: undeliverable, error: absentSubscriber, receivedAt: now + 10 }],
        omitted: 0,
      });
    });

    it('what another log shows goes back and forth → shown as it is there, and what it shows still adds nothing', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      const shown = async (said: Partial<Submission>, receivedAt: number) => ({
        outcome: await record(store, [{ messageId: 'm', ...said }], { receivedAt, isSnapshot: true }),
        status: (await find1(store, 'm'))?.status,
      });
      const [changes, stays] = [outcome({ updated: 1 }), outcome({ unchanged: 1 })];
      for (const [at, status] of [enroute, pendingAccepted, enroute, pendingAccepted].entries()) {
        expect(await shown({ status }, now + 10 * at)).toEqual({ outcome: changes, status });
        expect(await shown({ status }, now + 10 * at + 5)).toEqual({ outcome: stays, status });
      }
      const price = (pricePerMessage: number) => ({ pricePerMessage, currency: 'EUR' });
      const done = { status: delivered, doneAt: now + 100 };
      expect(await shown({ ...done, price: price(2) }, now + 100)).toEqual({ outcome: changes, status: delivered });
      expect(await shown({ ...done, price: price(1) }, now + 200)).toEqual({ outcome: changes, status: delivered });
      expect(await find1(store, 'm')).toMatchObject({ price: price(1), doneAt: now + 100 });
      // What was said already of a message, by whomever, is no snapshot: it changes nothing.
      expect(await record(store, [{ messageId: 'm', ...done, price: price(2) }], { receivedAt: now + 300 })).toEqual(
        stays,
      );
      expect(await find1(store, 'm')).toMatchObject({ price: price(1) });
      expect((await store.history(account, 'm', horizon))?.timeline).toHaveLength(7);
    });

    it('a message and its reports in one batch → all applied, in the order of the batch', async () => {
      const { store } = await engineFor(openEngine);
      const answer = await record(store, [
        sent,
        { messageId: 'm', status: operator, at: now },
        message('n'),
        { messageId: 'm', status: delivered, at: now + 1 },
        { messageId: 'm', status: enroute, at: now + 2 },
        { messageId: 'm', status: delivered, at: now + 1 },
      ]);
      expect(answer).toEqual(outcome({ recorded: 2, updated: 2, unchanged: 2 }));
      expect(await find1(store, 'm')).toEqual({ ...logOf(sent), status: delivered, at: now + 1 });
      const history = await store.history(account, 'm', horizon);
      expect(history?.timeline.map(({ status }) => status.name)).toEqual([
        pendingAccepted.name,
        operator.name,
        delivered.name,
        enroute.name,
      ]);
    });

    const courses: readonly (readonly [string, readonly Partial<Submission>[], Submission['status']])[] = [
      [
        'delivered after expired → delivered',
        [
          { status: expired, at: now },
          { status: delivered, at: now - 9 },
        ],
        delivered,
      ],
      [
        'expired after delivered → delivered',
        [
          { status: delivered, at: now },
          { status: expired, at: now + 9 },
        ],
        delivered,
      ],
      [
        'pending after a final → final',
        [
          { status: rejected, at: now },
          { status: enroute, at: now + 9 },
        ],
        rejected,
      ],
      [
        'operator after a final → final',
        [
          { status: rejected, at: now },
          { status: operator, at: now + 9 },
        ],
        rejected,
      ],
      [
        'operator, then pending → operator',
        [
          { status: operator, at: now },
          { status: enroute, at: now + 9 },
        ],
        operator,
      ],
      [
        'operator, then final → final',
        [
          { status: operator, at: now },
          { status: expired, at: now + 9 },
        ],
        expired,
      ],
      [
        'two finals → the later',
        [
          { status: rejected, at: now },
          { status: undeliverable, at: now + 9 },
        ],
        undeliverable,
      ],
      [
        'two finals out of order → the later',
        [
          { status: rejected, at: now + 9 },
          { status: undeliverable, at: now },
        ],
        rejected,
      ],
    ];

    it('reports late and out of order → the status that the rules give, every report in the timeline', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(
        store,
        courses.map(([course]) => message(course)),
      );
      for (const [messageId, reports, expected] of courses) {
        for (const report of reports) await record(store, [{ messageId, ...report }]);
        expect((await find1(store, messageId)).status, messageId).toEqual(expected);
        const history = await store.history(account, messageId, horizon);
        expect(history?.timeline, messageId).toEqual([
          first,
          ...reports.map(({ status, at }) => ({ at, status, error: noError, receivedAt: now })),
        ]);
      }
    });

    it('a report that came too late → unchanged, and in the timeline', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m', { status: delivered, doneAt: now })]);
      const late = { messageId: 'm', status: enroute, at: now - 500 };
      expect(await record(store, [late], { receivedAt: now + 7 })).toEqual(outcome({ unchanged: 1 }));
      const history = await store.history(account, 'm', horizon);
      expect(history?.timeline.at(-1)).toEqual({ at: now - 500, status: enroute, error: noError, receivedAt: now + 7 });
      expect(history?.log.status).toEqual(delivered);
    });

    const kinds: readonly (readonly [string, Partial<Submission>])[] = [
      ['with its own time', { status: delivered, at: now }],
      ['with doneAt', { status: delivered, doneAt: now }],
      ['without a time', { status: delivered }],
      ['with its own words', { status: { ...delivered, description: 'x', action: 'y' } }],
      ['without a status', { seenAt: now }],
      ['of a price', { price: { pricePerMessage: 0.1, currency: 'EUR' } }],
    ];

    it('a report of any kind again and again → unchanged, once in the timeline', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(
        store,
        kinds.map(([kind]) => message(kind)),
      );
      for (const [messageId, fields] of kinds) {
        const report = { messageId, ...fields };
        expect(await record(store, [report], { receivedAt: now + 1 }), messageId).toEqual(outcome({ updated: 1 }));
        const before = await store.history(account, messageId, horizon);
        expect(await record(store, [report, report], { receivedAt: now + 2 }), messageId).toEqual(
          outcome({ unchanged: 2 }),
        );
        expect(await store.history(account, messageId, horizon), messageId).toEqual(before);
      }
    });

    it('the status it has, reported for a later moment → unchanged, and in the timeline', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [message('m', { status: delivered, at: now })]);
      expect(await record(store, [{ messageId: 'm', status: delivered, at: now + 1 }])).toEqual(
        outcome({ unchanged: 1 }),
      );
      expect((await find1(store, 'm')).at).toBe(now + 1);
      expect((await store.history(account, 'm', horizon))?.timeline).toHaveLength(2);
    });

    it('an earlier report again after another → unchanged, not in the timeline again', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      const reports = [operator, delivered].map((status, i) => ({ messageId: 'm', status, at: now + i }));
      await record(store, reports);
      const before = await store.history(account, 'm', horizon);
      expect(await record(store, reports)).toEqual(outcome({ unchanged: 2 }));
      expect(await store.history(account, 'm', horizon)).toEqual(before);
    });

    it('only a price or a reading is reported → the timeline shows the status it had by then', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      const price = { pricePerMessage: 0.2, currency: 'USD' };
      await record(store, [
        { messageId: 'm', price, at: now },
        { messageId: 'm', status: undeliverable, error: absentSubscriber, at: now + 1 },
        { messageId: 'm', seenAt: now + 2 },
      ]);
      const history = await store.history(account, 'm', horizon);
      expect(history?.timeline).toEqual([
        first,
        { at: now, status: pendingAccepted, error: noError, receivedAt: now },
        { at: now + 1, status: undeliverable, error: absentSubscriber, receivedAt: now },
        { at: now + 2, status: undeliverable, error: absentSubscriber, receivedAt: now },
      ]);
      expect(history?.log).toMatchObject({ price, seenAt: now + 2, status: undeliverable });
    });

    it('prices and readings out of order → the latest price, the first reading', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      const price = (pricePerMessage: number) => ({ pricePerMessage, currency: 'EUR' });
      await record(store, [
        { messageId: 'm', price: price(2), at: now + 2 },
        { messageId: 'm', price: price(1), at: now + 1 },
        { messageId: 'm', seenAt: now + 9 },
        { messageId: 'm', seenAt: now + 5 },
        { messageId: 'm', seenAt: now + 7 },
      ]);
      expect(await find1(store, 'm')).toMatchObject({ price: price(2), seenAt: now + 5 });
    });

    it('reports of every status and error of the registry → each kept in the timeline', async () => {
      const { store } = await engineFor(openEngine);
      const errors = deliveryErrors.filter(({ key }) => key !== noError.key);
      await recordAll(store, [message('statuses'), message('errors')]);
      const onStatuses = statuses.map((status, i) => ({ messageId: 'statuses', status, at: now + i }));
      const onErrors = errors.map((error, i) => ({ messageId: 'errors', status: undeliverable, error, at: now + i }));
      await record(store, [...onStatuses, ...onErrors]);
      const timelineOf = async (id: string) => (await store.history(account, id, horizon))?.timeline.slice(1);
      expect((await timelineOf('statuses'))?.map(entry => entry.status)).toEqual(statuses);
      expect((await timelineOf('errors'))?.map(entry => entry.error)).toEqual(errors);
    });

    it('reports spread over many batches and segments → one state, one whole timeline, also after reopening', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(engine.store, messages(30));
      const steps = [enroute, operator, expired, delivered, rejected];
      for (const [i, status] of steps.entries()) {
        const reports = messages(30).map(({ messageId }) => ({ messageId, status, at: now + i }));
        const answer = await record(engine.store, reports);
        expect(answer.updated + answer.unchanged).toBe(30);
        await recordAll(
          engine.store,
          messages(15).map(one => ({ ...one, messageId: `${status.id}/${one.messageId}` })),
        );
      }
      const store = await engine.reopen();
      for (const { messageId } of messages(30)) {
        const history = await store.history(account, messageId, horizon);
        expect(history?.timeline.map(entry => entry.status.name)).toEqual(
          [pendingAccepted, ...steps].map(({ name }) => name),
        );
        expect(history?.log).toMatchObject({ status: rejected, at: now + 4 });
      }
    });

    it('thousands of reports on one message → the first and the newest in the timeline, the rest counted', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 500 });
      const { store } = engine;
      await recordAll(store, [sent]);
      const { timelineFirstMax: first, timelineNewestMax: newest } = limits;
      const reports = Array.from({ length: 3000 }, (_, i) => ({
        messageId: 'm',
        ...(i % 3 === 0 && { status: [enroute, operator, rejected, undeliverable][(i / 3) % 4] }),
        ...(i % 5 === 0 && { error: absentSubscriber }),
        ...(i % 7 === 0 && { doneAt: now - i }),
        seenAt: now - ((i * 7919) % 3000),
        at: now - ((i * 104_729) % 3000),
      })) as readonly (Submission & DatedReport)[];
      const timesOf = (some: readonly DatedReport[]) => some.map(({ at }) => at);
      let [taken, opened] = [0, store];
      for (const end of [first, first + newest, first + newest + 1, 450, 1400, 2000, 3000]) {
        for (; taken < end; taken += 500) {
          const batch = reports.slice(taken, Math.min(end, taken + 500));
          const { updated, unchanged } = await record(opened, batch);
          expect(updated + unchanged).toBe(batch.length);
        }
        taken = end;
        if (end === 1400) opened = await engine.reopen();
        const history = await opened.history(account, 'm', horizon);
        const omitted = Math.max(0, end - first - newest);
        const shown = [...reports.slice(0, Math.min(first, end)), ...reports.slice(first + omitted, end)];
        expect(history?.omitted).toBe(omitted);
        expect(history?.timeline.slice(1).map(({ at }) => at)).toEqual(timesOf(shown));
        expect(history?.log).toEqual({ ...logOf(sent), ...settle(logOf(sent), reports.slice(0, end)) });
      }
      expect(await record(opened, reports.slice(-limits.repeatsSoughtMax))).toEqual(
        outcome({ unchanged: limits.repeatsSoughtMax }),
      );
      expect((await opened.history(account, 'm', horizon))?.omitted).toBe(3000 - first - newest);
    });

    it('a report → the message keeps its place in the order', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(store, messages(40));
      const before = await findIds(store);
      await record(
        store,
        ['m3', 'm39', 'm20'].map(messageId => ({ messageId, status: delivered })),
      );
      expect(await findIds(store)).toEqual(before);
    });

    it('a report → the filter by status finds the message by its new status only', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 10 });
      await recordAll(engine.store, messages(40));
      await record(
        engine.store,
        ['m3', 'm39'].map(messageId => ({ messageId, status: delivered })),
      );
      for await (const store of openings(engine)) {
        expect(await findIds(store, { generalStatus: 'DELIVERED' })).toEqual(['m39', 'm3']);
        expect(await findIds(store, { generalStatus: 'PENDING' })).toHaveLength(38);
        expect(await findIds(store, { generalStatus: 'PENDING', messageId: ['m3', 'm4'] })).toEqual(['m4']);
      }
    });

    it('a message nobody knows → no history', async () => {
      const { store } = await engineFor(openEngine);
      await recordAll(store, [sent]);
      expect(await store.history(account, 'n', horizon)).toBeUndefined();
      expect(await store.history(account, 'm', now)).toBeUndefined();
      expect(await store.history(account, 'm', now - 1000)).toBeDefined();
    });
  });
}
