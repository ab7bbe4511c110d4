import { describe, expect, it } from 'vitest';
import { Unavailable, WrongValues } from '../../src/failures.ts';
import type { GraphAnswer } from '../../src/graph/outcomes.ts';
import type { Carrier } from '../../src/sender/carrier.ts';
import { Pacer } from '../../src/sender/pacer.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { Played, text } from './played.ts';

describe('sending', () => {
  it('a page may send so much a second, audio and video less; a clock set back → no more', () => {
    const pacer = new Pacer();
    const start = Date.UTC(2026, 0, 1);
    const sent = { text: 0, media: 0 };
    for (let ms = 0; ms < 10_000; ms += 10) {
      const now = start + (ms === 5000 ? -3_600_000 : ms);
      for (const lane of ['text', 'media'] as const) {
        const count = pacer.allowed(lane, now);
        pacer.spend(lane, count, now);
        sent[lane] += count;
      }
    }
    expect(sent.text).toBeLessThanOrEqual(300 * 10 + 30 + 30);
    expect(sent.text).toBeGreaterThan(2900);
    expect(sent.media).toBeLessThanOrEqual(102);
    expect(sent.media).toBeGreaterThan(95);
  });

  it('Meta’s usage headers → slower from 80 %, nothing at 100 % until it says, then on; other pages as before', async () => {
    const usage = { 'page-1': 0, other: 0 };
    const sent: { readonly id: string; readonly at: number }[] = [];
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async (_account, page, body): Promise<GraphAnswer> => {
        const id = String(body.message?.metadata);
        sent.push({ id, at: played.emulator.clock.now() });
        const percent = page.id === 'other' ? usage.other : usage['page-1'];
        const entry = {
          type: 'messenger',
          call_count: percent,
          estimated_time_to_regain_access: percent < 100 ? 0 : 5,
        };
        const headers = {
          'x-app-usage': JSON.stringify({ call_count: percent / 2 }),
          'x-business-use-case-usage': JSON.stringify({ 1: [entry] }),
        };
        return { kind: 'response', httpStatus: 200, text: JSON.stringify({ message_id: id }), headers };
      },
    });
    const played = await Played.open({}, { carrier });
    const send = (from: number, count: number, sender = 'page-1') =>
      played.send(...Array.from({ length: count }, (_, i) => text(`p${from + i}`, `${sender} ${from + i}`, sender)));
    const sentBy = (sender: string) => sent.filter(one => one.id.startsWith(sender));
    usage['page-1'] = 85;
    await send(0, 600);
    await played.pass(1000, 10);
    // What was allowed before the first answer, and a tenth of Meta's rate from then on.
    const slow = sentBy('page-1');
    const elapsedMs = (slow.at(-1)?.at ?? 0) - (slow[0]?.at ?? 0);
    expect(elapsedMs).toBeGreaterThan(500);
    expect(slow.length).toBeLessThan(32 + 30 * (1 + elapsedMs / 1000));
    usage['page-1'] = 100;
    // On a slow machine all of the others are sent by now.
    await send(600, 50);
    await played.pass(4000, 10);
    expect(played.sender.paused()).toMatchObject([{ sender: 'page-1', reason: 'its budget at Meta is used up' }]);
    const before = sentBy('page-1').length;
    await send(1000, 50, 'other');
    await played.pass(60_000, 10);
    expect([sentBy('page-1').length, sentBy('other').length]).toEqual([before, 50]);
    usage['page-1'] = 10;
    await played.pass(240_000);
    for (let step = 0; step < 100 && sentBy('page-1').length < 650; step++) await played.pass(1000);
    expect(sentBy('page-1').length).toBe(650);
    expect(played.sender.paused()).toEqual([]);
  });

  it('the clock set back by a day after a fault → what is to be tried again is, as soon as ever', async () => {
    const clock = { aheadMs: 0 };
    const tried: string[] = [];
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async (_account, _page, body): Promise<GraphAnswer> => {
        const id = String(body.message?.metadata);
        tried.push(id);
        const isFirst = tried.length === 1;
        const told = isFirst ? { error: { message: 'away', type: 'OAuthException', code: 2 } } : { message_id: id };
        return { kind: 'response', httpStatus: isFirst ? 500 : 200, text: JSON.stringify(told), headers: {} };
      },
    });
    const played = await Played.open({}, { carrier, clock });
    const { outbox, emulator } = played;
    await played.send(text('anybody', 'm1'));
    await expect.poll(() => outbox.stats()).toMatchObject({ queued: 1, sending: 0 });
    expect(tried).toEqual(['m1']);
    clock.aheadMs = -86_400_000;
    // As soon as it looks again, with nobody's word.
    const waitsMs = async () => {
      const now = emulator.clock.now() + clock.aheadMs;
      return Math.max(...(await outbox.waiting(now)).pages.map(one => one.dueAt - now));
    };
    await expect.poll(waitsMs).toBeLessThanOrEqual(10_000);
    await played.pass(10_000);
    expect(tried).toEqual(['m1', 'm1']);
  });

  it('one page full of messages that take long → another page’s are sent meanwhile', async () => {
    const held: (() => void)[] = [];
    const sent: string[] = [];
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async (_account, page, body): Promise<GraphAnswer> => {
        const metadata = String(body.message?.metadata);
        if (page.id === 'slow') await new Promise<void>(resolve => held.push(resolve));
        sent.push(metadata);
        return { kind: 'response', httpStatus: 200, text: JSON.stringify({ message_id: metadata }), headers: {} };
      },
    });
    const played = await Played.open({}, { carrier });
    await played.send(...Array.from({ length: 600 }, (_, index) => text(`p${index}`, `slow ${index}`, 'slow')));
    while (held.length < 20) await new Promise(resolve => setTimeout(resolve, 5));
    await played.send(...Array.from({ length: 20 }, (_, index) => text(`p${index}`, `fast ${index}`, 'fast')));
    while (sent.filter(one => one.startsWith('fast')).length < 20) await new Promise(resolve => setTimeout(resolve, 5));
    expect(sent.every(one => one.startsWith('fast'))).toBe(true);
    const release = setInterval(() => {
      for (const resolve of held.splice(0)) resolve();
    }, 5);
    while (sent.length < 620) await new Promise(resolve => setTimeout(resolve, 5));
    clearInterval(release);
    expect(new Set(sent).size).toBe(620);
  });

  it('a log that takes nothing for a while → accepted and sent all the same, told later in order', async () => {
    const store = new MemoryStore();
    let refusals = 3;
    const record = store.record.bind(store);
    store.record = async batch => {
      if (refusals-- > 0) throw new StoreUnavailable('the disk is full');
      return record(batch);
    };
    const played = await Played.open({}, { store });
    const [answer] = await played.send(text('seen', 'm1'));
    expect(answer?.status.name).toBe('PENDING_ACCEPTED');
    await played.pass(60_000);
    expect(await played.outcome('m1')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    expect((await played.history('m1')).timeline.map(one => one.status.name).slice(0, 2)).toEqual([
      'PENDING_ACCEPTED',
      'PENDING_ENROUTE',
    ]);
  });

  it('an account without this sender, or without any → rejected, in the log, never carried', async () => {
    for (const [hasAny, name] of [
      [true, 'REJECTED_SOURCE'],
      [false, 'REJECTED_ROUTE_NOT_AVAILABLE'],
    ] as const) {
      const pages = { page: async () => undefined, hasAny: async () => hasAny, watchers: async () => new Map() };
      const played = await Played.open({}, { pages });
      const [answer] = await played.send(text('seen', 'm1'));
      expect(answer?.status.name).toBe(name);
      expect(await played.outcome('m1')).toBe(`${name} EC_CONFIGURATION_ERROR`);
      expect(played.emulator.meta.sent()).toEqual([]);
    }
  });

  it('a page removed while it is paused and messages wait → they end as of no sender, it is paused no more; added again → it sends', async () => {
    let version: string | undefined = '1';
    const calls: string[] = [];
    const revoked = JSON.stringify({ error: { message: 'revoked', type: 'OAuthException', code: 190 } });
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async (_account, _page, body): Promise<GraphAnswer> => {
        const id = String(body.message?.metadata);
        calls.push(id);
        const isRevoked = version === '1';
        const told = isRevoked ? revoked : JSON.stringify({ message_id: id });
        return { kind: 'response', httpStatus: isRevoked ? 400 : 200, text: told, headers: {} };
      },
    });
    const pages = {
      page: async (_account: number, id: string) => (version === undefined ? undefined : { id, version }),
      hasAny: async () => true,
      watchers: async () => new Map(),
    };
    const played = await Played.open({}, { carrier, pages });
    await played.send(text('first', 'first'));
    await expect.poll(() => played.sender.paused()).toMatchObject([{ sender: 'page-1' }]);
    const ids = Array.from({ length: 400 }, (_, index) => `m${index}`);
    const video = { type: 'VIDEO', url: 'https://example.com/v.mp4' };
    await played.send(
      ...ids.map((id, index) => ({ ...text(`p${index % 50}`, id), ...(index % 2 === 0 && { content: video }) })),
    );
    // Nothing waits for it: it is not amiss for all that.
    await played.send(text('other', 'other', 'page-2'));
    await expect.poll(() => played.sender.paused().length).toBe(2);
    version = undefined;
    await expect.poll(() => played.outbox.stats()).toMatchObject({ queued: 0, sending: 0, untold: 0 });
    for (const id of ids) expect(await played.outcome(id)).toBe('REJECTED_SOURCE EC_CONFIGURATION_ERROR');
    await expect.poll(() => played.sender.paused()).toEqual([]);
    expect(calls).toEqual(['first', 'other']);
    version = '2';
    await played.send(text('p1', 'again'));
    await expect.poll(() => calls).toEqual(['first', 'other', 'again']);
  });

  it('a clock that was ahead before this process began → what waits by it is tried, as soon as ever', async () => {
    const clock = { aheadMs: 86_400_000 };
    const tried: string[] = [];
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async (_account, _page, body): Promise<GraphAnswer> => {
        tried.push(String(body.message?.metadata));
        const told = tried.length === 1 ? { error: { message: 'away', code: 2 } } : { message_id: 'mid' };
        return { kind: 'response', httpStatus: 200, text: JSON.stringify(told), headers: {} };
      },
    });
    const played = await Played.open({}, { carrier, clock });
    await played.send(text('anybody', 'm1'));
    await expect.poll(() => played.outbox.stats()).toMatchObject({ queued: 1, sending: 0 });
    await played.restart(() => {
      clock.aheadMs = 0;
    });
    await played.pass(10_000, 2);
    expect(tried).toEqual(['m1', 'm1']);
  });

  it('closed while Meta does not answer → given up after a while, and left to its echo', async () => {
    let giveUp = () => {};
    const carrier = (): Carrier => ({
      outlivesProcess: true,
      send: () => new Promise<GraphAnswer>(resolve => (giveUp = () => resolve({ kind: 'lost', reason: 'given up' }))),
      giveUp: () => giveUp(),
    });
    const played = await Played.open({}, { carrier });
    await played.send(text('anybody', 'm1'));
    while ((await played.outbox.stats()).sending === 0) await new Promise(resolve => setTimeout(resolve, 5));
    await played.sender.close();
    expect(await played.outbox.stats()).toMatchObject({ sending: 0, unknown: 1 });
  });

  it('a carrier that throws → the message is unknown, and never sent again', async () => {
    let calls = 0;
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: async () => {
        calls++;
        throw new Error('a defect');
      },
    });
    const played = await Played.open({}, { carrier });
    await played.send(text('anybody', 'm1'));
    await played.pass(20 * 60_000, 4);
    expect(calls).toBe(1);
    expect(await played.outcome('m1')).toBe('EXPIRED_DLR_UNKNOWN EC_PROVIDER_TIMEOUT');
  });

  it('what came of one message, an event of one, or what became of one cannot be kept → costs that one alone', async () => {
    const store = new MemoryStore();
    const record = store.record.bind(store);
    store.record = async batch => {
      if (batch.submissions.some(one => one.messageId === 'untellable')) throw new WrongValues('no value of the log');
      return record(batch);
    };
    const played = await Played.open({}, { store });
    const { outbox } = played;
    const [settle, receive] = [outbox.settle.bind(outbox), outbox.receive.bind(outbox)];
    const unheard = 'person 7';
    let unkept: number | undefined;
    outbox.settle = async (results, now) => {
      const sent = results.filter(one => one.kind === 'sent');
      unkept ??= sent[Math.floor(sent.length / 2)]?.id;
      if (sent.some(one => one.id === unkept)) throw new WrongValues('no value of the outbox');
      return settle(results, now);
    };
    outbox.receive = async (events, now) => {
      if (events.some(one => one.psid === unheard)) throw new WrongValues('no value of the outbox');
      return receive(events, now);
    };
    const ids = Array.from({ length: 20 }, (_, index) => `m${index}`);
    await played.send(...ids.map((id, index) => text(`person ${index}`, id)), text('seen', 'untellable'));
    await played.pass(60_000, 4);
    const outcomes = await Promise.all(ids.map(id => played.outcome(id)));
    const wanted = ids.map(id => (id === 'm7' ? 'PENDING_ENROUTE NO_ERROR' : 'DELIVERED_TO_HANDSET NO_ERROR seen'));
    expect(outcomes).toEqual(wanted);
    expect(new Set(played.notes)).toEqual(
      new Set([
        'what came of a message cannot be kept',
        'an event of a page cannot be kept',
        'what became of a message cannot be told to the log',
      ]),
    );
    // Its echo, its delivery, its read.
    expect((await played.sender.figures()).lostEvents).toEqual({ 'too large': 0, 'not kept': 3 });
    expect(await outbox.stats()).toMatchObject({ queued: 0, sending: 0, unknown: 0, untold: 0 });
  });

  it('the log, or the outbox, broken for all that it is given → nothing is given up, and all is kept once it is mended', async () => {
    const store = new MemoryStore();
    const record = store.record.bind(store);
    let rounds = 0;
    store.record = async batch => {
      if (rounds < 4) throw new TypeError('a defect of the log');
      return record(batch);
    };
    const played = await Played.open({}, { store });
    const { outbox } = played;
    const [settle, untold] = [outbox.settle.bind(outbox), outbox.untold.bind(outbox)];
    outbox.untold = async limit => {
      const found = await untold(limit);
      if (found.length > 0) rounds++;
      return found;
    };
    let unsettled = 2;
    outbox.settle = async (results, now) => {
      if (unsettled-- > 0) throw new TypeError('a defect of the outbox');
      return settle(results, now);
    };
    await played.send(text('seen', 'm1'));
    await played.pass(60_000, 4);
    expect(await played.outcome('m1')).toBe('DELIVERED_TO_HANDSET NO_ERROR seen');
    const receive = outbox.receive.bind(outbox);
    const receipt = { object: 'page', entry: [{ id: 'page-1', messaging: [receiptOf('m1')] }] };
    outbox.receive = () => Promise.reject(new TypeError('a defect of the outbox'));
    const proven = new Map([['page-1', [1]]]);
    await expect(played.sender.receive(receipt, proven)).rejects.toThrow('a defect of the outbox');
    outbox.receive = receive;
    expect(await played.sender.receive(receipt, proven)).toBe(true);
  });

  it('what came of one is kept, of the next not yet → the first is not kept once more, when it may be sent anew', async () => {
    const answers = new Map<string, () => void>();
    const carrier = (): Carrier => ({
      outlivesProcess: false,
      send: (_account, page, body) =>
        new Promise<GraphAnswer>(resolve => {
          const answer: GraphAnswer =
            page.id === 'again'
              ? { kind: 'unreachable', reason: 'nobody there' }
              : { kind: 'response', httpStatus: 200, text: JSON.stringify({ message_id: page.id }), headers: {} };
          answers.set(String(body.message?.metadata), () => resolve(answer));
        }),
    });
    const played = await Played.open({}, { carrier });
    const { outbox } = played;
    const settle = outbox.settle.bind(outbox);
    const kept: string[] = [];
    const [begun, both] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    outbox.settle = async (results, now) => {
      calls++;
      begun.resolve();
      if (calls === 1) await both.promise;
      if (calls === 2) throw new TypeError('a defect of one of two');
      if (calls === 4) throw new Unavailable('away');
      await settle(results, now);
      kept.push(...results.map(one => one.kind));
    };
    await played.send(text('p1', 'm1', 'first'), text('p2', 'm2', 'again'), text('p3', 'm3', 'next'));
    await expect.poll(() => answers.size, { interval: 5 }).toBe(3);
    answers.get('m1')?.();
    await begun.promise;
    answers.get('m2')?.();
    await expect.poll(async () => (await played.sender.figures()).sends.again, { interval: 5 }).toBe(1);
    answers.get('m3')?.();
    await expect.poll(async () => (await played.sender.figures()).sends.sent, { interval: 5 }).toBe(2);
    both.resolve();
    await expect.poll(() => kept.length, { interval: 5 }).toBe(3);
    expect([kept, calls]).toEqual([['sent', 'again', 'sent'], 5]);
  });
});

const receiptOf = (mid: string) => ({
  sender: { id: 'psid' },
  recipient: { id: 'page-1' },
  timestamp: Date.UTC(2026, 0, 1),
  delivery: { mids: [mid], watermark: Date.UTC(2026, 0, 1) },
});
