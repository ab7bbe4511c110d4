import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedMirrors, ManagedSenders } from '../../src/http/parts.ts';
import { limits } from '../../src/limits.ts';
import { figuresOf } from '../../src/mirror/figures.ts';
import { Mirrors } from '../../src/mirror/mirrors.ts';
import { MirrorError } from '../../src/mirror/rows.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Secrets } from '../../src/secrets.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { Senders } from '../../src/senders/senders.ts';
import { errorAnswer, startOfTest, TestServer } from '../support/http-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const secret = 'a secret that is long enough to be one';
const otherKey = 'key-of-the-other-side';
const token = 'token-of-the-page';
const appSecret = 'secret-of-the-app';
const mirrorsPath = '/manage/1/mirrors';
const sendersPath = '/manage/1/senders';

let server: TestServer;
let mirrors: Mirrors;
let kept: Senders;
/** Mirrors whose check has been begun. */
let checked: Set<number>;

beforeEach(() => open([secret]));
afterEach(() => server.app.close());

function open(secrets: readonly string[]): void {
  const now = () => startOfTest;
  checked = new Set();
  const rows = new SqliteMirrorRows(':memory:');
  mirrors = new Mirrors(rows, new Secrets(secrets), now);
  const managedMirrors: ManagedMirrors = {
    mirrors,
    figures: one => figuresOf(one, rows, startOfTest, { ...one, retentionMs: 48 * 3_600_000 }),
    hosts: ['api.infobip.com', '127.0.0.1:8081'],
    checks: {
      begin: ({ id }) => {
        if (checked.has(id)) throw new MirrorError('the mirror is being checked');
        checked.add(id);
      },
      state: id => ({ isRunning: checked.has(id) }),
      end: id => checked.delete(id),
    },
  };
  const senders = new Senders(new SqliteSenderRows(join(temporaryFolder(), 'senders.db')), new Secrets(secrets), now);
  kept = senders;
  const managedSenders: ManagedSenders = {
    senders,
    check: async ({ page }) => (page === '2' ? 'HTTP 400: no' : undefined),
  };
  const sending = { accept: async () => [], paused: () => [{ account: 2, sender: '1', reason: 'revoked' }] };
  server = new TestServer({ managedMirrors, managedSenders, sending });
  server.app.addHook('onClose', async () => {
    await mirrors.close();
    await senders.close();
  });
}

async function asked(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, authorization = 'App one') {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
  const headers = { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const answer = await server.call(path, { method, headers, ...payload });
  for (const hidden of [otherKey, token, appSecret, 'sealed1']) expect(answer.body).not.toContain(hidden);
  return answer;
}

const mirror = { from: 'https://xyz.api.infobip.com', key: otherKey, name: 'eu' };

describe('mirrors', () => {
  test('added, paused, resumed with another key, removed → each shown, by its figures', async () => {
    const made = (await asked('POST', mirrorsPath, { ...mirror, requestsPerMinute: 30, sinceHours: 2 })).json();
    expect(made).toEqual({
      name: expect.stringMatching(/^eu-[0-9a-z]{5}$/),
      from: mirror.from,
      isBeingChecked: false,
      createdAt: '2023-02-02T12:00:00.000+0000',
      requestsPerMinute: 30,
      state: 'starting',
      requestsUsed: 0,
      requestsLeft: 30,
      followed: 0,
      gaps: [],
      recorded: 0,
      changed: 0,
      refused: 0,
      flawed: 0,
      unsettled: 0,
      statusesLate: 0,
    });
    expect((await asked('GET', mirrorsPath)).json()).toEqual({ mirrors: [made] });
    const path = `${mirrorsPath}/${made.name}`;
    expect((await asked('POST', `${path}/pause`)).json()).toMatchObject({
      state: 'paused',
      reason: 'paused on the page',
    });
    expect((await asked('POST', `${path}/resume`, { key: 'another' })).json()).toMatchObject({ state: 'starting' });
    expect(mirrors.key(await mirrors.mirror(made.name))).toBe('another');
    expect((await asked('DELETE', path)).statusCode).toBe(204);
    expect((await asked('GET', mirrorsPath)).json()).toEqual({ mirrors: [] });
  });

  test('a check → begun once, of the own mirror alone, and told while it runs', async () => {
    const { name, isBeingChecked } = (await asked('POST', mirrorsPath, mirror)).json();
    expect(isBeingChecked).toBe(false);
    const path = `${mirrorsPath}/${name}/check`;
    expect((await asked('POST', path, undefined, 'App two')).statusCode).toBe(404);
    expect((await asked('POST', path)).json()).toMatchObject({ name, isBeingChecked: true });
    expect(errorAnswer(await asked('POST', path))).toEqual({ code: 'E400', properties: ['mirror'] });
    expect((await asked('GET', mirrorsPath)).json().mirrors).toMatchObject([{ name, isBeingChecked: true }]);
    expect((await asked('POST', `${mirrorsPath}/${name}/pause`)).json()).toMatchObject({ name, isBeingChecked: false });
    await asked('POST', `${mirrorsPath}/${name}/resume`, {});
    await asked('POST', path);
    expect(checked.size).toBe(1);
    await asked('DELETE', `${mirrorsPath}/${name}`);
    expect(checked.size).toBe(0);
  });

  test('a name that another account has taken → taken all the same; its mirror is not there for this one', async () => {
    const { name } = (await asked('POST', mirrorsPath, mirror)).json();
    expect((await asked('POST', mirrorsPath, { ...mirror, name }, 'App two')).statusCode).toBe(200);
    for (const [method, path] of [
      ['POST', `/${name}/pause`],
      ['DELETE', `/${name}`],
    ] as const)
      expect((await asked(method, mirrorsPath + path, undefined, 'App two')).statusCode).toBe(404);
    expect((await asked('GET', mirrorsPath)).json().mirrors).toHaveLength(1);
  });

  test('as many as an account may have → 400 that says so; another account has its own', async () => {
    const add = (authorization: string) => asked('POST', mirrorsPath, mirror, authorization);
    for (let i = 0; i < limits.managedMirrorsMax; i++) expect((await add('App one')).statusCode).toBe(200);
    expect(errorAnswer(await add('App one'))).toEqual({ code: 'E400', properties: ['mirror'] });
    expect((await add('App two')).statusCode).toBe(200);
  });

  test('a host that may not be mirrored, written in any way → 400, and nothing is asked there', async () => {
    for (const from of [
      'http://169.254.169.254/latest',
      'http://127.0.0.1:8080',
      'http://127.0.0.1',
      'https://api.infobip.com.example.com',
      'https://xapi.infobip.com',
      'https://api.infobip.com@example.com',
      'https://example.com/?api.infobip.com',
      'file:///etc/passwd',
      'nonsense',
    ])
      expect(errorAnswer(await asked('POST', mirrorsPath, { ...mirror, from }))).toEqual({
        code: 'E400',
        properties: ['from'],
      });
    for (const from of ['https://api.infobip.com', 'https://XYZ.api.infobip.com/', 'http://127.0.0.1:8081'])
      expect((await asked('POST', mirrorsPath, { ...mirror, from })).statusCode).toBe(200);
  });

  test('bodies that do not fit → 400 with every violation', async () => {
    const flawed = { from: 7, key: 'with space', sinceHours: 49, more: 1 };
    expect(errorAnswer(await asked('POST', mirrorsPath, flawed)).properties.sort()).toEqual([
      'from',
      'key',
      'more',
      'sinceHours',
    ]);
    expect(errorAnswer(await asked('POST', mirrorsPath, {})).properties).toEqual(['from', 'key']);
    expect(
      (
        await server.call(mirrorsPath, {
          method: 'POST',
          payload: '{',
          headers: { 'content-type': 'application/json' },
        })
      ).statusCode,
    ).toBe(400);
    expect((await server.call(mirrorsPath, { method: 'POST', payload: 'a=b' })).statusCode).toBe(415);
  });

  test('a server without a secret → 400 that says what to set', async () => {
    await server.app.close();
    open([]);
    const answer = await asked('POST', mirrorsPath, mirror);
    expect(errorAnswer(answer).properties).toEqual(['server']);
    expect(answer.body).toContain('SENTLOG_SECRET');
  });
});

describe('senders', () => {
  const sender = {
    page: '1',
    name: 'Harbour Coffee',
    token,
    appSecret,
    price: { pricePerMessage: 0.1, currency: 'EUR' },
  };

  test('added, checked, removed → shown without their token; one of another account is not there', async () => {
    const made = (await asked('POST', sendersPath, sender)).json();
    expect(made).toEqual({
      page: '1',
      name: 'Harbour Coffee',
      price: { pricePerMessage: 0.1, currency: 'EUR' },
      isWatched: false,
      sends: true,
      changedAt: '2023-02-02T12:00:00.000+0000',
    });
    const watched = { page: '3', appSecret, isWatched: true };
    expect((await asked('POST', sendersPath, watched)).json()).toMatchObject({ isWatched: true, sends: false });
    expect(errorAnswer(await asked('POST', sendersPath, { page: '4', appSecret })).properties).toEqual(['sender']);
    const unsent = { page: '3', failure: 'it has no token: it is only watched' };
    expect((await asked('POST', `${sendersPath}/3/check`)).json()).toEqual(unsent);
    expect((await asked('DELETE', `${sendersPath}/3`)).statusCode).toBe(204);
    await asked('POST', sendersPath, { ...sender, page: '2' });
    expect((await asked('POST', `${sendersPath}/1/check`)).json()).toEqual({ page: '1' });
    expect((await asked('POST', `${sendersPath}/2/check`)).json()).toEqual({ page: '2', failure: 'HTTP 400: no' });
    expect((await asked('POST', `${sendersPath}/1/check`, undefined, 'App two')).statusCode).toBe(404);
    expect((await asked('DELETE', `${sendersPath}/2`)).statusCode).toBe(204);
    expect((await asked('GET', sendersPath)).json()).toEqual({ senders: [made] });
    expect((await asked('GET', sendersPath, undefined, 'App two')).json()).toEqual({ senders: [] });
  });

  test('a page that cannot send now → says why, to its own account alone', async () => {
    await asked('POST', sendersPath, sender, 'App two');
    await asked('POST', sendersPath, sender);
    expect((await asked('GET', sendersPath, undefined, 'App two')).json().senders[0].paused).toBe('revoked');
    expect((await asked('GET', sendersPath)).json().senders[0]).not.toHaveProperty('paused');
  });

  test('more pages than an account may have → 400 that says so; one that is there is changed all the same', async () => {
    for (let page = 1; page <= limits.managedSendersMax; page++)
      await kept.add({ account: 1, page: String(page), token, appSecret });
    const sender = (page: number) => ({ page: String(page), token, appSecret, name: 'Shop' });
    const refused = errorAnswer(await asked('POST', sendersPath, sender(limits.managedSendersMax + 1)));
    expect(refused.properties).toEqual(['sender']);
    expect((await asked('POST', sendersPath, sender(1))).json()).toMatchObject({ page: '1', name: 'Shop' });
    expect((await asked('POST', sendersPath, sender(500), 'App two')).json()).toMatchObject({ page: '500' });
  });
});

test('a key without messenger:manage, or one that is bound → 403, whatever it asks', async () => {
  server.callers.add('reader', 1, ['messenger:logs:read']);
  server.callers.add('bound', 1, ['messenger:manage'], { applicationId: 'app' });
  for (const authorization of ['App reader', 'App bound'])
    for (const path of [mirrorsPath, sendersPath]) {
      expect((await asked('GET', path, undefined, authorization)).statusCode).toBe(403);
      expect((await asked('POST', path, {}, authorization)).statusCode).toBe(403);
    }
  const offers = async (authorization: string) =>
    (await asked('POST', '/page/pass', undefined, authorization)).json().offers;
  expect(await offers('App one')).toMatchObject({ sources: true, senders: true, sending: true });
  expect(await offers('App reader')).toMatchObject({ sources: false, senders: false, sending: false });
  expect(await offers('App bound')).toMatchObject({ sources: false, senders: false, sending: true });
});
