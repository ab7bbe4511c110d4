import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import type { Outbox, Receipt, Result } from '../../src/outbox/outbox.ts';
import { runs } from '../support/properties.ts';
import { echoesOfOthers } from './echoes.ts';
import { marksInAnyOrder } from './reads.ts';
import {
  accounts,
  blocked,
  idsOf,
  message,
  type OutboxPlace,
  outboxes,
  page,
  record,
  start,
  tellAll,
  validityMs,
  want,
} from './support.ts';

/** The contract of `Outbox`, for an engine: what is heard of messages. */
export function receiptConformance(engine: string, make: () => Promise<OutboxPlace>): void {
  describe(`receipts of an outbox over ${engine}`, () => {
    const made = outboxes(make);
    const { open, add, claimOne } = made;

    it('an unknown outcome → never claimed again; the next of its conversation waits, or until the echo', async () => {
      const outbox = await open();
      await add(outbox, [message('m1'), message('m2'), message('m3')]);
      const m1 = await claimOne(outbox);
      await outbox.settle([{ id: m1.id, kind: 'unknown' }], start);
      expect(await outbox.claim([want], start + limits.conversationHoldMs - 1)).toEqual([]);
      await outbox.receive(
        [{ kind: 'echo', accounts, page, psid: 'p1', mid: 'mid1', metadata: 'm1', at: start + 3 }],
        start + 100,
      );
      const m2 = await claimOne(outbox, start + 100);
      expect(m2.message.messageId).toBe('m2');
      await outbox.settle([{ id: m2.id, kind: 'unknown' }], start + 100);
      const m3 = await claimOne(outbox, start + 100 + limits.conversationHoldMs);
      expect(m3.message.messageId).toBe('m3');
      await outbox.settle([{ id: m3.id, kind: 'done' }], start + 20_000);
      await outbox.lapse(start + limits.echoWaitMs + 1000);
      const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
      expect(record(told.get('m1') ?? []).status).toBe('PENDING_ENROUTE');
      expect(record(told.get('m2') ?? [])).toMatchObject({
        status: 'EXPIRED_DLR_UNKNOWN',
        error: 'EC_PROVIDER_TIMEOUT',
      });
      await outbox.receive(
        [{ kind: 'echo', accounts, page, psid: 'p1', mid: 'mid2', metadata: 'm2', at: start + 4 }],
        start + validityMs,
      );
      await outbox.receive(
        [{ kind: 'delivered', accounts, page, psid: 'p1', mids: ['mid2'], at: start + 9 }],
        start + validityMs,
      );
      const late = [...(told.get('m2') ?? []), ...(await tellAll(outbox)).filter(one => one.messageId === 'm2')];
      expect(record(late).status).toBe('DELIVERED_TO_HANDSET');
    });

    it('two of a conversation unknown, the echo of one → the next waits for the other', async () => {
      const outbox = await open();
      await add(outbox, [message('m1'), message('m2'), message('m3')]);
      let now = start;
      for (; now <= start + limits.conversationHoldMs; now += limits.conversationHoldMs)
        await outbox.settle([{ id: (await claimOne(outbox, now)).id, kind: 'unknown' }], now);
      const echo = { kind: 'echo', accounts, page, psid: 'p1', at: start } as const;
      await outbox.receive([{ ...echo, mid: 'mid1', metadata: 'm1' }], now - 2);
      expect(await outbox.claim([want], now - 1)).toEqual([]);
      await outbox.receive([{ ...echo, mid: 'mid2', metadata: 'm2' }], now - 1);
      expect((await claimOne(outbox, now - 1)).message.messageId).toBe('m3');
    });

    it('a message added while the outcome of the one before is unknown → waits as well', async () => {
      const outbox = await open();
      await add(outbox, [message('m1')]);
      await outbox.settle([{ id: (await claimOne(outbox)).id, kind: 'unknown' }], start);
      await add(outbox, [message('m2')], start + 1);
      expect(await outbox.claim([want], start + 1)).toEqual([]);
      expect(idsOf(await outbox.claim([want], start + limits.conversationHoldMs))).toEqual(['m2']);
    });

    it('a receipt of its own after what implied it → says when it was delivered, however late its answer came', async () => {
      const outbox = await open();
      const times = fc.record({
        answered: fc.integer({ min: 0, max: 5000 }),
        // Meta's clock need not be ours.
        delivered: fc.integer({ min: -5000, max: 5000 }),
        implied: fc.integer({ min: 5001, max: 60_000 }),
        byRead: fc.boolean(),
      });
      let account = 0;
      await fc.assert(
        fc.asyncProperty(times, async ({ answered, delivered, implied, byRead }) => {
          await outbox.dropAccount(account);
          account++;
          await outbox.add({ account, messages: [message('m')], now: start });
          const [claimed] = await outbox.claim([{ ...want, account }], start);
          const sent = { id: claimed?.id ?? 0, kind: 'sent', mid: 'mid', psid: 'p1' } as const;
          await outbox.settle([sent], start + answered);
          const heard = { accounts: [account], page, psid: 'p1' };
          const covers = { ...heard, watermark: start + implied, at: start + implied };
          await outbox.receive(
            [byRead ? { ...covers, kind: 'read' } : { ...covers, kind: 'delivered', mids: [] }],
            start + implied,
          );
          const at = start + delivered;
          await outbox.receive([{ ...heard, kind: 'delivered', mids: ['mid'], at }], start + implied);
          expect(record(await tellAll(outbox)).doneAt).toBe(at);
        }),
        { numRuns: runs(30) },
      );
    });

    it('any order of answer, echo, delivery, read and expiry, each once or twice → the same record', async () => {
      type Event = {
        readonly name: string;
        readonly run: (outbox: Outbox, id: number, account: number) => Promise<unknown>;
      };
      const receive = (receipt: Receipt) => (outbox: Outbox, _id: number, account: number) =>
        outbox.receive([{ ...receipt, accounts: [account] }], start + 5000);
      const events: readonly Event[] = [
        {
          name: 'answer',
          run: (outbox, id) => outbox.settle([{ id, kind: 'sent', mid: 'mid', psid: 'p1' }], start + 40),
        },
        {
          name: 'echo',
          run: receive({ kind: 'echo', accounts, page, psid: 'p1', mid: 'mid', metadata: 'm', at: start + 20 }),
        },
        {
          name: 'delivery',
          run: receive({
            kind: 'delivered',
            accounts,
            page,
            psid: 'p1',
            mids: ['mid'],
            watermark: start + 60,
            at: start + 70,
          }),
        },
        {
          name: 'read',
          run: receive({ kind: 'read', accounts, page, psid: 'p1', watermark: start + 80, at: start + 90 }),
        },
        { name: 'expiry', run: outbox => outbox.lapse(start + validityMs) },
      ];
      const outbox = await open();
      let next = 0;
      const orders = fc.shuffledSubarray([...events, ...events], { minLength: 5, maxLength: 10 });
      await fc.assert(
        fc.asyncProperty(orders, async order => {
          const names = new Set(order.map(one => one.name));
          fc.pre(['answer', 'echo', 'delivery', 'read'].every(name => names.has(name)));
          const account = ++next;
          await outbox.dropAccount(account - 1);
          await outbox.add({ account, messages: [message('m', { destination: `p1` })], now: start });
          const [claimed] = await outbox.claim([{ ...want, account }], start);
          for (const event of order) await event.run(outbox, claimed?.id ?? 0, account);
          expect(record(await tellAll(outbox)), order.map(one => one.name).join()).toEqual({
            status: 'DELIVERED_TO_HANDSET',
            error: 'NO_ERROR',
            doneAt: start + 70,
            seenAt: start + 90,
          });
          await outbox.lapse(start + 10 * 86_400_000);
        }),
        { numRuns: runs(100) },
      );
    });

    marksInAnyOrder(open);

    it('watermarks → all before a delivery’s, all up to a read’s, of that conversation alone', async () => {
      const outbox = await open();
      const names = ['m1', 'm2', 'm3'];
      await add(outbox, [...names.map(name => message(name)), message('other', { destination: 'p2' })]);
      for (const [index, name] of names.entries()) {
        const claimed = (await outbox.claim([want], start)).find(one => one.message.messageId === name);
        await outbox.settle([{ id: claimed?.id ?? 0, kind: 'sent', mid: name, psid: 'p1' }], start + 100 * (index + 1));
        await outbox.receive(
          [{ kind: 'echo', accounts, page, psid: 'p1', mid: name, metadata: name, at: start + 100 * index }],
          start,
        );
      }
      await outbox.receive(
        [{ kind: 'delivered', accounts, page, psid: 'p1', mids: [], watermark: start + 100, at: start + 300 }],
        start,
      );
      await outbox.receive(
        [{ kind: 'read', accounts, page, psid: 'p1', watermark: start + 100, at: start + 400 }],
        start,
      );
      const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
      const state = (name: string) => {
        const { status, doneAt, seenAt } = record(told.get(name) ?? []);
        return [status, doneAt && doneAt - start, seenAt && seenAt - start];
      };
      expect(state('m1')).toEqual(['DELIVERED_TO_HANDSET', 300, 400]);
      expect(state('m2')).toEqual(['DELIVERED_TO_HANDSET', 400, 400]);
      expect(state('m3')).toEqual(['PENDING_ENROUTE', undefined, undefined]);
      expect(state('other')[0]).toBe('PENDING_ACCEPTED');
    });

    it('an echo of a message that waits to be tried again, or was given up → it was sent, and is not sent again', async () => {
      const outbox = await open();
      await add(outbox, [message('m1'), message('m2', { destination: 'p2' })]);
      const claimed = await outbox.claim([want], start);
      const results: Result[] = claimed.map(({ id, message: { messageId } }) =>
        messageId === 'm1'
          ? { id, kind: 'again', dueAt: start + 10, counts: true }
          : { id, kind: 'failed', ...blocked },
      );
      await outbox.settle(results, start);
      for (const [psid, id] of [
        ['p1', 'm1'],
        ['p2', 'm2'],
      ] as const)
        await outbox.receive(
          [{ kind: 'echo', accounts, page, psid, mid: `mid ${id}`, metadata: id, at: start + 5 }],
          start + 5,
        );
      expect(await outbox.claim([want], start + 1000)).toEqual([]);
      await outbox.receive(
        [{ kind: 'delivered', accounts, page, psid: 'p2', mids: ['mid m2'], at: start + 60 }],
        start + 60,
      );
      const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
      expect(record(told.get('m1') ?? []).status).toBe('PENDING_ENROUTE');
      expect(record(told.get('m2') ?? []).status).toBe('DELIVERED_TO_HANDSET');
    });

    echoesOfOthers(made);

    it('proven for one account → nothing of another’s over the same page changes, now or when it is known to be sent', async () => {
      const outbox = await open();
      const victim = 2;
      const theirs = { accounts: [1], page, psid: 'p1', at: start + 50 };
      const forged: readonly Receipt[] = [
        { ...theirs, kind: 'echo', mid: 'forged', metadata: 'm1' },
        { ...theirs, kind: 'delivered', mids: ['mid', 'mid2'], watermark: start + 9000 },
        { ...theirs, kind: 'read', watermark: start + 9000 },
      ];
      const one = (messageId: string) => ({ account: victim, messages: [message(messageId)], now: start });
      await outbox.add(one('m1'));
      const [m1] = await outbox.claim([{ ...want, account: victim }], start);
      await outbox.receive(forged, start + 60);
      await outbox.settle([{ id: m1?.id ?? 0, kind: 'sent', mid: 'mid', psid: 'p1' }], start + 70);
      await outbox.add(one('m2'));
      const [m2] = await outbox.claim([{ ...want, account: victim }], start + 80);
      await outbox.settle([{ id: m2?.id ?? 0, kind: 'sent', mid: 'mid2', psid: 'p1' }], start + 90);
      await outbox.receive(forged, start + 100);
      const told = Map.groupBy(await tellAll(outbox), ({ messageId }) => messageId);
      for (const id of ['m1', 'm2'])
        expect(record(told.get(id) ?? [])).toMatchObject({ status: 'PENDING_ENROUTE', seenAt: undefined });
      await outbox.receive(
        [{ kind: 'delivered', accounts: [victim], page, psid: 'p1', mids: ['mid'], at: start + 110 }],
        start + 110,
      );
      expect((await tellAll(outbox)).map(({ messageId, status }) => [messageId, status?.name])).toEqual([
        ['m1', 'DELIVERED_TO_HANDSET'],
      ]);
    });

    it('two accounts with one page, proven for both → parked for both, and each message has its own', async () => {
      const outbox = await open();
      const both = { accounts: [1, 2], page, psid: 'p1', at: start + 50 };
      await outbox.receive([{ ...both, kind: 'delivered', mids: ['mid 1', 'mid 2'] }], start + 50);
      await outbox.receive([{ ...both, kind: 'read', watermark: start + 60 }], start + 60);
      expect((await outbox.stats()).parked).toBe(4);
      for (const account of both.accounts) {
        await outbox.add({ account, messages: [message(`m${account}`)], now: start });
        const [claimed] = await outbox.claim([{ ...want, account }], start);
        await outbox.settle([{ id: claimed?.id ?? 0, kind: 'sent', mid: `mid ${account}`, psid: 'p1' }], start + 30);
      }
      const told = Map.groupBy(await tellAll(outbox), ({ messageId }) => messageId);
      for (const id of ['m1', 'm2'])
        expect(record(told.get(id) ?? [])).toMatchObject({
          ...{ status: 'DELIVERED_TO_HANDSET', doneAt: start + 50, seenAt: start + 50 },
        });
      // What was kept for an account goes with it; the other's stays.
      await outbox.dropAccount(1);
      expect((await outbox.stats()).parked).toBe(1);
    });
  });
}
