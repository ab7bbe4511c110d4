import { describe, expect, it } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import type { GraphAnswer } from '../../src/graph/outcomes.ts';
import type { Carrier, Pages } from '../../src/sender/carrier.ts';
import { anyPage } from '../../src/sender/simulated-carrier.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';
import { Played, text } from './played.ts';

const response = (httpStatus: number, body: object | string): GraphAnswer => ({
  kind: 'response',
  httpStatus,
  text: typeof body === 'string' ? body : JSON.stringify(body),
  headers: {},
});
const refusal = (httpStatus: number, code: number, subcode?: number) =>
  response(httpStatus, { error: { message: 'words', code, error_subcode: subcode } });
const unreachable: GraphAnswer = { kind: 'unreachable', reason: 'nobody there' };

/** A Meta that answers each message as `answer` says; where that is nothing, it takes it. */
class PlayedAnswers {
  readonly calls: string[] = [];
  answer: (messageId: string, calls: number) => GraphAnswer | undefined = () => undefined;

  readonly carrier = (): Carrier => ({
    outlivesProcess: true,
    send: async (_account, _page, body) => {
      const id = String(body.message?.metadata);
      this.calls.push(id);
      const calls = this.calls.filter(one => one === id).length;
      return this.answer(id, calls) ?? response(200, { message_id: `mid ${id}` });
    },
  });

  callsOf(messageId: string): number {
    return this.calls.filter(one => one === messageId).length;
  }
}

const many = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => text(`to ${name} ${index}`, `${name} ${index}`));

/** Accepts what may be sent for a minute or two from now on, and not tomorrow before that. */
async function sendInWindow(played: Played, messages: readonly object[]): Promise<void> {
  const now = played.emulator.clock.now();
  const minute = Math.floor(now / 60_000) % 1440;
  const days = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'] as const;
  const { value } = parseSendRequest({ messages }, now);
  if (value === undefined) throw new Error('these are no messages');
  const window = { days, fromMinute: minute, toMinute: (minute + 2) % 1440 };
  await played.accept(value.messages.map(one => ({ ...one, window })));
}

describe('a page that pauses', () => {
  it.each<readonly [string, GraphAnswer | undefined]>([
    ['that wait for their windows', undefined],
    ['that Graph refuses for their recipients', refusal(400, 100, 2018001)],
    ['that meet a fault of their own', refusal(400, 100, 2018294)],
  ])('a hundred messages %s are first in its line → the one behind is sent at once', async (_, answer) => {
    const answers = new PlayedAnswers();
    answers.answer = () => refusal(401, 190, 460);
    const played = await Played.open({}, { carrier: answers.carrier });
    await played.send(text('revoked', 'revoked'));
    await played.pass(0);
    expect(played.sender.paused()).toMatchObject([{ reason: 'Graph error 190/460' }]);
    const shut = many('shut', 100);
    await (answer === undefined ? sendInWindow(played, shut) : played.send(...shut));
    await played.send(text('last', 'last'));
    answers.answer = id => (id.startsWith('shut') ? answer : undefined);
    // The pause is over, and the windows are.
    await played.pass(150_000);
    for (let step = 0; step < 20 && answers.callsOf('last') === 0; step++) await played.pass(500);
    expect(answers.callsOf('last')).toBe(1);
    expect(played.sender.paused()).toEqual([]);
  });

  it('whose settings cannot be read → nothing is called, and all goes out once they can', async () => {
    const answers = new PlayedAnswers();
    let isAway = false;
    const page: Pages['page'] = async (_account, id) => {
      if (isAway) throw new Error('the settings are away');
      return { id, version: '' };
    };
    const played = await Played.open({}, { carrier: answers.carrier, pages: { ...anyPage, page } });
    const add = played.outbox.add.bind(played.outbox);
    played.outbox.add = batch => {
      isAway = true;
      return add(batch);
    };
    await played.send(...many('m', 20));
    await played.pass(120_000, 4);
    expect(answers.calls).toEqual([]);
    isAway = false;
    await played.pass(100_000);
    expect(new Set(answers.calls).size).toBe(20);
    expect(await played.outbox.stats()).toMatchObject({ queued: 0, unknown: 0 });
  });
});

describe('Graph is away', () => {
  it.each<readonly [string, () => GraphAnswer]>([
    ['HTTP 502', () => response(502, '<html>')],
    ['HTTP 504 with an error of the gateway’s', () => response(504, { error: { message: 'timed out' } })],
    ['HTTP 200 with a page', () => response(200, '<html>')],
    ['a reset', () => ({ kind: 'lost', reason: 'ECONNRESET' })],
    [
      'a defect',
      () => {
        throw new Error('a defect');
      },
    ],
  ])(
    '%s: nobody knows what was sent → one message a pause is left to its echo, the others go out later',
    async (_, answer) => {
      const answers = new PlayedAnswers();
      answers.answer = answer;
      const played = await Played.open({}, { carrier: answers.carrier });
      await played.send(...many('m', 200));
      await played.pass(0);
      expect(played.sender.paused()).toHaveLength(1);
      const first = answers.calls.length;
      // What a page may send before the first answer, and a little for a machine that is busy.
      expect(first).toBeLessThan(100);
      await played.pass(300_000, 60);
      const risked = answers.calls.length;
      // Pauses of 1, 2, 4 … 60 seconds.
      expect(risked - first).toBeGreaterThan(3);
      expect(risked - first).toBeLessThanOrEqual(12);
      answers.answer = () => undefined;
      await played.pass(61_000);
      await played.pass(0);
      for (let step = 0; step < 50 && answers.calls.length < 200; step++) await played.pass(1000);
      expect(new Set(answers.calls).size).toBe(200);
      expect(answers.calls).toHaveLength(200);
      expect(await played.outbox.stats()).toMatchObject({ queued: 0, unknown: risked });
      expect(played.sender.paused()).toEqual([]);
    },
  );

  it.each<readonly [number, number]>([
    [1, 500],
    [2, 500],
    [1200, 503],
    [987_654, 500],
  ])('error %i of its own, HTTP %i, for all → the page pauses, and no message fails', async (code, httpStatus) => {
    const answers = new PlayedAnswers();
    answers.answer = () => refusal(httpStatus, code);
    const played = await Played.open({}, { carrier: answers.carrier });
    await played.send(...many('m', 40));
    await played.pass(600_000, 60);
    expect(played.sender.paused()).toHaveLength(1);
    expect(answers.calls.length).toBeLessThan(100);
    expect((await played.sender.figures()).sends).toMatchObject({ sent: 0, failed: 0 });
    answers.answer = () => undefined;
    await played.pass(100_000);
    for (let step = 0; step < 50 && (await played.outbox.stats()).queued > 0; step++) await played.pass(2000);
    expect((await played.sender.figures()).sends).toMatchObject({ sent: 40, failed: 0 });
  });

  it('its outbox is away → says why until it is back, and nobody is told that nothing waits', async () => {
    const played = await Played.open();
    const { waiting } = played.outbox;
    const away = new Unavailable('the file is away');
    played.outbox.stats = () => Promise.reject(away);
    played.outbox.waiting = () => Promise.reject(away);
    await played.pass(2000);
    expect([(await played.sender.figures()).outbox, played.sender.outage()]).toEqual([undefined, away]);
    played.outbox.waiting = waiting.bind(played.outbox);
    await played.pass(2000);
    expect(played.sender.outage()).toBeUndefined();
  });

  it('error 2 for one message alone → it fails after its tries, and its page does not pause', async () => {
    const answers = new PlayedAnswers();
    answers.answer = id => (id === 'bad' ? refusal(500, 2) : undefined);
    const played = await Played.open({}, { carrier: answers.carrier });
    await played.send(text('p', 'bad'));
    for (let step = 0; step < 100 && (await played.sender.figures()).sends.failed === 0; step++) {
      await played.pass(2000);
      expect(played.sender.paused()).toEqual([]);
    }
    expect(answers.callsOf('bad')).toBe(6);
    expect(await played.outcome('bad')).toBe('UNDELIVERABLE_REJECTED_OPERATOR EC_PROVIDER_INTERNAL_ERROR');
  });

  it.each<readonly [string, GraphAnswer]>([
    ['cannot be reached', unreachable],
    ['answers HTTP 503', response(503, '<html>')],
    ['answers HTTP 429', response(429, 'slow down')],
    ['throttles', refusal(400, 4)],
  ])('%s ten times → the message is tried after a fault of its own as often as any other', async (_, heldUp) => {
    const faults: readonly GraphAnswer[] = [
      refusal(500, 1),
      refusal(400, 2),
      refusal(400, 2018321),
      refusal(400, 100, 2018008),
      refusal(400, 100, 2018294),
      refusal(400, 987_654),
    ];
    const answers = new PlayedAnswers();
    answers.answer = (id, calls) =>
      calls <= 10 ? heldUp : calls === 11 ? faults[Number(id.split(' ')[1])] : undefined;
    const played = await Played.open({}, { carrier: answers.carrier });
    await played.send(...many('m', faults.length));
    const sent = async () => (await played.sender.figures()).sends.sent;
    for (let step = 0; step < 300 && (await sent()) < faults.length; step++) await played.pass(30_000);
    expect((await played.sender.figures()).sends).toMatchObject({ sent: faults.length, failed: 0 });
    expect(answers.calls).toHaveLength(12 * faults.length);
  });
});
