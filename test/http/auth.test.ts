import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultRateLimits } from '../../src/http/parts.ts';
import { basic, errorAnswer, passwordOf, TestServer } from '../support/http-server.ts';

const tokenPath = '/auth/1/oauth2/token';
const sessionPath = '/auth/1/session';

let server: TestServer;
beforeEach(() => {
  server = new TestServer({ rateLimits: { ...defaultRateLimits, failedAuthPerMinute: 4 } });
});
afterEach(() => server.app.close());

const asForm = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

function askToken(payload: string | Buffer, type = 'application/x-www-form-urlencoded') {
  return server.app.inject({ method: 'POST', url: tokenPath, payload, headers: { 'content-type': type } });
}

function logIn(payload: string, type = 'application/json') {
  return server.app.inject({ method: 'POST', url: sessionPath, payload, headers: { 'content-type': type } });
}

describe(`POST ${tokenPath}`, () => {
  const good = { client_id: 'one', client_secret: passwordOf('one'), grant_type: 'client_credentials' };

  test('client credentials → a token', async () => {
    const answer = await askToken(asForm(good), 'application/x-www-form-urlencoded;charset=UTF-8');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ access_token: 'token-of-one', token_type: 'Bearer', expires_in: 3600 });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test.each<[string, string, Record<string, string>, string]>([
    ['fields of the query, as the SDK of the vendor', `?${asForm(good)}`, {}, ''],
    [
      'fields here and there',
      `?client_id=one`,
      {},
      asForm({ client_secret: good.client_secret, grant_type: good.grant_type }),
    ],
    ['HTTP Basic', '', { authorization: basic('one') }, 'grant_type=client_credentials'],
    [
      'HTTP Basic and its id once more',
      '',
      { authorization: basic('one') },
      asForm({ ...good, client_secret: '' }).replace('client_secret=&', ''),
    ],
    ['a form beside another Authorization', '', { authorization: 'App x' }, asForm(good)],
    ['a form beside HTTP Basic of another', '', { authorization: basic('two', 'x') }, asForm(good)],
  ])('%s → a token', async (_what, query, headers, payload) => {
    const url = `${tokenPath}${query}`;
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.app.inject({ method: 'POST', url, payload, headers: { ...type, ...headers } });
    expect(answer.json()).toMatchObject({ access_token: 'token-of-one' });
    expect(server.logged.join()).not.toContain(good.client_secret);
  });

  test('fields of the query and no body at all → a token', async () => {
    const answer = await server.app.inject({ method: 'POST', url: `${tokenPath}?${asForm(good)}` });
    expect(answer.json()).toMatchObject({ access_token: 'token-of-one' });
  });

  test('HTTP Basic and the id of another → 400 that names it', async () => {
    const payload = 'grant_type=client_credentials&client_id=two';
    const headers = { authorization: basic('one'), 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.app.inject({ method: 'POST', url: tokenPath, payload, headers });
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['client_id'] });
  });

  test('a user name and password in HTTP Basic → as they stand, and decoded as a form', async () => {
    const asked: string[][] = [];
    server.callers.issueToken = async (id, secret) => {
      asked.push([id, secret]);
      return undefined;
    };
    const headers = { authorization: basic('a%3Ab+c', 'p&100%'), 'content-type': 'application/x-www-form-urlencoded' };
    const payload = 'grant_type=client_credentials';
    const answer = await server.app.inject({ method: 'POST', url: tokenPath, payload, headers });
    expect(errorAnswer(answer).code).toBe('E401');
    expect(asked).toEqual([
      ['a:b c', 'p&100%'],
      ['a%3Ab+c', 'p&100%'],
    ]);
  });

  test.each([
    ['the id in query and form', '?client_id=one', asForm(good), ['client_id']],
    ['another parameter', '?code=1', asForm(good), ['code']],
    ['HTTP Basic without a grant', '', '', ['client_id', 'client_secret', 'grant_type']],
  ])('%s → 400 that repeats no secret', async (_what, query, payload, properties) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.app.inject({ method: 'POST', url: `${tokenPath}${query}`, payload, headers });
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties });
    expect(answer.body).not.toContain(good.client_secret);
  });

  test('a wrong secret → 401 with a challenge', async () => {
    const answer = await askToken(asForm({ ...good, client_secret: 'x' }));
    expect(errorAnswer(answer).code).toBe('E401');
    expect(answer.headers['www-authenticate']).toBeTypeOf('string');
  });

  test.each<[string, string | Buffer, string[]]>([
    ['nothing', '', ['client_id', 'client_secret', 'grant_type']],
    ['another grant', asForm({ ...good, grant_type: 'password' }), ['grant_type']],
    ['an id twice', `${asForm(good)}&client_id=two`, ['client_id']],
    ['a secret without end', asForm({ ...good, client_secret: 'x'.repeat(2000) }), ['client_secret']],
    ['bytes that are not UTF-8', Buffer.from([0x61, 0xff]), ['body']],
  ])('%s → 400', async (_what, body, properties) => {
    expect(errorAnswer(await askToken(body))).toEqual({ code: 'E400', properties });
    expect(server.callers.calls).toBe(0);
  });

  test('JSON → 415; a body without end → 413', async () => {
    expect(errorAnswer(await askToken(JSON.stringify(good), 'application/json')).code).toBe('E415');
    expect(errorAnswer(await askToken('x'.repeat(20_000))).code).toBe('E413');
  });
});

describe(sessionPath, () => {
  test('POST a name and its password → a token, which DELETE ends', async () => {
    const answer = await logIn(JSON.stringify({ username: 'one', password: passwordOf('one') }));
    expect(answer.json()).toEqual({ token: 'session-of-one' });
    const ended = await server.app.inject({
      method: 'DELETE',
      url: sessionPath,
      headers: { authorization: `IBSSO ${answer.json().token}` },
    });
    expect(ended.statusCode).toBe(200);
    expect(ended.body).toBe('');
    expect(ended.headers['content-type']).toBeUndefined();
  });

  test.each([undefined, 'App one', 'IBSSO', 'IBSSO gone'])('DELETE with %s → 401', async authorization => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await server.app.inject({ method: 'DELETE', url: sessionPath, headers });
    expect(errorAnswer(answer).code).toBe('E401');
  });

  test.each([
    ['not JSON', '{"password":"hunter2",', ['body']],
    ['null', 'null', ['username', 'password']],
    ['no password', '{"username":"one"}', ['password']],
    ['numbers', '{"username":1,"password":2}', ['username', 'password']],
  ])('POST %s → 400 that repeats no secret', async (_what, body, properties) => {
    const answer = await logIn(body);
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties });
    expect(answer.body).not.toContain('hunter2');
  });

  test('guesses → counted by address; beyond the limit nothing is checked, right or wrong', async () => {
    const guess = JSON.stringify({ username: 'one', password: 'guess' });
    for (let at = 0; at < 4; at++) expect((await logIn(guess)).statusCode).toBe(401);
    const checked = server.callers.calls;
    const right = JSON.stringify({ username: 'one', password: passwordOf('one') });
    for (const body of [guess, right]) {
      const answer = await logIn(body);
      expect(errorAnswer(answer).code).toBe('E429');
      expect(answer.headers['retry-after']).toBeTypeOf('string');
    }
    expect(server.callers.calls).toBe(checked);
    expect((await askToken('client_id=one&client_secret=x&grant_type=client_credentials')).statusCode).toBe(429);
    // Who is signed in signs out all the same: the token of a session cannot be guessed.
    const signOut = async (token: string) => {
      const headers = { authorization: `IBSSO ${token}` };
      return (await server.app.inject({ method: 'DELETE', url: sessionPath, headers })).statusCode;
    };
    expect(await signOut('session-of-one')).toBe(200);
    expect(await signOut('gone')).toBe(429);
  });

  test('no secret → in the log', async () => {
    await logIn(JSON.stringify({ username: 'one', password: passwordOf('one') }));
    await askToken('client_id=one&client_secret=verysecret&grant_type=client_credentials');
    await server.app.inject({
      method: 'POST',
      url: `${tokenPath}?client_id=one&client_secret=querysecret&grant_type=x`,
    });
    await server.call('/messenger/1/logs?sender=someone', { headers: { authorization: 'App topsecret' } });
    const log = server.logged.join();
    expect(log).toContain('answered');
    for (const secret of [passwordOf('one'), 'verysecret', 'querysecret', 'topsecret', 'someone', 'session-of'])
      expect(log).not.toContain(secret);
  });
});
