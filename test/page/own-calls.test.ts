import { afterEach, expect, test, vi } from 'vitest';
import { ownCalls } from '../../web/src/api/own-calls.ts';

const offers = { access: false, accounts: false, sources: false, senders: false, sending: false, emulator: false };
/** A pass that has to be renewed with the first call. */
const first = { text: 'pass-of-before', untilMs: -1, account: 'shop', retentionMs: 1000, offers };

/** A server whose cookie is of an account, and the passes that its other calls came with. */
function serverOf(account: string | undefined) {
  const asked: (string | null)[] = [];
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    if (path !== '/page/session') {
      asked.push(new Headers(init.headers).get('x-sentlog-page'));
      return new Response('{}');
    }
    if (account === undefined) return new Response(null, { status: 204 });
    return Response.json({ pass: `pass-of-${account}`, expiresIn: 600, account, retention: 1, offers });
  });
  return asked;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test.each([
  ['the same account', 'shop', 'pass-of-shop'],
  ['nobody', undefined, 'pass-of-before'],
])('a pass is over, the browser signed in to %s → goes on, for the server to judge', async (_, account, pass) => {
  const asked = serverOf(account);
  const calls = ownCalls(first);
  expect((await calls.fetch('/messenger/1/logs')).status).toBe(200);
  expect(asked).toEqual([pass]);
  expect(calls.whyEnded()).toBe('The key or session is not valid any more.');
});

test('a pass is over, the browser signed in to another account → no call is made any more, and the tab says why', async () => {
  const asked = serverOf('rival');
  const calls = ownCalls(first);
  for (const path of ['/messenger/1/logs', '/manage/1/senders'])
    expect((await calls.fetch(path, { method: 'POST' })).status).toBe(401);
  serverOf('shop');
  expect((await calls.fetch('/messenger/1/logs')).status).toBe(401);
  expect(asked).toEqual([]);
  expect(calls.whyEnded()).toMatch(/signed in to the account shop.*signed in to rival now/);
});
