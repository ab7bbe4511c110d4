import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, logsPath, message, startOfTest, TestServer } from '../support/http-server.ts';

const vendorLog =
  '{"sender":"44113496000","destination":"66855538125","bulkId":"1688025180464000013","messageId":"1688025180464000014",' +
  '"sentAt":"2023-02-01T23:15:03.379+0000","doneAt":"2023-02-01T23:16:34.582+0000","messageCount":1,' +
  '"price":{"pricePerMessage":0.15,"currency":"EUR"},' +
  '"status":{"groupId":3,"groupName":"DELIVERED","id":5,"name":"DELIVERED_TO_HANDSET","description":"Message delivered to handset"},' +
  '"error":{"groupId":0,"groupName":"OK","id":0,"name":"NO_ERROR","description":"No Error","permanent":false},' +
  '"platform":{"entityId":"promotional-traffic-entity","applicationId":"marketing-automation-application"},' +
  '"content":{"text":"Sent text","type":"TEXT"},"campaignReferenceId":"summersale"}';

const minuteMs = 60_000;
const at = (moment: number) => new Date(moment).toISOString();

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

describe('the answer', () => {
  test("the vendor's example log, recorded → the vendor's example answer, byte for byte", async () => {
    await server.record([JSON.parse(vendorLog)]);
    const answer = await server.call(logsPath);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).toBe(`{"results":[${vendorLog}]}`);
  });

  test('no message → an empty list, and no cursor', async () => {
    expect((await server.call(logsPath)).body).toBe('{"results":[]}');
  });

  test('useCursor without a message → a cursor without a next page', async () => {
    expect((await server.call(`${logsPath}?useCursor=true&limit=7`)).body).toBe('{"results":[],"cursor":{"limit":7}}');
  });

  test('many messages → the newest first, fifty to a page, and the same bytes each time', async () => {
    const records = Array.from({ length: 60 }, (_, index) =>
      message(`m${index}`, { sentAt: at(startOfTest - (index % 7) * minuteMs) }),
    );
    await server.record(records);
    const answer = await server.call(logsPath);
    const { results } = answer.json();
    expect(results).toHaveLength(50);
    const dates = results.map((log: { sentAt: string }) => log.sentAt);
    expect(dates).toEqual(dates.toSorted().reverse());
    expect((await server.call(logsPath)).body).toBe(answer.body);
  });
});

describe('filters', () => {
  beforeEach(async () => {
    const platform = { entityId: 'e1', applicationId: 'a1' };
    await server.record([
      message('m1', {
        sender: 's1',
        bulkId: 'b1',
        platform,
        campaignReferenceId: 'c1',
        sentAt: at(startOfTest - 4 * minuteMs),
      }),
      message('m2', {
        destination: 'd2',
        bulkId: 'b2',
        platform: { entityId: 'e2' },
        sentAt: at(startOfTest - 3 * minuteMs),
      }),
      message('m3', {
        bulkId: 'b3',
        status: 'DELIVERED_TO_HANDSET',
        campaignReferenceId: 'c3',
        sentAt: at(startOfTest - 2 * minuteMs),
      }),
      message('m4', {
        status: 'REJECTED_NETWORK',
        platform: { applicationId: 'a4' },
        sentAt: at(startOfTest - minuteMs),
      }),
    ]);
  });

  test.each([
    ['', 'm4 m3 m2 m1'],
    ['limit=2', 'm4 m3'],
    ['sender=s1', 'm1'],
    ['sender=S1', ''],
    ['sender=s', ''],
    ['destination=d2', 'm2'],
    ['bulkId=b1', 'm1'],
    ['bulkId=b1,b3', 'm3 m1'],
    ['bulkId=b1&bulkId=b3', 'm3 m1'],
    ['bulkId[]=b1&bulkId[]=b2,b3', 'm3 m2 m1'],
    ['messageId=m2,m4,m9', 'm4 m2'],
    ['campaignReferenceId=c1&campaignReferenceId=c3', 'm3 m1'],
    ['entityId=e1', 'm1'],
    ['applicationId=a4', 'm4'],
    ['generalStatus=PENDING', 'm2 m1'],
    ['generalStatus=DELIVERED', 'm3'],
    ['generalStatus=REJECTED', 'm4'],
    ['generalStatus=ACCEPTED', ''],
    ['bulkId=b1,b2&entityId=e2', 'm2'],
    ['sender=s1&destination=d2', ''],
  ])('%s → %s', async (query, ids) => {
    expect((await server.messageIds(query)).join(' ')).toBe(ids);
  });

  test('sentSince → from that moment on; sentUntil → up to but not at it: ranges tile', async () => {
    const third = at(startOfTest - 2 * minuteMs);
    expect(await server.messageIds(`sentSince=${third}`)).toEqual(['m4', 'm3']);
    expect(await server.messageIds(`sentUntil=${third}`)).toEqual(['m2', 'm1']);
    expect(await server.messageIds(`sentBefore=${third}`)).toEqual(['m2', 'm1']);
    expect(await server.messageIds(`sentSince=${third}&sentUntil=${third}`)).toEqual([]);
    const both = await server.call(`${logsPath}?sentUntil=${third}&sentBefore=${third}`);
    expect(errorAnswer(both)).toEqual({ code: 'E400', properties: ['sentBefore'] });
  });

  test('an offset whose + a URL decoder has eaten → understood', async () => {
    const third = '2023-02-02T12:58:00.000';
    for (const offset of ['+01:00', '%2B01:00', '%2B0100', '+01', '%2001:00'])
      expect(await server.messageIds(`sentSince=${third}${offset}`)).toEqual(['m4', 'm3']);
  });

  test("the vendor's example request, to the letter → an empty answer", async () => {
    const answer = await server.call(
      '/messenger/1/logs?bulkId=BULK-ID-123-xyz&messageId=MESSAGE-ID-123-xyz%2CMESSAGE-ID-124-xyz&sentSince=2020-02-22T17:42:05.390+01:00&sentUntil=2020-02-23T17:42:05.390+01:00&entityId=promotional-traffic-entity&applicationId=marketing-automation-application&campaignReferenceId=summersale',
      { headers: { accept: 'application/json' } },
    );
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toBe('{"results":[]}');
  });
});

describe('refusals', () => {
  test('several bad parameters → one answer with a violation for each, and no store work', async () => {
    const answer = await server.call(
      `${logsPath}?limit=1001&sentSince=2020&generalStatus=x&messageid=m&sender=a&sender=b`,
    );
    expect(errorAnswer(answer)).toEqual({
      code: 'E400',
      properties: expect.arrayContaining(['limit', 'sentSince', 'generalStatus', 'messageid', 'sender']),
    });
    expect(server.store.callCount).toBe(0);
  });

  test('a store that cannot serve → 503 with Retry-After, and its reason only in the log', async () => {
    server.store.failWith(new StoreUnavailable('disk 7 is on fire', 2500));
    const answer = await server.call(logsPath);
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['retry-after']).toBe('3');
    expect(answer.body).not.toContain('fire');
    expect(server.logged.join()).toContain('disk 7 is on fire');
  });

  test('a defect → 500 in fixed words, and the cause only in the log', async () => {
    server.store.render = () => Promise.reject(new TypeError('secret detail'));
    const answer = await server.call(logsPath);
    expect(errorAnswer(answer)).toEqual({ code: 'E500', properties: [] });
    expect(answer.json()).toMatchObject({ description: 'Something went wrong.', action: 'Contact the support.' });
    expect(answer.body).not.toContain('secret detail');
    expect(server.logged.join()).toContain('secret detail');
  });
});

describe('retention', () => {
  test('a message past 48 hours → never returned, though the store still has it', async () => {
    await server.record([message('old', { sentAt: at(startOfTest - 47 * 3_600_000) }), message('new')]);
    server.now += 3_600_000;
    expect(await server.messageIds('')).toEqual(['new', 'old']);
    server.now += 1;
    expect(await server.messageIds('')).toEqual(['new']);
    expect(await server.messageIds('sentSince=2000-01-01T00:00:00Z')).toEqual(['new']);
    expect((await server.call('/messenger/1/messages/old')).statusCode).toBe(404);
    expect((await server.call(`${logsPath}/export`)).body).not.toContain('"old"');
  });
});

describe('a bound key', () => {
  test('reads only its own, whatever it asks for', async () => {
    server.callers.add('bound', 1, ['messenger:manage'], { applicationId: 'a1' });
    await server.record([
      message('mine', { platform: { applicationId: 'a1' } }),
      message('other', { platform: { applicationId: 'a2' } }),
      message('nobodys'),
    ]);
    expect(await server.messageIds('', 'App bound')).toEqual(['mine']);
    expect(await server.messageIds('applicationId=a1', 'App bound')).toEqual(['mine']);
    const before = server.store.callCount;
    expect(await server.messageIds('applicationId=a2', 'App bound')).toEqual([]);
    expect(server.store.callCount).toBe(before);
  });
});
