import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { receiptsIn } from '../../src/graph/webhook-events.ts';
import { readMetaBody, readMetaEvents } from '../../src/http/body/meta-webhook.ts';
import { limits } from '../../src/limits.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { anyText } from '../support/any-text.ts';
import { TestServer } from '../support/http-server.ts';

const path = '/webhooks/meta';
const [current, former] = ['app secret', 'app secret before'];
const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.app.close();
});

function open(verifyToken: string | undefined = 'ours') {
  const received: unknown[] = [];
  const lost = { events: 0 };
  const failing: { error?: Error } = {};
  const metaWebhooks = {
    verifyToken,
    prove: async (
      pages: readonly string[],
      isSignedWith: (secret: string) => boolean,
    ): Promise<ReadonlyMap<string, number[]>> => {
      const isOurs = pages.includes('1') && [current, former].some(isSignedWith);
      return new Map(isOurs ? [['1', [7]]] : []);
    },
    isOurs: async (pages: readonly string[], isSignedWith: (secret: string) => boolean) =>
      pages.includes('0') && isSignedWith(current),
    receive: async (body: unknown, proven: ReadonlyMap<string, readonly number[]>, leftOut: number) => {
      if (failing.error !== undefined) throw failing.error;
      expect([...proven]).toEqual([['1', [7]]]);
      if (typeof body !== 'object' || body === null || Reflect.get(body, 'object') !== 'page') return false;
      received.push(body);
      lost.events += leftOut;
      return true;
    },
  };
  const server = new TestServer({ metaWebhooks });
  servers.push(server);
  const get = (query: string) => server.app.inject({ url: `${path}?${query}` });
  const post = (payload: string | Buffer, signature?: string) =>
    server.app.inject({
      method: 'POST',
      url: path,
      payload,
      headers: {
        'content-type': 'application/json',
        ...(signature !== undefined && { 'x-hub-signature-256': signature }),
      },
    });
  return { server, received, lost, failing, get, post };
}

const sign = (body: string | Buffer, secret: string) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
const event = String.raw`{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"message":{"text":"\u017e\/"}}]}]}`;

describe('the set-up of a webhook', () => {
  it('our token → the bare challenge; another, none, or no set-up here → 403', async () => {
    const { get } = open();
    const answer = await get('hub.mode=subscribe&hub.verify_token=ours&hub.challenge=1158201444');
    expect([answer.statusCode, answer.body]).toEqual([200, '1158201444']);
    expect(answer.headers['content-type']).toContain('text/plain');
    for (const query of [
      'hub.verify_token=other&hub.mode=subscribe&hub.challenge=1',
      'hub.verify_token=ours&hub.challenge=1',
      '',
    ])
      expect((await get(query)).statusCode).toBe(403);
    expect((await get('hub.mode=subscribe&hub.verify_token=ours&hub.challenge=<script>')).statusCode).toBe(400);
    const closed = open(undefined);
    expect((await closed.get('hub.mode=subscribe&hub.verify_token=&hub.challenge=1')).statusCode).toBe(403);
  });
});

describe('a webhook', () => {
  it('signed with the secret or the one before → received, by the bytes as they came', async () => {
    const { received, post } = open();
    for (const secret of [current, former]) expect((await post(event, sign(event, secret))).statusCode).toBe(200);
    const texts = [String.raw`{"message":{"text":"\u017e\/"}}`];
    const read = { object: 'page', entry: [{ id: '1', messaging: [{ message: { text: 'ž/' } }], texts }] };
    expect(received).toEqual([read, read]);
  });

  it('not signed, signed otherwise or over other bytes → 403, and nothing is received or logged', async () => {
    const { server, received, post } = open();
    const signatures = [
      undefined,
      '',
      sign(event, 'another'),
      sign(JSON.stringify(JSON.parse(event)), current),
      sign(event, current).toUpperCase(),
      sign(event, current).slice(0, -2),
      `sha1=${createHmac('sha1', current).update(event).digest('hex')}`,
    ];
    for (const signature of signatures) expect((await post(event, signature)).statusCode, signature).toBe(403);
    expect(received).toEqual([]);
    expect(server.logged.join()).not.toContain('entry');
    const metrics = (await server.app.inject('/metrics')).body;
    expect(metrics).toMatch(new RegExp(`route="/webhooks/meta",method="POST",status="403"\\} ${signatures.length}`));
  });

  it('of another object → 404; that names no page of ours, or is no JSON → 403; what cannot be kept → 503', async () => {
    const { failing, post } = open();
    const other = '{"object":"instagram","entry":[{"id":1}]}';
    expect((await post(other, sign(other, current))).statusCode).toBe(404);
    for (const body of ['', '{', Buffer.from([0xff, 0xfe]), '{"object":"page","entry":[{"id":"2"}]}', '[]', 'null'])
      expect((await post(body, sign(body, current))).statusCode).toBe(403);
    failing.error = new StoreUnavailable('the disk is full');
    expect((await post(event, sign(event, current))).statusCode).toBe(503);
  });

  it('that names no page of ours, signed with a secret of ours, as Meta’s test events are → 200, and nothing is received', async () => {
    const { received, post } = open();
    const field = { field: 'messages', value: { sender: { id: '12334' }, recipient: { id: '23245' } } };
    const body = (filler = '') =>
      JSON.stringify({ object: 'page', entry: [{ id: '0', time: 1, changes: [field] }], filler });
    expect((await post(body(), sign(body(), current))).statusCode).toBe(200);
    expect((await post(body(), sign(body(), 'another'))).statusCode).toBe(403);
    expect((await post(body())).statusCode).toBe(403);
    const long = body('x'.repeat(limits.strangeWebhookBytesMax));
    expect((await post(long, sign(long, current))).statusCode).toBe(403);
    expect(received).toEqual([]);
  });

  it('of a megabyte → received; a byte more → 413', async () => {
    const { received, post } = open();
    const [head, tail] = ['{"object":"page","entry":[{"id":"1"}],"filler":"', '"}'];
    const filler = 'x'.repeat(limits.metaWebhookBodyBytesMax - head.length - tail.length);
    const body = head + filler + tail;
    expect((await post(body, sign(body, current))).statusCode).toBe(200);
    expect((await post(`${body} `, sign(`${body} `, current))).statusCode).toBe(413);
    expect(received.length).toBe(1);
  });

  it('of a stranger, full of what is dear to parse → 403, and none of it was parsed', async () => {
    const { post } = open();
    const count = 30_000;
    const fillings = {
      lists: Array.from({ length: count }, () => '[]').join(),
      names: `{${Array.from({ length: count }, (_, index) => `"${index.toString(36)}":1`).join()}}`,
      depth: '['.repeat(count) + ']'.repeat(count),
    };
    const parse = vi.spyOn(JSON, 'parse');
    for (const [name, filling] of Object.entries(fillings))
      for (const body of [
        `{"object":"page","entry":[{"id":"1","messaging":[${filling}]}]}`,
        `{"object":"page","entry":[{"id":"1","changes":[${filling}]}],"more":[${filling}]}`,
        `{"object":"page","entry":[${filling}]}`,
        filling,
      ]) {
        expect((await post(body, sign(body, 'another'))).statusCode, name).toBe(403);
        for (const [text] of parse.mock.calls) expect(text.length).toBeLessThanOrEqual(limits.webhookFrameCharsMax);
        parse.mockClear();
      }
  });

  it('signed, with an event of more than any has → the others are received, it is counted; with more events than any body → 403', async () => {
    const { received, lost, post } = open();
    const body = (events: readonly string[]) =>
      `{"object":"page","entry":[{"messaging":[${events.slice(1).join()}],"id":1},{"id":"1","standby":[${events[0]}]}]}`;
    const values = Array.from({ length: limits.metaEventValuesMax + 1 }, () => 0).join();
    const mixed = body(['{"read":{"watermark":2}}', `{"message":{"text":[${values}]}}`, '{"read":{"watermark":1}}']);
    expect((await post(mixed, sign(mixed, current))).statusCode).toBe(200);
    const events = (watermark: number) => {
      const event = { read: { watermark } };
      return { id: '1', messaging: [event], texts: [JSON.stringify(event)] };
    };
    expect(received).toEqual([{ object: 'page', entry: [events(1), events(2)] }]);
    expect(lost.events).toBe(1);
    const many = body(Array.from({ length: limits.metaWebhookEventsMax + 1 }, () => '{}'));
    expect((await post(many, sign(many, current))).statusCode).toBe(403);
    const broken = body(['{"read":{]}', '{}']);
    expect((await post(broken, sign(broken, current))).statusCode).toBe(403);
    expect(received.length).toBe(1);
  });

  it('any body of events → the same receipts by pieces as by parsing it whole', () => {
    const id = fc.constantFrom('1', 2, '', null, 'p');
    const event = fc.record(
      {
        sender: fc.record({ id }),
        recipient: fc.record({ id }),
        timestamp: fc.constantFrom(1, 1_700_000_000_000, 'x'),
        message: fc.record({ is_echo: fc.boolean(), mid: anyText, text: anyText, metadata: anyText }),
        delivery: fc.record({ mids: fc.array(anyText), watermark: fc.nat() }),
        read: fc.record({ watermark: fc.nat() }),
      },
      { requiredKeys: [] },
    );
    const events = fc.oneof(fc.array(fc.oneof(event, fc.jsonValue())), fc.constant(null), fc.constant({}));
    const entry = fc.record(
      { id, time: fc.nat(), messaging: events, standby: events, changes: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const body = fc.record({ object: fc.constantFrom('page', 'user', null), entry: fc.array(entry) });
    const now = 1_800_000_000_000;
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 1), (given, indent) => {
        const text = JSON.stringify(given, undefined, indent);
        const outline = ended(readMetaBody(text));
        const read = outline && ended(readMetaEvents(outline));
        // Beside the receipts of the whole body each echo has what is written.
        const receipts = read && receiptsIn(read.body, now);
        const messages = receipts?.map(one => (one.kind === 'echo' ? JSON.parse(one.text ?? '').message : undefined));
        const whole = receiptsIn(JSON.parse(text), now);
        expect(receipts?.map(one => ({ ...one, text: undefined }))).toEqual(whole);
        expect(messages).toEqual(whole?.map(one => (one.kind === 'echo' ? one.message : undefined)));
      }),
    );
  });
});

function ended<T>(work: Generator<number, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
