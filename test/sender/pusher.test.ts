import { createHmac } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { deliveryErrorNamed, statusNamed } from '../../src/domain/registry.ts';
import { limits } from '../../src/limits.ts';
import type { DuePush, PushOutcome } from '../../src/outbox/reporting.ts';
import { type AccountPlace, Pusher } from '../../src/sender/pusher.ts';
import type { ReportCall } from '../../src/sender/report-caller.ts';
import { account, Played, text } from './played.ts';

const deliveryUrl = 'https://reports.example/delivery';
const seenUrl = 'https://reports.example/seen';

/** A sender whose reports are taken here; `answer` says what comes of a call. */
async function receiving(settings: AccountPlace | undefined, answer: (call: ReportCall) => string | undefined) {
  const calls: ReportCall[] = [];
  const played = await Played.open(
    {},
    {
      places: {
        subscribed: async () =>
          settings === undefined
            ? []
            : [{ account, delivery: settings.deliveryUrl !== undefined, seen: settings.seenUrl !== undefined }],
        place: async () => settings,
      },
      call: async call => {
        calls.push(call);
        return answer(call);
      },
    },
  );
  return { played, calls };
}

const due = (id: number, url: string, of = account, message: Partial<DuePush['report']['message']> = {}): DuePush => ({
  place: { account: of, url },
  tries: 0,
  report: {
    id,
    account: of,
    kind: 'delivery',
    statusKey: statusNamed('DELIVERED_TO_HANDSET').key,
    errorKey: deliveryErrorNamed('NO_ERROR').key,
    sentAt: 0,
    message: {
      messageId: `m${id}`,
      isIdGiven: true,
      bulkId: 'b',
      sender: 'p',
      destination: 'd',
      contentJson: '{}',
      dueAt: 0,
      expiresAt: 1,
      hasFailover: false,
      ...message,
    },
  },
});

/** A pusher alone, which is given these reports at its first look. */
function pusherOf(reports: readonly DuePush[], answer: (call: ReportCall) => Promise<string | undefined>) {
  const notes: { readonly message: string; readonly detail: object }[] = [];
  const kept: PushOutcome[] = [];
  let looks = 0;
  const pusher = new Pusher({
    outbox: {
      duePushes: async () => (looks++ === 0 ? reports : []),
      pushed: async outcomes => void kept.push(...outcomes),
    },
    places: { subscribed: async () => [], place: async () => undefined },
    call: answer,
    clock: () => 0,
    note: (_level, message, detail) => notes.push({ message, detail }),
  });
  return { pusher, notes, kept };
}

const resultsOf = (calls: readonly ReportCall[]) => calls.flatMap(({ body }) => JSON.parse(body).results);
const asked = (to: string, messageId: string, webhooks: object, more: object = {}) => ({
  ...text(to, messageId),
  ...more,
  webhooks,
});

describe('reports that are pushed', () => {
  it('delivered and seen → one report of each, in the vendor’s words, where the message said', async () => {
    const { played, calls } = await receiving(undefined, () => undefined);
    const platform = { entityId: 'e', applicationId: 'a' };
    const options = { platform, campaignReferenceId: 'c' };
    const webhooks = { delivery: { url: deliveryUrl }, seen: { url: seenUrl }, callbackData: 'mine' };
    await played.send(asked('seen', 'm1', webhooks, { options }), text('seen', 'm2'));
    await played.pass(60_000, 6);
    const [delivery, seen] = await Promise.all(
      [deliveryUrl, seenUrl].map(async url => resultsOf(calls.filter(one => one.url === url))),
    );
    expect(calls).toHaveLength(2);
    const { log } = await played.history('m1');
    const written = (ms: number | undefined) => new Date(ms ?? Number.NaN).toISOString().replace('Z', '+0000');
    expect(delivery).toEqual([
      {
        bulkId: expect.any(String),
        status: {
          groupId: 3,
          groupName: 'DELIVERED',
          id: 5,
          name: 'DELIVERED_TO_HANDSET',
          description: 'Message delivered to handset',
        },
        error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'No Error', permanent: false },
        messageId: 'm1',
        to: 'seen',
        sender: 'page-1',
        sentAt: written(log.sentAt),
        doneAt: written(log.doneAt),
        messageCount: 1,
        callbackData: 'mine',
        platform,
        campaignReferenceId: 'c',
      },
    ]);
    expect(Object.keys(delivery?.[0]).join()).toBe(
      'bulkId,status,error,messageId,to,sender,sentAt,doneAt,messageCount,callbackData,platform,campaignReferenceId',
    );
    expect(seen).toEqual([
      {
        messageId: 'm1',
        from: 'seen',
        to: 'page-1',
        sentAt: written(log.sentAt),
        seenAt: written(log.seenAt),
        applicationId: 'a',
        entityId: 'e',
        campaignReferenceId: 'c',
      },
    ]);
  });

  it('in XML → the same names and values, whatever the text', async () => {
    const { played, calls } = await receiving(undefined, () => undefined);
    const callbackData = '<&>"\' \u0001 ž 😀';
    const webhooks = { delivery: { url: deliveryUrl }, contentType: 'application/xml', callbackData };
    await played.send(asked('delivered', 'm1', webhooks), asked('blocked', 'm2', { ...webhooks, callbackData: 'b' }));
    await played.pass(60_000, 6);
    const parser = new XMLParser({ parseTagValue: false, isArray: name => name === 'result' });
    const results = calls.flatMap(({ body, headers }) => {
      expect(headers['content-type']).toBe('application/xml');
      expect(body.startsWith('<?xml version="1.0" encoding="UTF-8"?><DeliveryReports><results><result>')).toBe(true);
      return parser.parse(body).DeliveryReports.results.result;
    });
    expect(results.map(one => [one.messageId, one.status.name, one.error.permanent, one.callbackData])).toEqual([
      ['m2', 'UNDELIVERABLE_REJECTED_OPERATOR', 'true', 'b'],
      ['m1', 'DELIVERED_TO_HANDSET', 'false', callbackData.replace('\u0001', '\ufffd')],
    ]);
  });

  it('an account’s own address → for messages that name none; signed; intermediate ones only when asked for', async () => {
    const settings = { deliveryUrl, seenUrl, contentType: 'application/json', secret: 'sixteen-characters' } as const;
    const { played, calls } = await receiving(settings, () => undefined);
    await played.send(
      text('delivered', 'm1'),
      asked('delivered', 'm2', { delivery: { notify: false } }),
      asked('delivered', 'm3', { delivery: { url: 'https://own.example/', intermediateReport: true } }),
    );
    await played.pass(60_000, 6);
    const got = calls.flatMap(({ url, body }) =>
      JSON.parse(body).results.map((one: { messageId: string; status: { name: string } }) =>
        [new URL(url).host, one.messageId, one.status.name].join(' '),
      ),
    );
    expect(got.toSorted()).toEqual([
      'own.example m3 DELIVERED_TO_HANDSET',
      'own.example m3 PENDING_ENROUTE',
      'reports.example m1 DELIVERED_TO_HANDSET',
    ]);
    for (const { body, headers } of calls)
      expect(headers['x-sentlog-signature']).toBe(
        `sha256=${createHmac('sha256', settings.secret).update(body).digest('hex')}`,
      );
  });

  it('refused for an hour → tried in the vendor’s cycle, then taken once; the places beside it never wait', async () => {
    let opens = Number.POSITIVE_INFINITY;
    const tries: number[] = [];
    const { played, calls } = await receiving(undefined, ({ url }) => {
      if (url !== deliveryUrl) return undefined;
      tries.push(played.emulator.clock.now());
      return played.emulator.clock.now() < opens ? 'HTTP 500' : undefined;
    });
    opens = played.emulator.clock.now() + 3_600_000;
    await played.send(
      asked('delivered', 'm1', { delivery: { url: deliveryUrl } }),
      asked('delivered', 'm2', { delivery: { url: 'https://other.example/' } }),
    );
    await played.pass(30_000, 3);
    expect(calls.filter(one => one.url !== deliveryUrl)).toHaveLength(1);
    await played.pass(2 * 3_600_000, 480);
    const minutes = tries.map(at => Math.round((at - (tries[0] ?? 0)) / 60_000));
    expect(minutes).toEqual([0, 1, 3, 8, 18, 35, 61]);
    expect((await played.outbox.stats()).pushes).toBe(0);
  });

  it('never taken → given up after twenty retries, and there to be fetched meanwhile', async () => {
    const { played, calls } = await receiving(undefined, () => 'no answer in time');
    await played.send(asked('delivered', 'm1', { delivery: { url: deliveryUrl } }));
    await played.pass(45 * 3_600_000, 45 * 6);
    expect(calls).toHaveLength(1 + limits.pushRetriesMax);
    expect((await played.outbox.stats()).pushes).toBe(0);
    expect(played.notes).toContain('reports could not be pushed');
  });

  it('a call that never ends → holds up closing only for as long as a call may take, and it is said', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let called = 0;
    const { pusher, notes } = pusherOf([due(1, deliveryUrl)], () => {
      called++;
      return new Promise(() => {});
    });
    pusher.start();
    await vi.advanceTimersByTimeAsync(1);
    expect(called).toBe(1);
    let isClosed = false;
    const closing = pusher.close().then(() => {
      isClosed = true;
    });
    await vi.advanceTimersByTimeAsync(limits.pushMsMax - 1);
    expect(isClosed).toBe(false);
    await vi.advanceTimersByTimeAsync(limits.pushMsMax);
    expect(isClosed).toBe(true);
    await closing;
    expect(notes.map(one => one.message)).toEqual(['calls with reports did not end: they may be pushed again']);
  });

  it('one kind pushed, the next failing here → only that one is due again; an address is told by its origin alone', async () => {
    const url = 'https://user:hidden@reports.example/hook?token=hidden';
    const xml = due(2, url, account, { reports: { contentType: 'application/xml' } });
    const { pusher, notes, kept } = pusherOf([due(1, url), xml], async ({ headers }) => {
      if (headers['content-type'] === 'application/xml') throw new TypeError('a defect');
      return undefined;
    });
    pusher.start();
    await pusher.idle(10_000);
    await pusher.close();
    expect(kept).toEqual([{ id: 1 }, { id: 2, againAt: 60_000 }]);
    expect(notes.map(one => one.detail)).toEqual([
      { account, origin: 'https://reports.example', err: expect.any(TypeError) },
    ]);
  });
});
