import { describe, expect, it } from 'vitest';
import { deliveryErrorNamed, statusByKey, statusNamed } from '../../src/domain/registry.ts';
import { limits } from '../../src/limits.ts';
import type { NewMessage, Outbox } from '../../src/outbox/outbox.ts';
import type { PushPlace, Report } from '../../src/outbox/reporting.ts';
import { accounts, blocked, message, type OutboxPlace, outboxes, page, start, tellAll, want } from './support.ts';

const all = { account: 1, limit: 1000 };
const deliveryUrl = 'https://reports.example/delivery';
const shown = (report: Report) =>
  `${report.message.messageId} ${report.kind === 'seen' ? 'seen' : statusByKey(report.statusKey).name}`;

/** The contract of `Outbox`, for an engine: reports. */
export function reportConformance(engine: string, make: () => Promise<OutboxPlace>): void {
  describe(`reports of an outbox over ${engine}`, () => {
    const { place, openAt, open, add } = outboxes(make);

    /** Sends messages to conversations of their own, has them delivered and seen, and tells the log. */
    const deliver = async (outbox: Outbox, messages: readonly NewMessage[], tell = () => tellAll(outbox)) => {
      await add(
        outbox,
        messages.map(one => ({ ...one, destination: one.messageId })),
      );
      const claimed = await outbox.claim([want], start);
      const sent = claimed.map(({ id, message: { messageId } }) => ({ id, kind: 'sent' as const, mid: messageId }));
      await outbox.settle(sent, start + 10);
      for (const { messageId } of messages) {
        const of = { accounts, page, psid: messageId };
        await outbox.receive([{ ...of, kind: 'delivered', mids: [messageId], at: start + 50 }], start + 50);
        await outbox.receive([{ ...of, kind: 'read', watermark: start + 60, at: start + 70 }], start + 70);
      }
      await tell();
    };

    it('a message that ended → one final report, with what it was and what became of it', async () => {
      const outbox = await open();
      const price = { pricePerMessage: 0.15, currency: 'EUR' };
      await deliver(
        outbox,
        [message('m1', { price, entityId: 'e', reports: { callbackData: 'mine' } })],
        async () => [],
      );
      await add(outbox, [message('m2', { price, end: blocked })]);
      expect(await outbox.takeReports(all)).toEqual([]);
      await tellAll(outbox);
      const [delivered, refused] = await outbox.takeReports(all);
      expect(delivered).toMatchObject({
        kind: 'delivery',
        account: 1,
        message: { messageId: 'm1', destination: 'm1', entityId: 'e', reports: { callbackData: 'mine' } },
        sentAt: start,
        doneAt: start + 50,
        price,
        statusKey: statusNamed('DELIVERED_TO_HANDSET').key,
        errorKey: deliveryErrorNamed('NO_ERROR').key,
      });
      expect(refused).toMatchObject({ message: { messageId: 'm2' }, doneAt: start, ...blocked });
      expect(refused).not.toHaveProperty('price');
    });

    it('taken → nobody else’s; given → nobody’s again; given back, or its process gone → the next caller’s', async () => {
      const at = await place();
      const outbox = await openAt(at);
      await deliver(
        outbox,
        ['a', 'b', 'c', 'd'].map(id => message(id)),
      );
      const [first, second] = await Promise.all([
        outbox.takeReports({ ...all, limit: 2 }),
        outbox.takeReports({ ...all, limit: 2 }),
      ]);
      expect([...first, ...second].map(one => one.message.messageId).sort()).toEqual(['a', 'b', 'c', 'd']);
      expect(await outbox.takeReports(all)).toEqual([]);
      await outbox.reportsGiven(first.map(one => one.id));
      const [back, kept] = second.map(one => one.id);
      await outbox.reportsGivenBack([back ?? 0]);
      expect((await outbox.takeReports(all)).map(one => one.id)).toEqual([back]);
      await outbox.close();
      const after = await openAt(at);
      expect((await after.takeReports(all)).map(one => one.id)).toEqual([back, kept]);
      await after.reportsGiven([back ?? 0, kept ?? 0]);
      expect(await after.takeReports(all)).toEqual([]);
      expect((await after.stats()).openReports).toBe(0);
    });

    it('a filter → only what matches, of this account alone', async () => {
      const outbox = await open();
      await deliver(outbox, [
        message('m1', { bulkId: 'b1', entityId: 'e1', applicationId: 'a1' }),
        message('m2', { bulkId: 'b2', entityId: 'e1', applicationId: 'a2', campaignReferenceId: 'c' }),
        message('m3', { bulkId: 'b2', contentJson: '{"type":"TEXT","text":"\\"bulkId\\":\\"b1\\""}' }),
      ]);
      expect(await outbox.takeReports({ ...all, account: 2 })).toEqual([]);
      const matching = async (query: object) => {
        const taken = await outbox.takeReports({ ...all, ...query });
        await outbox.reportsGivenBack(taken.map(one => one.id));
        return taken.map(one => one.message.messageId);
      };
      expect(await matching({ bulkId: 'b1' })).toEqual(['m1']);
      expect(await matching({ bulkId: 'b2', limit: 1 })).toEqual(['m2']);
      expect(await matching({ messageId: 'm3' })).toEqual(['m3']);
      expect(await matching({ messageId: 'm3', bulkId: 'b1' })).toEqual([]);
      expect(await matching({ entityId: 'e1' })).toEqual(['m1', 'm2']);
      expect(await matching({ applicationId: 'a2', campaignReferenceId: 'c' })).toEqual(['m2']);
      expect(await matching({})).toEqual(['m1', 'm2', 'm3']);
    });

    it('texts that JSON has to escape, also NUL and half a surrogate pair → no filter fails, and they come out as they were', async () => {
      const outbox = await open();
      const callbackData = '\u0000 \\u0000 \ud800 \\ud800 \udc00 " \n 😀';
      const reports = { callbackData };
      await add(outbox, [
        message('m1', {
          end: blocked,
          reports,
          bulkId: 'b\\1"',
          entityId: 'e1',
          applicationId: 'a',
          campaignReferenceId: 'c',
        }),
        message('m2', { end: blocked, reports, bulkId: 'b2', entityId: 'e1' }),
      ]);
      await tellAll(outbox);
      const matching = async (query: object) => {
        const taken = await outbox.takeReports({ ...all, ...query });
        await outbox.reportsGivenBack(taken.map(one => one.id));
        expect(taken.every(one => one.message.reports?.callbackData === callbackData)).toBe(true);
        return taken.map(one => one.message.messageId);
      };
      expect(await matching({ bulkId: 'b\\1"' })).toEqual(['m1']);
      expect(await matching({ entityId: 'e1' })).toEqual(['m1', 'm2']);
      expect(await matching({ applicationId: 'a', campaignReferenceId: 'c' })).toEqual(['m1']);
      expect(await matching({ bulkId: 'none' })).toEqual([]);
    });

    it('to be pushed → where it was asked for or subscribed to: final, intermediate if wanted, seen; never unasked', async () => {
      const outbox = await open();
      const seenUrl = 'https://reports.example/seen';
      const [own, both] = [{ deliveryUrl }, { deliveryUrl, intermediate: true, seenUrl }];
      const messages = [
        message('own', { reports: own }),
        message('both', { reports: both }),
        message('quiet', { reports: { ...both, notify: false } }),
        message('default'),
      ];
      const pushes = async () => {
        const due = await outbox.duePushes([], 10, start + 1000);
        await outbox.pushed(due.map(one => ({ id: one.report.id })));
        return due.map(({ place: { url }, report }) => `${url.split('/').at(-1)}: ${shown(report)}`).sort();
      };
      await deliver(outbox, messages);
      expect(await pushes()).toEqual([
        'delivery: both DELIVERED_TO_HANDSET',
        'delivery: both PENDING_ENROUTE',
        'delivery: own DELIVERED_TO_HANDSET',
        'seen: both seen',
        'seen: quiet seen',
      ]);
      await outbox.dropAccount(1);
      await deliver(outbox, messages, async () => {
        const untold = await outbox.untold(100);
        const ids = untold.map(one => one.id);
        await outbox.told(ids, start, [{ account: 1, delivery: true, seen: true }]);
        return [];
      });
      expect((await pushes()).filter(one => one.startsWith(':'))).toEqual([
        ': default DELIVERED_TO_HANDSET',
        ': default seen',
        ': own seen',
      ]);
      expect((await outbox.stats()).pushes).toBe(0);
    });

    it('a push that failed → due again at its time, with its tries; places that are busy → left alone', async () => {
      const outbox = await open();
      await deliver(outbox, [
        message('m1', { reports: { deliveryUrl } }),
        message('m2', { reports: { deliveryUrl: 'https://other.example/' } }),
      ]);
      const other = { account: 1, url: 'https://other.example/' };
      const [due, ...none] = await outbox.duePushes([other], 10, start);
      expect([due && shown(due.report), due?.tries, none]).toEqual(['m1 DELIVERED_TO_HANDSET', 0, []]);
      await outbox.pushed([{ id: due?.report.id ?? 0, againAt: start + 60_000 }]);
      expect(await outbox.duePushes([other], 10, start + 59_999)).toEqual([]);
      const [again] = await outbox.duePushes([other], 10, start + 60_000);
      expect([again?.report.id, again?.tries]).toEqual([due?.report.id, 1]);
      expect((await outbox.duePushes([], 0, start + 60_000)).length).toBe(0);
      expect((await outbox.takeReports(all)).map(shown).sort()).toEqual(
        ['m1', 'm2'].map(id => `${id} DELIVERED_TO_HANDSET`),
      );
    });

    it('the clock set back → what is to be pushed, at once or again, waits for no longer than its cycle', async () => {
      const outbox = await open();
      await deliver(outbox, [message('m1', { reports: { deliveryUrl } })]);
      const back = start - 86_400_000;
      expect(await outbox.duePushes([], 10, back)).toEqual([]);
      while (await outbox.clockSetBack(back));
      const [due] = await outbox.duePushes([], 10, back);
      expect(due && shown(due.report)).toBe('m1 DELIVERED_TO_HANDSET');
      await outbox.pushed([{ id: due?.report.id ?? 0, againAt: back + 60_000 }]);
      while (await outbox.clockSetBack(back + 1));
      expect(await outbox.duePushes([], 10, back + 59_999)).toEqual([]);
      while (await outbox.clockSetBack(back - 86_400_000));
      expect((await outbox.duePushes([], 10, back - 86_400_000)).map(one => one.tries)).toEqual([1]);
    });

    /** Reports of messages that were refused at once, of an account, to these addresses. */
    const pushTo = async (outbox: Outbox, account: number, urls: readonly string[]) => {
      const messages = urls.map((url, nr) =>
        message(`${account}-${nr}`, { end: blocked, reports: { deliveryUrl: url } }),
      );
      await outbox.add({ account, messages, now: start });
      await tellAll(outbox);
    };
    const hosts = (count: number) => Array.from({ length: count }, (_, nr) => `https://h${nr}.example/`);
    const placesOf = async (outbox: Outbox, busy: readonly PushPlace[], places: number) =>
      (await outbox.duePushes(busy, places, start)).map(one => one.place);
    const countsOf = (places: readonly PushPlace[]) =>
      [1, 2, 3].map(account => places.filter(one => one.account === account).length);

    it('an account with many places → takes turns with the others, and has its share of the calls at most', async () => {
      const at = await place();
      const outbox = await openAt(at);
      await pushTo(outbox, 1, hosts(40));
      await pushTo(outbox, 2, hosts(1));
      await pushTo(outbox, 3, hosts(2));
      const all = await placesOf(outbox, [], limits.pushesMax);
      expect(countsOf(all)).toEqual([limits.pushesOfAccountMax, 1, 2]);
      expect(new Set(all.map(one => JSON.stringify(one))).size).toBe(all.length);
      expect(await placesOf(outbox, all, limits.pushesMax)).toEqual([]);
    });

    it('fewer calls free than accounts wait → theirs in turn who have the fewest, in whatever order they came', async () => {
      const outbox = await open();
      for (const account of [1, 2, 3]) await pushTo(outbox, account, hosts(4));
      const turns: number[] = [];
      const busy: PushPlace[] = [];
      for (let turn = 0; turn < 6; turn++) {
        const due = await outbox.duePushes(busy, 1, start);
        turns.push(...new Set(due.map(one => one.place.account)));
        // Tried in vain, and due again: whoever had its turn is the last one.
        if (turn < 3) await outbox.pushed(due.map(one => ({ id: one.report.id, againAt: start })));
        else busy.push(...due.map(one => one.place));
      }
      expect(turns).toEqual([1, 2, 3, 1, 2, 3]);
    });

    it('many places of one origin → called so many at a time, and what is due elsewhere is not held up by them', async () => {
      const outbox = await open();
      const many = Array.from({ length: 2 * limits.pushReportsMax }, (_, nr) => `https://dead.example/?id=${nr}`);
      await pushTo(outbox, 1, [...many, 'https://alive.example/']);
      const first = await placesOf(outbox, [], limits.pushesMax);
      expect(first.length).toBe(limits.pushesOfOriginMax);
      expect(await placesOf(outbox, first, limits.pushesMax)).toEqual([{ account: 1, url: 'https://alive.example/' }]);
    });

    it('delivered by what a read implies and by a receipt of its own, told at once or step by step → one final report', async () => {
      const outbox = await open();
      const tell = async (most: number) => {
        for (let untold = await outbox.untold(most); untold.length > 0; untold = await outbox.untold(most))
          await outbox.told(
            untold.map(one => one.id),
            start,
          );
      };
      const runs = [1, 100].flatMap(most => [false, true].map(isToldBetween => ({ most, isToldBetween })));
      for (const [index, { most, isToldBetween }] of runs.entries()) {
        const id = `m${index}`;
        await add(outbox, [message(id, { destination: id })]);
        const [claimed] = await outbox.claim([want], start);
        await outbox.settle([{ id: claimed?.id ?? 0, kind: 'sent', mid: id }], start + 10);
        const of = { accounts, page, psid: id };
        await outbox.receive([{ ...of, kind: 'read', watermark: start + 20, at: start + 20 }], start + 20);
        if (isToldBetween) await tell(most);
        await outbox.receive([{ ...of, kind: 'delivered', mids: [id], at: start + 15 }], start + 25);
        await tell(most);
      }
      const reports = (await outbox.takeReports(all)).map(shown);
      expect(reports.sort()).toEqual(runs.map((_, index) => `m${index} DELIVERED_TO_HANDSET`));
    });

    it('a receipt after the final report → no second one; reports too old → forgotten, and their messages with them', async () => {
      const outbox = await open();
      await add(outbox, [message('m1')]);
      const [claimed] = await outbox.claim([want], start);
      await outbox.settle([{ id: claimed?.id ?? 0, kind: 'unknown' }], start);
      await outbox.lapse(start + limits.echoWaitMs);
      await tellAll(outbox);
      const of = { accounts, page, psid: 'p1' };
      await outbox.receive(
        [{ ...of, kind: 'echo', mid: 'mid', metadata: 'm1', at: start + 5 }],
        start + limits.echoWaitMs,
      );
      await outbox.receive([{ ...of, kind: 'delivered', mids: ['mid'], at: start + 6 }], start + limits.echoWaitMs);
      await tellAll(outbox);
      expect((await outbox.takeReports(all)).map(shown)).toEqual(['m1 EXPIRED_DLR_UNKNOWN']);
      await outbox.lapse(start + limits.reportsMs + 1);
      await outbox.dropBefore(start + 1);
      expect(await add(outbox, [message('m1')])).toEqual([true]);
    });
  });
}
