import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { logsPath, TestServer } from '../support/http-server.ts';
import { runs } from '../support/properties.ts';
import { mostCharsInATurn } from '../support/work-counts.ts';

/** Far more than may be looked at in one piece, and within what each of these calls takes. */
const bodyChars = 1_000_000;
const perTurnMax = 3 * limits.stretchChars;

/** What is long, in itself or by their number; each some characters of JSON, or of nothing that is. */
const longParts: Readonly<Record<string, string>> = {
  'line breaks': '\n',
  blanks: ' \t\r',
  digits: '1',
  letters: 'x',
  escapes: String.raw`\u0000`,
  quotes: String.raw`\"`,
  backslashes: String.raw`\\`,
  surrogates: String.raw`\ud800`,
  zeros: '0,',
  lists: '[],',
  objects: '{},',
  texts: '"",',
  opening: '[',
  closing: ']',
  depth: '{"":',
  commas: ',',
  'equal names': '"a":0,',
  'quotation marks': '"',
  euros: '€',
};

/** Where it stands, in a body that has its list under `name`, whose sound elements begin so. */
const places: Readonly<Record<string, (long: string, name: string, element: string) => string>> = {
  'as a whole': long => long,
  before: (long, name) => `${long}{"${name}":[]}`,
  behind: (long, name) => `{"${name}":[]}${long}`,
  'as the list': (long, name) => `{"${name}":${long}}`,
  'in the list': (long, name) => `{"${name}":[${long}0]}`,
  'as a text': (long, name) => `{"${name}":["${long}"]}`,
  'as a name': (long, name) => `{"${long}":0,"${name}":[]}`,
  'as a name inside': (long, name) => `{"${name}":[{"${long}":0}]}`,
  'as a field': (long, name) => `{"options":"${long}","${name}":[]}`,
  'as a list beside': (long, name) => `{"options":[${long}0],"${name}":[]}`,
  'in an element': (long, name, element) => `{"${name}":[${element}"${long}"}]}`,
  'as a list in an element': (long, name, element) => `{"${name}":[${element}[${long}0]}]}`,
  'as names in an element': (long, name, element) => `{"${name}":[${element}{${long}"b":0}}]}`,
};

type Target = { readonly path: string; readonly type: string; readonly list: string; readonly element: string };
const json = 'application/json';
const targets: readonly Target[] = [
  { path: logsPath, type: json, list: 'results', element: '{"messageId":"m","content":' },
  { path: logsPath, type: 'application/x-ndjson', list: 'results', element: '{"messageId":"m","content":' },
  {
    path: '/messenger/1/messages',
    type: json,
    list: 'messages',
    element: '{"sender":"s","destinations":[{"to":"d"}],"content":',
  },
  {
    path: '/messenger/1/messages',
    type: json,
    list: 'messages',
    element: '{"sender":"s","content":{},"destinations":',
  },
  { path: '/webhooks/meta', type: json, list: 'entry', element: '{"id":"1","messaging":' },
  { path: '/webhooks/infobip/m', type: json, list: 'results', element: '{"messageId":"m","status":' },
  { path: '/auth/1/session', type: json, list: 'username', element: '{"password":' },
];

const metaSecret = 'app secret';
let server: TestServer;
beforeAll(() => {
  const sending = { accept: async () => [], paused: () => [] };
  const metaWebhooks = {
    verifyToken: 'v',
    prove: async () => new Map([['1', [7]]]),
    isOurs: async () => true,
    receive: async () => true,
  };
  const mirror = { id: 1, name: 'm' };
  const webhooks = { admit: () => mirror, take: async () => true };
  server = new TestServer({ sending, metaWebhooks, webhooks } as never);
});
afterAll(() => server.app.close());

async function post({ path, type }: Target, body: string, isPacked: boolean) {
  const payload = isPacked ? gzipSync(body) : body;
  const signature = createHmac('sha256', metaSecret).update(body).digest('hex');
  const answer = await server.app.inject({
    method: 'POST',
    url: path,
    payload,
    headers: {
      'content-type': type,
      ...(path.startsWith('/messenger') && { authorization: 'App one' }),
      ...(path === '/webhooks/meta' && { 'x-hub-signature-256': `sha256=${signature}` }),
      ...(isPacked && { 'content-encoding': 'gzip' }),
    },
  });
  expect(answer.statusCode, answer.body).toBeLessThan(500);
}

describe('whatever long body comes → others have their turn between pieces of it', () => {
  test('on every call, plain and packed', async () => {
    const part = fc.constantFrom(...Object.keys(longParts));
    const place = fc.constantFrom(...Object.keys(places));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...targets), part, place, fc.boolean(), async (target, of, where, isPacked) => {
        const long = longParts[of] ?? '';
        const repeated = long.repeat(Math.floor(bodyChars / Buffer.byteLength(long)));
        const body = places[where]?.(repeated, target.list, target.element) ?? '';
        const most = await mostCharsInATurn(() => post(target, body, isPacked));
        expect(most, `${target.path} ${target.type}`).toBeLessThan(perTurnMax);
      }),
      { numRuns: runs(360) },
    );
  });
});
