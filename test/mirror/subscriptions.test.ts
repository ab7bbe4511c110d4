import { expect, test } from 'vitest';
import { subscribe, unsubscribe, webhookUrl } from '../../src/mirror/subscriptions.ts';

type Asked = {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | null;
};

/** The Subscriptions API of the other side, as far as it is called. */
function otherSide(refusal?: number) {
  const asked: Asked[] = [];
  const subscriptions = new Map<string, unknown>();
  const answer: typeof fetch = async (input, init) => {
    const { pathname } = new URL(String(input));
    const method = init?.method ?? 'GET';
    const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
    asked.push({ method, path: pathname, body, authorization: new Headers(init?.headers).get('authorization') });
    if (refusal !== undefined) return Response.json({ description: 'Insufficient permissions.' }, { status: refusal });
    const id = pathname.replace(/^.*\/FACEBOOK\/?/, '') || 'sentlog-m';
    if (method === 'POST') subscriptions.set(id, body);
    if (method === 'POST') return Response.json({}, { status: 201 });
    if (!subscriptions.has(id)) return Response.json({}, { status: 404 });
    if (method === 'DELETE') subscriptions.delete(id);
    if (method === 'DELETE') return new Response(null, { status: 204 });
    if (method === 'PUT') subscriptions.set(id, body);
    return Response.json({});
  };
  return { asked, subscriptions, target: { from: 'https://x', key: 'k', name: 'm', fetch: answer } };
}

const webhook = { url: webhookUrl('https://log.example.com/', 'm', 'secret'), user: 'm', password: 'p' };

test('subscribed, again and taken back → one subscription, brought up to date, then none', async () => {
  const { asked, subscriptions, target } = otherSide();
  await subscribe(target, webhook);
  const wanted = {
    subscriptionId: 'sentlog-m',
    events: ['DELIVERY', 'SEEN'],
    profile: {
      webhook: { notifyUrl: 'https://log.example.com/webhooks/infobip/m/secret', contentType: 'application/json' },
      security: { type: 'BASIC', credentials: { username: 'm', password: 'p' } },
    },
  };
  expect([...subscriptions]).toMatchObject([['sentlog-m', wanted]]);
  await subscribe(target, { ...webhook, password: 'new' });
  expect([...subscriptions]).toMatchObject([
    ['sentlog-m', { profile: { security: { credentials: { password: 'new' } } } }],
  ]);
  expect(await unsubscribe(target)).toBe(true);
  expect(await unsubscribe(target)).toBe(false);
  expect(subscriptions.size).toBe(0);
  for (const { path, authorization } of asked) {
    expect(path).toMatch(/^\/subscriptions\/1\/subscription\/FACEBOOK(?:\/sentlog-m)?$/);
    expect(authorization).toBe('App k');
  }
});

test('a key that may not → refused with what it lacks', async () => {
  const { target } = otherSide(403);
  await expect(subscribe(target, webhook)).rejects.toThrow(
    'the other side answered 403: Insufficient permissions.; its key needs the scope subscriptions:manage',
  );
});

test('an address of this server without TLS → refused but for hosts near by: the other side would tell the secret in the clear', () => {
  expect(() => webhookUrl('http://log.example.com', 'm', 's')).toThrow('it begins with https');
  for (const near of ['http://127.0.0.1:8080', 'http://sentlog.internal', 'https://log.example.com'])
    expect(webhookUrl(near, 'm', 's')).toBe(`${near}/webhooks/infobip/m/s`);
});

test.each(['log.example.com', 'ftp://x'])('%s as the address of this server → refused', address => {
  expect(() => webhookUrl(address, 'm', 's')).toThrow('is not an address like https://log.example.com');
});
