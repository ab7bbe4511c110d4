import { afterEach, describe, expect, test, vi } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { defaultRateLimits } from '../../src/http/parts.ts';
import { clientNetwork } from '../../src/http/rate-limit/rate-limit.ts';
import { basic, errorAnswer, logsPath, message, TestServer } from '../support/http-server.ts';

let server: TestServer;
afterEach(async () => {
  vi.useRealTimers();
  await server.app.close();
});

const protectedCalls = [
  ['GET', logsPath],
  ['HEAD', logsPath],
  ['POST', logsPath],
  ['GET', `${logsPath}/export`],
  ['GET', '/messenger/1/messages/m1'],
] as const;

function limited(limits: Partial<typeof defaultRateLimits> & { readonly writesPerMinute?: number }): TestServer {
  return new TestServer({ rateLimits: { ...defaultRateLimits, ...limits } });
}

function budget(answer: { readonly headers: Readonly<Record<string, unknown>> }) {
  const { headers } = answer;
  return [headers['ratelimit-limit'], headers['ratelimit-remaining']];
}

describe('credentials', () => {
  test.each(protectedCalls)('%s %s without any → 401 with a challenge, and no store work', async (method, url) => {
    server = new TestServer();
    const answer = await server.app.inject({ method, url });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('App realm=');
    if (method !== 'HEAD') expect(errorAnswer(answer)).toEqual({ code: 'E401', properties: [] });
    expect(server.store.callCount).toBe(0);
  });

  test.each(protectedCalls)('%s %s with wrong ones → 401 in the words of the vendor', async (method, url) => {
    server = new TestServer();
    const answer = await server.call(url, { method, headers: { authorization: 'App nobody' } });
    expect(answer.statusCode).toBe(401);
    if (method !== 'HEAD')
      expect(answer.json()).toMatchObject({
        description: 'The request lacks valid authentication credentials for the requested resource.',
        action: 'Check the resources and adjust authentication credentials.',
      });
    expect(server.store.callCount).toBe(0);
  });

  test.each([
    ['messenger:logs:read', [200, 403, 200]],
    ['messenger:logs:write', [403, 200, 403]],
    ['messenger:manage', [200, 200, 200]],
  ] as const)('scope %s → read, write, export: %j', async (scope, statuses) => {
    server = new TestServer();
    server.callers.add('scoped', 1, [scope]);
    const headers = { authorization: 'App scoped' };
    const read = await server.call(logsPath, { headers });
    const write = await server.post({ results: [message('m')] }, 'App scoped');
    const exported = await server.call(`${logsPath}/export`, { headers });
    expect([read, write, exported].map(answer => answer.statusCode)).toEqual(statuses);
  });

  test('without the scope → 403 in the words of the vendor, nothing spent and no store work', async () => {
    server = new TestServer();
    server.callers.add('writer', 1, ['messenger:logs:write']);
    const answer = await server.call(logsPath, { headers: { authorization: 'App writer' } });
    expect(answer.json()).toMatchObject({
      errorCode: 'E403',
      description: 'Insufficient permissions to access the requested resource.',
      action: 'Repeat the request with new or different credentials.',
    });
    expect(budget(answer)).toEqual(['1000000', '1000000']);
    expect(server.store.callCount).toBe(0);
  });

  test('bad parameters and bad credentials → 401 and nothing of the parameters', async () => {
    server = new TestServer();
    const answer = await server.call(`${logsPath}?limit=0`, { headers: { authorization: 'App nobody' } });
    expect(errorAnswer(answer)).toEqual({ code: 'E401', properties: [] });
  });

  test('credentials that cannot be checked → 503 with Retry-After', async () => {
    server = new TestServer();
    server.callers.authenticate = () => Promise.reject(new Unavailable('no accounts file', 4000));
    const answer = await server.call(logsPath);
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['retry-after']).toBe('4');
  });
});

describe('the budget of an account', () => {
  test('120 a minute, told by every answer, errors too; then 429 with Retry-After and no store work', async () => {
    server = limited({});
    expect(budget(await server.call(logsPath))).toEqual(['120', '119']);
    expect(budget(await server.call(`${logsPath}?limit=0`))).toEqual(['120', '118']);
    for (let spent = 2; spent < 120; spent++) await server.call(logsPath);
    const before = server.store.callCount;
    const answer = await server.call(logsPath);
    expect(errorAnswer(answer).code).toBe('E429');
    expect(answer.json()).toMatchObject({
      description: 'Too many requests sent.',
      action: 'Check request rate limit specified in the API endpoint documentation resource.',
    });
    expect(budget(answer)).toEqual(['120', '0']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(answer.headers['ratelimit-reset']).toBe(answer.headers['retry-after']);
    expect(server.store.callCount).toBe(before);
  });

  test('its own limit → instead of the common one', async () => {
    server = limited({});
    server.callers.set('small', {
      account: { id: 3, name: 'small', requestsPerMinute: 2 },
      scopes: ['messenger:manage'],
      binding: {},
    });
    const statuses = [];
    for (let at = 0; at < 3; at++)
      statuses.push((await server.call(logsPath, { headers: { authorization: 'App small' } })).statusCode);
    expect(statuses).toEqual([200, 200, 429]);
  });

  test('all its keys → share it; another account → has its own', async () => {
    server = limited({ logsPerMinute: 2 });
    server.callers.add('one as well', 1);
    await server.call(logsPath);
    await server.call(logsPath, { headers: { authorization: 'App one as well' } });
    expect((await server.call(logsPath)).statusCode).toBe(429);
    expect((await server.call(logsPath, { headers: { authorization: 'App two' } })).statusCode).toBe(200);
  });

  test('a minute later → full again', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    server = limited({ logsPerMinute: 1 });
    await server.call(logsPath);
    expect((await server.call(logsPath)).statusCode).toBe(429);
    vi.advanceTimersByTime(60_001);
    expect((await server.call(logsPath)).statusCode).toBe(200);
  });

  test('recording, exports and single messages → never spend what reading the log has', async () => {
    server = limited({ logsPerMinute: 1, readsPerMinute: 2, writesPerMinute: 1 });
    expect(budget(await server.post({ results: [message('m1')] }))).toEqual(['1', '0']);
    expect((await server.post({ results: [message('m2')] })).statusCode).toBe(429);
    expect(budget(await server.call(`${logsPath}/export`))).toEqual(['2', '1']);
    expect(budget(await server.call('/messenger/1/messages/m1'))).toEqual(['2', '0']);
    expect((await server.call(`${logsPath}/export`)).statusCode).toBe(429);
    expect((await server.call(logsPath)).statusCode).toBe(200);
  });

  test('whatever the page reads → spends the budget of the page and no other', async () => {
    server = limited({ logsPerMinute: 1, readsPerMinute: 2, pagePerMinute: 4, writesPerMinute: 1 });
    server.callers.add('page', 1);
    const { pass } = (
      await server.call('/page/pass', { method: 'POST', headers: { authorization: 'App page' } })
    ).json();
    const headers = { authorization: 'App page', 'x-sentlog-page': pass };
    const paths = [logsPath, `${logsPath}/export`, `${logsPath}/summary`, '/messenger/1/messages/m1'];
    for (const [at, path] of paths.entries())
      expect(budget(await server.call(path, { headers }))).toEqual(['4', String(3 - at)]);
    expect((await server.call(logsPath, { headers })).statusCode).toBe(429);
    expect((await server.call(logsPath)).statusCode).toBe(200);
    expect(budget(await server.call(`${logsPath}/summary`))).toEqual(['2', '0']);
    expect((await server.call(`${logsPath}/stream`, { method: 'HEAD' })).statusCode).toBe(429);
    const recorded = await server.call(logsPath, {
      method: 'POST',
      payload: { results: [message('m1')] },
      headers: { ...headers, 'content-type': 'application/json' },
    });
    expect(budget(recorded)).toEqual(['1', '0']);
  });

  test.each([1, 7, 30])(
    'many guesses at once, %d may fail → no more are tried, and the right one behind them is not',
    async most => {
      server = limited({ failedAuthPerMinute: most });
      const guesses = Array.from({ length: 2 * most + 5 }, (_, i) => basic('one', `guess ${i}`));
      const answers = await Promise.all(
        [...guesses, basic('one')].map(authorization => server.call(logsPath, { headers: { authorization } })),
      );
      expect(server.callers.calls).toBe(most);
      expect(answers.map(({ statusCode }) => statusCode)).toEqual([
        ...guesses.slice(0, most).map(() => 401),
        ...guesses.slice(most).map(() => 429),
        429,
      ]);
    },
  );

  test('many right ones at once, one may fail → all let in', async () => {
    server = limited({ failedAuthPerMinute: 1 });
    const calls = Array.from({ length: 50 }, () => server.call(logsPath, { headers: { authorization: basic('one') } }));
    expect((await Promise.all(calls)).every(({ statusCode }) => statusCode === 200)).toBe(true);
  });

  test('whoever only says that it is the page → spends what every program has', async () => {
    server = limited({ logsPerMinute: 3, readsPerMinute: 1, pagePerMinute: 1000 });
    const passOf = async (authorization: string): Promise<string> =>
      (await server.call('/page/pass', { method: 'POST', headers: { authorization } })).json().pass;
    const pass = await passOf('App one');
    const ofAnother = await passOf('App two');
    expect((await server.call('/page/pass', { method: 'POST' })).statusCode).toBe(429);
    expect((await server.app.inject({ method: 'POST', url: '/page/pass' })).statusCode).toBe(401);
    const claims = ['1', '0', '', 'true', ofAnother, pass.slice(1), `${pass}A`, [pass, pass].join(), 'x'.repeat(5000)];
    const answers: number[] = [];
    for (const claim of claims)
      answers.push((await server.call(logsPath, { headers: { 'x-sentlog-page': claim } })).statusCode);
    expect(answers).toEqual([200, 200, 200, ...claims.slice(3).map(() => 429)]);
    expect((await server.call(logsPath, { headers: { 'x-sentlog-page': pass } })).statusCode).toBe(200);
    server.now += 12 * 3_600_000;
    expect((await server.call(logsPath, { headers: { 'x-sentlog-page': pass } })).statusCode).toBe(429);
  });

  test('recording without a limit → no word of one', async () => {
    server = limited({});
    const answer = await server.post({ results: [message('m1')] });
    expect(answer.statusCode).toBe(200);
    expect(budget(answer)).toEqual([undefined, undefined]);
  });
});

describe('failed authentications', () => {
  const wrong = { authorization: 'App nobody' };

  test('too many from one address → 429 there, 401 elsewhere, and every account as it was', async () => {
    server = limited({ failedAuthPerMinute: 3, logsPerMinute: 5 });
    const statuses = [];
    for (let at = 0; at < 5; at++) statuses.push((await server.call(logsPath, { headers: wrong })).statusCode);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const elsewhere = await server.call(logsPath, { headers: wrong, remoteAddress: '192.0.2.7' });
    expect(elsewhere.statusCode).toBe(401);
    expect(budget(elsewhere)).toEqual(['3', '2']);
    expect(budget(await server.call(logsPath))).toEqual(['5', '4']);
  });

  test('too many from one address → its passwords are no longer checked, its keys are', async () => {
    server = limited({ failedAuthPerMinute: 2 });
    for (let at = 0; at < 2; at++) await server.call(logsPath, { headers: { authorization: basic('one', 'guess') } });
    const checked = server.callers.calls;
    const answer = await server.call(logsPath, { headers: { authorization: basic('one') } });
    expect(errorAnswer(answer).code).toBe('E429');
    expect(answer.headers['retry-after']).toBeTypeOf('string');
    expect(server.callers.calls).toBe(checked);
    expect((await server.call(logsPath)).statusCode).toBe(200);
  });

  test('no credentials at all → nothing counted', async () => {
    server = limited({ failedAuthPerMinute: 1 });
    for (let at = 0; at < 4; at++) expect(budget(await server.app.inject({ url: logsPath }))).toEqual(['1', '1']);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
  ])('the address %s → counted as %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });

  test('a connection that is gone → one client with all others that are', () => {
    expect(clientNetwork(undefined)).toBe('');
  });
});
