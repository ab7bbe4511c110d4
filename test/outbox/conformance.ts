import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deliveryErrorNamed, noError, pendingAccepted } from '../../src/domain/registry.ts';
import { limits } from '../../src/limits.ts';
import type { NewMessage, Result } from '../../src/outbox/outbox.ts';
import { runs } from '../support/properties.ts';
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

/** The contract of `Outbox`, for an engine: messages in line. */
export function sendingConformance(engine: string, make: () => Promise<OutboxPlace>): void {
  describe(`an outbox over ${engine}`, () => {
    const { place, openAt, open, add, claimOne } = outboxes(make);

    it('added, claimed, sent, delivered, seen → the log is told each in its order', async () => {
      const outbox = await open();
      const price = { pricePerMessage: 0.15, currency: 'EUR' };
      expect(await add(outbox, [message('m1', { price, entityId: 'e' })])).toEqual([true]);
      const claimed = await claimOne(outbox);
      expect(claimed.message).toMatchObject({ messageId: 'm1', destination: 'p1', entityId: 'e' });
      await outbox.settle([{ id: claimed.id, kind: 'sent', mid: 'mid1', psid: 'psid1' }], start + 10);
      const at = start + 50;
      await outbox.receive([{ kind: 'delivered', accounts, page, psid: 'psid1', mids: ['mid1'], at }], at);
      await outbox.receive([{ kind: 'read', accounts, page, psid: 'psid1', watermark: at, at: at + 5 }], at);
      const submissions = await tellAll(outbox);
      expect(submissions.map(one => one.status?.name)).toEqual([
        'PENDING_ACCEPTED',
        'PENDING_ENROUTE',
        'DELIVERED_TO_HANDSET',
        undefined,
      ]);
      expect(submissions[0]).toMatchObject({
        messageId: 'm1',
        sender: page,
        destination: 'p1',
        sentAt: start,
        bulkId: 'bulk-1',
        entityId: 'e',
        contentJson: '{"type":"TEXT","text":"m1"}',
      });
      expect(record(submissions)).toEqual({
        status: 'DELIVERED_TO_HANDSET',
        error: 'NO_ERROR',
        doneAt: at,
        seenAt: at + 5,
        price,
      });
    });

    it('an id that is known → not taken again, in the same batch or later; of another account → taken', async () => {
      const outbox = await open();
      expect(await add(outbox, [message('m1'), message('m2'), message('m1')])).toEqual([true, true, false]);
      expect(await add(outbox, [message('m2')])).toEqual([false]);
      expect(await outbox.add({ account: 2, messages: [message('m1')], now: start })).toEqual([true]);
      expect((await tellAll(outbox)).length).toBe(3);
    });

    it('the clock set back by an hour → what was due goes out all the same, in order, and what was not does not', async () => {
      const outbox = await open();
      await add(outbox, [message('a1'), message('a2'), message('b', { destination: 'p2', dueAt: start + 1000 })]);
      const back = start - 3_600_000;
      const a1 = await claimOne(outbox, back);
      expect(a1.message.messageId).toBe('a1');
      await outbox.settle([{ id: a1.id, kind: 'done' }], back);
      const [page] = (await outbox.waiting(back)).pages;
      expect(page?.dueAt).toBeLessThanOrEqual(back);
      expect(idsOf(await outbox.claim([want], back))).toEqual(['a2']);
      expect(idsOf(await outbox.claim([want], start + 1000))).toEqual(['b']);
    });

    it('the clock set back, by whatever → nothing waits for the old time to come again, and what is unknown still holds up', async () => {
      const waits = fc.record({
        backMs: fc.integer({ min: 2 * limits.sendAgainMsMax, max: 40 * 86_400_000 }),
        againMs: fc.integer({ min: 1, max: limits.sendAgainMsMax }),
        isSettledAfter: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(waits, async ({ backMs, againMs, isSettledAfter }) => {
          const outbox = await open();
          const to = (id: string) => message(id, { destination: id, expiresAt: start + validityMs });
          await add(outbox, [to('again'), to('lost'), message('behind', { destination: 'lost' })]);
          const [again, lost] = await outbox.claim([want], start);
          if (again === undefined || lost === undefined) throw new Error('nothing to claim');
          await outbox.settle([{ id: again.id, kind: 'again', dueAt: start + againMs, counts: true }], start);
          const back = start - backMs;
          if (!isSettledAfter) await outbox.settle([{ id: lost.id, kind: 'unknown' }], start);
          while (await outbox.clockSetBack(back));
          if (isSettledAfter) await outbox.settle([{ id: lost.id, kind: 'unknown' }], back);
          expect(idsOf(await outbox.claim([want], back + limits.conversationHoldMs - 1))).not.toContain('behind');
          await outbox.lapse(back + limits.echoWaitMs - 1);
          expect(await outbox.stats()).toMatchObject({ unknown: 1 });
          const claimed = await outbox.claim([want], back + limits.sendAgainMsMax);
          expect(idsOf(claimed).sort()).toEqual(['again', 'behind']);
          await outbox.lapse(back + limits.echoWaitMs);
          expect(await outbox.stats()).toMatchObject({ unknown: 0, queued: 0 });
        }),
        { numRuns: runs(10) },
      );
    });

    it('one conversation → one at a time, in order, through failures and retries; others meanwhile', async () => {
      const outbox = await open();
      await add(outbox, [message('a1'), message('a2'), message('b1', { destination: 'p2' }), message('a3')]);
      const first = await outbox.claim([want], start);
      expect(idsOf(first).sort()).toEqual(['a1', 'b1']);
      expect(await outbox.claim([want], start)).toEqual([]);
      const a1 = first.find(one => one.message.messageId === 'a1')?.id ?? 0;
      await outbox.settle([{ id: a1, kind: 'again', dueAt: start + 500, counts: true }], start);
      expect(await outbox.claim([want], start + 499)).toEqual([]);
      const again = await claimOne(outbox, start + 500);
      expect([again.message.messageId, again.tries]).toEqual(['a1', 1]);
      await outbox.settle([{ id: again.id, kind: 'failed', ...blocked }], start + 500);
      const second = await claimOne(outbox, start + 500);
      expect(second.message.messageId).toBe('a2');
      await outbox.settle([{ id: second.id, kind: 'done' }], start + 500);
      expect(idsOf(await outbox.claim([want], start + 500))).toEqual(['a3']);
    });

    it('accounts, pages and lanes → each only what it wants', async () => {
      const outbox = await open();
      const several = (count: number, prefix: string, fields: Partial<NewMessage>) =>
        Array.from({ length: count }, (_, index) =>
          message(`${prefix}${index}`, { destination: `${prefix}${index}`, ...fields }),
        );
      await add(outbox, [
        ...several(3, 't', {}),
        ...several(3, 'm', { lane: 'media' }),
        ...several(3, 'o', { sender: 'page-2' }),
      ]);
      await outbox.add({ account: 2, messages: several(1, 'x', {}), now: start });
      const waiting = await outbox.waiting(start);
      expect(waiting.pages.map(({ account, sender, lane }) => `${account} ${sender} ${lane}`)).toEqual([
        '1 page-1 text',
        '1 page-1 media',
        '1 page-2 text',
        '2 page-1 text',
      ]);
      const texts = { ...want, count: 2 };
      // One that is asked for twice is given once.
      const claimed = await outbox.claim([texts, { ...want, lane: 'media', count: 1 }, texts], start);
      expect(new Set(idsOf(claimed)).size).toBe(claimed.length);
      expect(idsOf(claimed).slice(0, 3)).toEqual(['t0', 't1', 'm0']);
    });

    it('scheduled → not before its time, told to the log when it comes, in line behind what was there', async () => {
      const outbox = await open();
      await add(outbox, [message('later', { dueAt: start + 1000 }), message('now')]);
      expect((await outbox.waiting(start)).nextScheduledAt).toBe(start + 1000);
      expect((await tellAll(outbox)).map(one => one.messageId)).toEqual(['now']);
      const now = await claimOne(outbox);
      expect(now.message.messageId).toBe('now');
      await outbox.settle([{ id: now.id, kind: 'done' }], start);
      expect(await outbox.claim([want], start + 999)).toEqual([]);
      expect(idsOf(await outbox.claim([want], start + 1000))).toEqual(['later']);
      expect((await tellAll(outbox)).find(one => one.messageId === 'later')?.sentAt).toBe(start + 1000);
    });

    it('past its validity → ended as what it was: unsent, throttled, unreported, never due', async () => {
      const outbox = await open();
      const to = (destination: string) => ({ destination });
      await add(outbox, [
        message('unsent', to('a')),
        message('throttled', to('b')),
        message('sent', to('c')),
        message('due', { ...to('d'), dueAt: start + 10 }),
      ]);
      const claimed = await outbox.claim([want], start);
      const of = (id: string) => claimed.find(one => one.message.messageId === id)?.id ?? 0;
      await outbox.settle(
        [
          { id: of('unsent'), kind: 'again', dueAt: start, counts: false },
          {
            id: of('throttled'),
            kind: 'again',
            dueAt: start + 2 * validityMs,
            counts: false,
            errorKey: deliveryErrorNamed('EC_TOO_MANY_REQUESTS').key,
          },
          { id: of('sent'), kind: 'sent', mid: 'mid' },
        ],
        start,
      );
      const end = start + validityMs + 10;
      expect(await outbox.claim([want], end)).toEqual([]);
      expect(await outbox.lapse(end)).toBe(false);
      const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
      const outcome = (id: string) => Object.values(record(told.get(id) ?? [])).slice(0, 2);
      expect(outcome('unsent')).toEqual(['EXPIRED_EXPIRED', 'EC_MESSAGE_CANCELED']);
      expect(outcome('due')).toEqual(['EXPIRED_EXPIRED', 'EC_MESSAGE_CANCELED']);
      expect(outcome('throttled')).toEqual(['EXPIRED_EXPIRED', 'EC_TOO_MANY_REQUESTS']);
      expect(outcome('sent')).toEqual(['EXPIRED_DLR_UNKNOWN', 'EC_VALIDITY_EXPIRED']);
    });

    it('refused when added → ended, told to the log, never claimed', async () => {
      const outbox = await open();
      await add(outbox, [message('m1', { end: blocked })]);
      expect(await outbox.claim([want], start)).toEqual([]);
      expect(record(await tellAll(outbox)).error).toBe('EC_BLOCKED_USER');
    });

    it('a process that is gone → what it had claimed is held for its echo, or sent again when told so', async () => {
      for (const how of ['hold', 'requeue'] as const) {
        const at = await place();
        const before = await openAt(at);
        await add(before, [message('m1'), message('m2', { destination: 'p2' })]);
        await before.claim([{ ...want, count: 1 }], start);
        await before.close();
        const after = await openAt(at);
        await after.recover(how, start + 5);
        expect(idsOf(await after.claim([want], start + 5)).sort()).toEqual(how === 'hold' ? ['m2'] : ['m1', 'm2']);
        expect((await tellAll(after)).map(one => one.messageId)).toEqual(['m1', 'm2']);
      }
    });

    it('the answer to a claim lost → what nobody was handed is in line again, and what is held is not', async () => {
      const outbox = await open();
      await add(outbox, [message('held'), message('behind'), message('lost', { destination: 'p2' })]);
      const claimed = await outbox.claim([want], start);
      const held = claimed.filter(one => one.message.messageId === 'held').map(one => one.id);
      await outbox.unclaim(held);
      expect(idsOf(await outbox.claim([want], start - 3_600_000))).toEqual(['lost']);
      await outbox.settle([{ id: held[0] ?? 0, kind: 'done' }], start);
      expect(idsOf(await outbox.claim([want], start))).toEqual(['behind']);
      await outbox.unclaim([]);
      expect(await outbox.stats()).toMatchObject({ queued: 2, sending: 0 });
    });

    it('sent again after a restart with the clock set back → at once', async () => {
      const at = await place();
      const before = await openAt(at);
      await add(before, [message('m1')]);
      await before.claim([want], start);
      await before.close();
      const after = await openAt(at);
      await after.recover('requeue', start + 5);
      expect(idsOf(await after.claim([want], start - 3_600_000))).toEqual(['m1']);
    });

    it('`again`, or held behind what is unknown, while others never stop coming → goes out when it is due', async () => {
      const outbox = await open();
      const to = (id: string) => message(id, { destination: id });
      await add(outbox, [to('again'), to('lost'), message('behind', { destination: 'lost' })]);
      const [again, lost] = await outbox.claim([want], start);
      if (again === undefined || lost === undefined) throw new Error('nothing to claim');
      const dueAt = start + limits.conversationHoldMs;
      await outbox.settle(
        [
          { id: again.id, kind: 'again', dueAt, counts: true },
          { id: lost.id, kind: 'unknown' },
        ],
        start,
      );
      await add(
        outbox,
        Array.from({ length: 20 }, (_, nr) => to(`before ${nr}`)),
      );
      const claimed: string[] = [];
      for (let nr = 0; nr < 10; nr++) {
        const now = dueAt - 5 + nr;
        await add(outbox, [to(`new ${nr}`)], now);
        claimed.push(...idsOf(await outbox.claim([{ ...want, count: 1 }], now)));
      }
      const inLine = (from: number, to: number) => Array.from({ length: to - from }, (_, nr) => `before ${from + nr}`);
      expect([...claimed.slice(0, 5), ...claimed.slice(7)]).toEqual(inLine(0, 8));
      expect(claimed.slice(5, 7).sort()).toEqual(['again', 'behind']);
    });

    it('any course of sending → each message claimed in the order of its conversation, and brought to an end once', async () => {
      const outbox = await open();
      let account = 0;
      const kinds = fc.constantFrom('sent', 'failed', 'again', 'unknown', 'done');
      const courses = fc.record({
        conversations: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 14 }),
        outcomes: fc.array(kinds, { minLength: 1, maxLength: 20 }),
        count: fc.integer({ min: 1, max: 3 }),
      });
      await fc.assert(
        fc.asyncProperty(courses, async ({ conversations, outcomes, count }) => {
          account++;
          const messages = conversations.map((to, index) => message(`m${index}`, { destination: `p${to}` }));
          await outbox.add({ account, messages, now: start });
          const line = new Map(conversations.map(to => [`p${to}`, [] as string[]]));
          for (const { messageId, destination } of messages) line.get(destination)?.push(messageId);
          const open = new Set(messages.map(one => one.messageId));
          for (let turn = 0, now = start; open.size > 0 && turn < 400; turn++, now += limits.conversationHoldMs) {
            const claimed = await outbox.claim([{ ...want, account, count }], now);
            for (const {
              id,
              message: { messageId, destination },
            } of claimed) {
              expect(line.get(destination)?.[0]).toBe(messageId);
              const kind = outcomes[turn % outcomes.length] ?? 'done';
              const result: Result =
                kind === 'again' && turn < 100
                  ? { id, kind, dueAt: now, counts: true }
                  : kind === 'sent'
                    ? { id, kind, mid: `${account} ${messageId}` }
                    : kind === 'failed'
                      ? { id, kind, ...blocked }
                      : { id, kind: kind === 'unknown' ? kind : 'done' };
              await outbox.settle([result], now);
              if (result.kind === 'again') continue;
              line.get(destination)?.shift();
              open.delete(messageId);
            }
          }
          expect([...open]).toEqual([]);
          await outbox.lapse(start + 10 * validityMs);
          const told = Map.groupBy(await tellAll(outbox), one => one.messageId);
          for (const { messageId } of messages) {
            const finals = (told.get(messageId) ?? []).filter(one => one.status?.final);
            expect(finals.length, messageId).toBeLessThanOrEqual(1);
            expect(record(told.get(messageId) ?? []).status, messageId).not.toBe(pendingAccepted.name);
          }
        }),
        { numRuns: runs(40) },
      );
    });

    it('forgetting → an account with all it had; what ended and was told, once it is old', async () => {
      const outbox = await open();
      await add(outbox, [
        message('ended', { end: { ...blocked, errorKey: noError.key } }),
        message('waits', { destination: 'p2' }),
      ]);
      expect(await outbox.dropBefore(start + 1)).toBe(false);
      expect((await outbox.stats()).untold).toBe(2);
      await tellAll(outbox);
      await outbox.dropBefore(start + 1);
      expect(await add(outbox, [message('ended')])).toEqual([false]);
      const reports = await outbox.takeReports({ account: 1, limit: 10 });
      await outbox.reportsGiven(reports.map(one => one.id));
      await outbox.dropBefore(start + 1);
      expect(await add(outbox, [message('ended'), message('waits')])).toEqual([true, false]);
      await outbox.dropAccount(1);
      expect(new Set(Object.values(await outbox.stats()))).toEqual(new Set([0]));
    });

    it('forgetting an account of many messages, in line, sent, heard of and ended → a part at a time, and nothing of another', async () => {
      const outbox = await open();
      const count = 10;
      const many = (of: string, more: Partial<NewMessage> = {}, length = count) =>
        Array.from({ length }, (_, nr) => message(`${of}${nr}`, { destination: `${of}${nr}`, ...more }));
      const ended = { end: { ...blocked, errorKey: noError.key } };
      for (const messages of [many('sent'), many('ended', ended)]) await add(outbox, messages);
      const claimed = await outbox.claim([{ ...want, count }], start);
      await outbox.settle(
        claimed.map(({ id }): Result => ({ id, kind: 'sent', mid: `mid ${id}` })),
        start,
      );
      const read = { kind: 'read', accounts, page, watermark: start, at: start } as const;
      await outbox.receive(
        claimed.map(one => ({ ...read, psid: one.message.destination })),
        start,
      );
      await tellAll(outbox);
      await add(outbox, [
        ...many('line', {}, limits.outboxStepMax),
        ...many('later', { dueAt: start + 10, expiresAt: start + validityMs }),
      ]);
      await outbox.add({ account: 2, messages: [message('other')], now: start });
      const before = await outbox.stats();
      expect(await outbox.dropAccount(1)).toBe(true);
      expect(await outbox.stats()).not.toEqual(before);
      while (await outbox.dropAccount(1));
      expect(await outbox.stats()).toEqual({
        ...Object.fromEntries(Object.keys(before).map(name => [name, 0])),
        queued: 1,
        untold: 1,
      });
      const [first] = await outbox.claim([{ ...want, account: 2 }], start);
      expect(first?.message.messageId).toBe('other');
      expect(await add(outbox, [message('sent0'), message('ended0'), message('line0')])).toEqual([true, true, true]);
    });

    it('closed → answers what was asked before, and nothing after', async () => {
      const outbox = await open();
      const added = add(outbox, [message('m1')]);
      await outbox.close();
      expect(await added).toEqual([true]);
      await expect(outbox.stats()).rejects.toThrow('closed');
    });
  });
}
