import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { type SimulatedMessage, shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { deliveryJson, deliveryXml, seenJson, simulatedReport } from '../../simulator/webhooks.ts';
import { figuresOf, type MirrorFigures } from '../../src/mirror/figures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import { type ReceptionOptions, WebhookReception } from '../../src/mirror/reception.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Secrets } from '../../src/secrets.ts';
import { logsPath, startOfTest, TestServer } from '../support/http-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { WatchedStore } from '../support/watched-store.ts';
import { webhookReports } from '../support/webhook-reports.ts';

const [secret, older] = ['s'.repeat(32), 'o'.repeat(32)];
const hour = 3_600_000;

let server: TestServer;
let mirrors: Mirrors;
let webhooks: WebhookReception;
let options: ReceptionOptions;
let paths: readonly string[];
let passwords: readonly string[];
let figures: readonly MirrorFigures[];

beforeEach(async () => {
  const rows = new SqliteMirrorRows(':memory:');
  mirrors = new Mirrors(rows, new Secrets([secret, older]), () => startOfTest);
  const mirror = await mirrors.add({ name: 'm', account: 1, from: 'https://x', key: 'k' });
  figures = [await figuresOf(mirror, rows, startOfTest, { ...mirror, retentionMs: 48 * hour })];
  const store = new WatchedStore(new MemoryStore());
  const fixed = { clock: () => startOfTest, retentionOf: () => 48 * hour, figures: () => figures };
  options = { mirrors, rows, store, ...fixed, note: () => {} };
  webhooks = new WebhookReception(options);
  server = new TestServer({ store, webhooks });
  ({ paths, passwords } = mirrors.webhookSecrets(mirror));
});
afterEach(async () => {
  await server.app.close();
  await webhooks.close();
  await mirrors.close();
});

const basic = (user: string, password = '') => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

function send(
  body: string,
  {
    path = paths[0],
    authorization,
    type = 'application/json',
  }: { path?: string | undefined; authorization?: string; type?: string } = {},
) {
  const url = `/webhooks/infobip/m${path === undefined ? '' : `/${path}`}`;
  const headers = { 'content-type': type, ...(authorization !== undefined && { authorization }) };
  return server.app.inject({ method: 'POST', url, payload: body, headers });
}

const message = (number: number) =>
  simulatedMessage(
    { messageId: `m${number}`, sentAt: startOfTest - hour, pace: 0.01 },
    new Random(`webhook ${number}`),
  );

/** The message as the mirror first read it. */
async function recorded(one: SimulatedMessage): Promise<SimulatedMessage> {
  await server.record([shownAt(one, one.sentAt)]);
  return one;
}

async function log(messageId: string) {
  const { results } = (await server.call(`${logsPath}?messageId=${messageId}`)).json();
  return results[0];
}

describe('proof', () => {
  const empty = deliveryJson([]);

  test('the secret of the path, Basic credentials or both, of either secret of the operator → taken', async () => {
    for (const [i, path] of paths.entries()) {
      const authorization = basic('m', passwords[i]);
      expect((await send(empty, { path })).statusCode).toBe(200);
      expect((await send(empty, { path, authorization })).statusCode).toBe(200);
      const url = { method: 'POST', url: '/webhooks/infobip/m', payload: empty } as const;
      const headers = { 'content-type': 'application/json', authorization };
      expect((await server.app.inject({ ...url, headers })).statusCode).toBe(200);
    }
  });

  test('none, a wrong one, a wrong one beside a right one, or a mirror that is not there → one and the same 401', async () => {
    const without = (url: string, authorization?: string) =>
      server.app.inject({
        method: 'POST',
        url,
        payload: empty,
        headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      });
    const answers = [
      await without('/webhooks/infobip/m'),
      await without('/webhooks/infobip/other/x'),
      await send(empty, { path: 'wrong' }),
      await send(empty, { authorization: basic('m', 'wrong') }),
      await send(empty, { authorization: basic('other', passwords[0]) }),
      await send(empty, { path: 'wrong', authorization: basic('m', passwords[0]) }),
      await send(empty, { authorization: 'App one' }),
    ];
    // The link to the description is that of the path which was called.
    const told = ({ body }: { readonly body: string }) => ({ ...JSON.parse(body), resources: [] });
    for (const answer of answers) expect([answer.statusCode, told(answer)]).toEqual([401, told(answers[0] ?? answer)]);
  });

  test('the mirror is removed while a body comes → 401, and nothing of it is kept', async () => {
    const one = await recorded(message(1));
    const before = await log(one.messageId);
    const body = deliveryJson([simulatedReport(one, startOfTest)]);
    const slow = Readable.from(
      (async function* () {
        yield body.slice(0, 20);
        // The figures still have it: they wait for the mirror to end.
        await mirrors.remove('m');
        yield body.slice(20);
      })(),
    );
    const headers = { 'content-type': 'application/json' };
    const url = `/webhooks/infobip/m/${paths[0]}`;
    expect((await server.app.inject({ method: 'POST', url, payload: slow, headers })).statusCode).toBe(401);
    expect(await log(one.messageId)).toEqual(before);
  });

  test('a body that is none → 400 with the reason, 415 for another type', async () => {
    expect((await send('{')).json()).toMatchObject({
      errorCode: 'E400',
      violations: [{ property: 'body', violation: expect.stringMatching(/^is not JSON/) }],
    });
    expect((await send('x', { type: 'text/plain' })).statusCode).toBe(415);
    expect((await send('x'.repeat(4 * 1024 * 1024 + 1))).statusCode).toBe(413);
  });
});

describe('reports', () => {
  test('delivery and seen, in any order, twice, JSON and XML → the log as the other side has it, each once', async () => {
    for (let number = 0; number < 20; number++) {
      const one = await recorded(message(number));
      const { messageId, sentAt } = one;
      const whole = simulatedReport(one, startOfTest);
      const early = simulatedReport(one, sentAt + 700);
      const bodies = [
        { body: deliveryXml([whole]), type: 'application/xml' },
        { body: deliveryJson([early, whole]), type: 'application/json' },
        {
          body: seenJson([{ messageId, from: 'p', to: 's', sentAt, seenAt: sentAt + 5000 }]),
          type: 'application/json',
        },
      ];
      const random = new Random(`order ${number}`);
      for (const { body, type } of [...bodies, ...bodies].toSorted(() => random.next() - 0.5))
        expect((await send(body, { type })).statusCode).toBe(200);
      expect(await log(messageId)).toEqual(JSON.parse(JSON.stringify(shownAt(one, startOfTest))));
      const history = (await server.call(`/messenger/1/messages/${messageId}`)).json();
      expect(history.seenAt).toBe(new Date(sentAt + 5000).toISOString().replace('Z', '+0000'));
    }
  });

  test('before the mirror has read the message → waits for it, and is in the log with it', async () => {
    const one = message(3);
    const seenAt = one.sentAt + 5000;
    expect((await send(deliveryJson([simulatedReport(one, startOfTest)]))).statusCode).toBe(200);
    const seen = { messageId: one.messageId, from: 'p', to: 's', sentAt: one.sentAt, seenAt };
    expect((await send(seenJson([seen]))).statusCode).toBe(200);
    expect(await log(one.messageId)).toBeUndefined();
    await recorded(one);
    expect(await log(one.messageId)).toEqual(JSON.parse(JSON.stringify(shownAt(one, startOfTest))));
    const history = (await server.call(`/messenger/1/messages/${one.messageId}`)).json();
    expect(history.seenAt).toBe(new Date(seenAt).toISOString().replace('Z', '+0000'));
  });

  test('what is final is still followed, and to end that takes long → answered at once; closing waits for it', async () => {
    const one = await recorded(message(2));
    const ending = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<readonly string[]>();
    const rows = {
      mirrors: () => options.rows.mirrors(),
      unfollow: async (_: number, messageIds: readonly string[]) => {
        begun.resolve(messageIds);
        await ending.promise;
      },
    };
    const slow = new WebhookReception({ ...options, rows });
    const [mirror] = options.figures();
    if (mirror === undefined) throw new Error('no mirror');
    const last = simulatedReport(one, startOfTest);
    await slow.take(mirror, webhookReports(deliveryJson([last]), 'json'));
    expect(await log(one.messageId)).toEqual(JSON.parse(JSON.stringify(shownAt(one, startOfTest))));
    let isClosed = false;
    const closed = slow.close().then(() => {
      isClosed = true;
    });
    expect(await begun.promise).toEqual([one.messageId]);
    expect(isClosed).toBe(false);
    ending.resolve();
    await closed;
  });

  test('the store cannot keep them now → 503, so that they are sent again', async () => {
    const one = await recorded(message(1));
    await server.store.close();
    const answer = await send(deliveryJson([simulatedReport(one, startOfTest)]));
    expect(answer.statusCode).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('a report that is wrong in itself beside others → they are taken, and it is not asked for again', async () => {
    const one = await recorded(message(1));
    const ahead = {
      ...simulatedReport(one, startOfTest),
      messageId: one.messageId,
      doneAt: '2033-01-01T00:00:00.000+0000',
    };
    expect((await send(deliveryJson([ahead, simulatedReport(one, startOfTest)]))).statusCode).toBe(200);
    expect(await log(one.messageId)).toEqual(JSON.parse(JSON.stringify(shownAt(one, startOfTest))));
  });
});
