import { describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import { simulatedMessage } from '../../simulator/messages.ts';
import { WebhookTraffic } from '../../simulator/webhook-traffic.ts';
import { MirrorError } from '../../src/mirror/rows.ts';
import { subscribe, unsubscribe, webhookUrl } from '../../src/mirror/subscriptions.ts';

const webhook = { url: webhookUrl('https://log.example.com/', 'm', 'secret'), user: 'm', password: 'p' };

/** The other side, all of whose webhooks are noted as they arrive, and what it has to tell of one message. */
function otherSide() {
  const sentAt = Date.parse('2026-03-01T12:00:00Z');
  const infobip = new SimulatedInfobip({ seed: 's', clock: () => sentAt, keys: ['k'] });
  const arrived: { readonly url: string; readonly authorization: string | null; readonly body: string }[] = [];
  const receiver: typeof fetch = async (input, init) => {
    const authorization = new Headers(init?.headers).get('authorization');
    arrived.push({ url: String(input), authorization, body: String(init?.body) });
    return new Response();
  };
  const post = (body: string, event: 'DELIVERY' | 'SEEN') => infobip.subscriptions.tell(event, body, receiver);
  const random = new Random('a message that is seen');
  const messages = Array.from({ length: 20 }, (_, i) => simulatedMessage({ messageId: `m${i}`, sentAt }, random));
  const message = messages.find(one => one.seenAt !== undefined);
  if (message === undefined) throw new Error('nobody saw a message');
  /** What arrives of all that becomes of the message. */
  const told = async () => {
    arrived.length = 0;
    const webhooks = new WebhookTraffic({ random, repeats: 0, post });
    webhooks.add(message);
    await webhooks.until(Number.POSITIVE_INFINITY);
    return arrived;
  };
  const target = { from: 'https://x', key: 'k', name: 'm', fetch: infobip.fetch };
  return { infobip, target, told, changes: message.states.length };
}

const basic = (password: string) => `Basic ${Buffer.from(`m:${password}`).toString('base64')}`;

test('subscribed, again elsewhere and taken back → told once of every change where it was last, then of none, and nothing is left', async () => {
  const { infobip, target, told, changes } = otherSide();
  expect(await told()).toEqual([]);
  await subscribe(target, webhook);
  const first = await told();
  expect(first).toHaveLength(changes);
  expect(first.some(({ body }) => body.includes('"seenAt"'))).toBe(true);
  for (const one of first) expect(one).toMatchObject({ url: webhook.url, authorization: basic('p') });
  const moved = { ...webhook, url: webhookUrl('https://new.example.com', 'm', 'other'), password: 'new' };
  await subscribe(target, moved);
  const then = await told();
  expect(then).toHaveLength(changes);
  for (const one of then) expect(one).toMatchObject({ url: moved.url, authorization: basic('new') });
  expect(await unsubscribe(target)).toBe(true);
  expect(await told()).toEqual([]);
  expect(infobip.subscriptions.size).toBe(0);
  expect(await unsubscribe(target)).toBe(false);
});

test('an address and credentials that a subscription of before left behind → brought up to date', async () => {
  const { target, told } = otherSide();
  await subscribe(target, webhook);
  const path = 'https://x/subscriptions/1/subscription/FACEBOOK/sentlog-m';
  await target.fetch(path, { method: 'DELETE', headers: { authorization: 'App k' } });
  await subscribe(target, { ...webhook, password: 'new' });
  expect((await told())[0]).toMatchObject({ authorization: basic('new') });
});

describe('the other side refuses', () => {
  test('a key that it does not know → told so', async () => {
    const { target } = otherSide();
    await expect(subscribe({ ...target, key: 'other' }, webhook)).rejects.toThrow('the other side answered 401: ');
  });

  test('what it cannot take → which of it, and why', async () => {
    const { target } = otherSide();
    await expect(subscribe(target, { ...webhook, url: 'nowhere' })).rejects.toThrow(
      'the other side answered 400: Bad request, webhook.notifyUrl: must be a URL of at most 512 characters',
    );
  });

  test.each([
    ['an answer without end', () => new Response('x'.repeat(10_000_000)), 'the answer is longer than'],
    ['no answer', () => Promise.reject(new TypeError('fetch failed', { cause: new Error('reset') })), 'reached: reset'],
    ['an answer that breaks off', () => new Response(broken()), 'the other side cannot be reached'],
    [
      'an answer that steers terminals',
      () => Response.json({ description: 'a\u001b[2Jb\u202ec' }, { status: 500 }),
      'a [2Jb c',
    ],
  ])('%s → one line that says so', async (_, fetch, told) => {
    const { target } = otherSide();
    const subscribing = subscribe({ ...target, fetch: async () => fetch() }, webhook);
    await expect(subscribing).rejects.toBeInstanceOf(MirrorError);
    await expect(subscribing).rejects.toThrow(told);
  });

  test('a key that may not → what it lacks', async () => {
    const requestError = { serviceException: { messageId: 'FORBIDDEN', text: 'Forbidden' } };
    const { target } = otherSide();
    const refusing = { ...target, fetch: async () => Response.json({ requestError }, { status: 403 }) };
    await expect(subscribe(refusing, webhook)).rejects.toThrow(
      'the other side answered 403: Forbidden; its key needs the scope subscriptions:manage',
    );
  });
});

test('an address of this server without TLS → refused but for hosts near by: the other side would tell the secret in the clear', () => {
  expect(() => webhookUrl('http://log.example.com', 'm', 's')).toThrow('it begins with https');
  for (const near of ['http://127.0.0.1:8080', 'http://sentlog.internal', 'https://log.example.com'])
    expect(webhookUrl(near, 'm', 's')).toBe(`${near}/webhooks/infobip/m/s`);
});

test.each(['log.example.com', 'ftp://x'])('%s as the address of this server → refused', address => {
  expect(() => webhookUrl(address, 'm', 's')).toThrow('is not an address like https://log.example.com');
});

function broken(): ReadableStream {
  return new ReadableStream({ start: controller => controller.error(new TypeError('terminated')) });
}
