import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KnownCallers, startOfTest, TestServer } from '../support/http-server.ts';

const path = '/page/session';

/** Knows sessions too, and which of them were ended. */
class Callers extends KnownCallers {
  readonly ended: string[] = [];

  override async authenticate(authorization: string) {
    const [scheme, token = ''] = authorization.split(' ');
    return scheme === 'IBSSO' && !this.ended.includes(token)
      ? super.authenticate(`App ${token}`)
      : super.authenticate(authorization);
  }

  override async endSession(token: string) {
    this.ended.push(token);
    return true;
  }
}

let callers: Callers;
let server: TestServer;

beforeEach(() => {
  callers = new Callers();
  for (const [name, account] of [
    ['one', 1],
    ['two', 2],
  ] as const)
    callers.add(name, account);
  server = new TestServer({ authenticator: callers, trustedProxies: ['127.0.0.1'], clock: () => server.now });
});
afterEach(() => server.app.close());

const asked = (method: 'GET' | 'POST' | 'DELETE', url: string, headers: Readonly<Record<string, string>> = {}) =>
  server.app.inject({ method, url, headers: { host: 'log.example.com', ...headers } });

async function signedIn(authorization: string) {
  const answer = await asked('POST', path, { authorization });
  const told = String(answer.headers['set-cookie']);
  return { told, cookie: told.split(';')[0] ?? '', pass: String(answer.json().pass), status: answer.statusCode };
}

const logs = async (headers: Readonly<Record<string, string>>) =>
  (await asked('GET', '/messenger/1/logs', headers)).statusCode;

describe('signing in', () => {
  test('→ a cookie that no script reads and no other site sends, without the key in it', async () => {
    const { told, status } = await signedIn('App one');
    expect(status).toBe(200);
    expect(told).toMatch(/^sentlog-[0-9a-f]{8}=[\w-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    expect(Buffer.from(told.split(/[=;]/)[1] ?? '', 'base64url').toString()).not.toContain('one');
    const secure = await asked('POST', path, { authorization: 'App one', 'x-forwarded-proto': 'https' });
    expect(String(secure.headers['set-cookie'])).toMatch(/; Secure$/);
    const refused = await asked('POST', path, { authorization: 'App nobody' });
    expect([refused.statusCode, refused.headers['set-cookie']]).toEqual([401, undefined]);
  });
});

describe('a call without a credential', () => {
  test('cookie and pass → let in; one of them, or one of another session → not', async () => {
    const [one, two] = [await signedIn('App one'), await signedIn('App two')];
    const header = (pass: string) => ({ 'x-sentlog-page': pass });
    expect(await logs({ cookie: `a=b; ${one.cookie}`, ...header(one.pass) })).toBe(200);
    expect(await logs({ cookie: one.cookie })).toBe(401);
    expect(await logs(header(one.pass))).toBe(401);
    expect(await logs({ cookie: one.cookie, ...header(two.pass) })).toBe(401);
    expect(await logs({ cookie: one.cookie, ...header('none') })).toBe(401);
    expect(await logs({ cookie: `${one.cookie}x`, ...header(one.pass) })).toBe(401);
    for (const site of ['cross-site', 'same-site', 'none'])
      expect(await logs({ cookie: one.cookie, ...header(one.pass), 'sec-fetch-site': site })).toBe(401);
    expect(await logs({ cookie: one.cookie, ...header(one.pass), 'sec-fetch-site': 'same-origin' })).toBe(200);
  });

  test('after twelve hours, or when the key is revoked → no more', async () => {
    const { cookie, pass } = await signedIn('App one');
    const headers = { cookie, 'x-sentlog-page': pass };
    server.now = startOfTest + 12 * 3_600_000 - 1;
    expect(await logs(headers)).toBe(200);
    callers.remove('one');
    expect(await logs(headers)).toBe(401);
    callers.add('one', 1);
    server.now = startOfTest + 12 * 3_600_000;
    expect(await logs(headers)).toBe(401);
  });

  test('one that brings a credential of its own → goes by that, whatever the cookie', async () => {
    const { cookie, pass } = await signedIn('App one');
    expect(await logs({ cookie, 'x-sentlog-page': pass, authorization: 'App nobody' })).toBe(401);
  });
});

describe('a page that is opened again', () => {
  test('signed in → a new pass; without the header, or signed in no more → nothing', async () => {
    const { cookie } = await signedIn('App one');
    const again = await asked('GET', path, { cookie, 'x-sentlog-page': 'none yet' });
    expect(again.json()).toMatchObject({ account: 'account 1' });
    expect(await logs({ cookie, 'x-sentlog-page': again.json().pass })).toBe(200);
    expect((await asked('GET', path, { cookie })).statusCode).toBe(204);
    expect((await asked('GET', path, { 'x-sentlog-page': 'none yet', authorization: 'App one' })).statusCode).toBe(204);
    callers.remove('one');
    const gone = await asked('GET', path, { cookie, 'x-sentlog-page': 'none yet' });
    expect(gone.statusCode).toBe(204);
    expect(String(gone.headers['set-cookie'])).toContain('Max-Age=0');
  });

  test('signed out → the cookie is gone, and the session of a user is over', async () => {
    const { cookie, pass } = await signedIn('IBSSO two');
    expect(await logs({ cookie, 'x-sentlog-page': pass })).toBe(200);
    const out = await asked('DELETE', path, { cookie, 'x-sentlog-page': 'no more' });
    expect(out.statusCode).toBe(200);
    expect(String(out.headers['set-cookie'])).toContain('Max-Age=0');
    expect(callers.ended).toEqual(['two']);
    expect(await logs({ cookie, 'x-sentlog-page': pass })).toBe(401);
  });

  test('signed out by another site → nothing is ended', async () => {
    const { cookie } = await signedIn('IBSSO two');
    await asked('DELETE', path, { cookie });
    await asked('DELETE', path, { cookie, 'x-sentlog-page': 'x', 'sec-fetch-site': 'cross-site' });
    expect(callers.ended).toEqual([]);
  });
});
