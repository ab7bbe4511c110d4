import fc from 'fast-check';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiDocument } from '../../src/http/document/openapi.ts';
import { formatDateTime } from '../../src/wire/date-time.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';
import { changedSomewhere, Described, fitsByNames } from '../support/described.ts';
import { logsPath, message, startOfTest, TestServer } from '../support/http-server.ts';

/** In every form, within what the log keeps. */
const moment = fc
  .tuple(fc.integer({ min: startOfTest - 40 * 3_600_000, max: startOfTest }), fc.nat({ max: 5 }))
  .map(([at, form]) => {
    const text = formatDateTime(at);
    const minutes = `${text.slice(0, 16)}Z`;
    const forms = [text, text.replace('+0000', 'z'), text.replace('+', ' '), text.replace('T', 't'), minutes];
    return forms[form] ?? text.replace('+0000', '+00:00');
  });

const described = new Described({ ...openApiDocument('test') }, moment);
const logsPointer = '/paths/~1messenger~11~1logs';
const bodySchema = (pointer: string, type = 'application/json') =>
  described.at(`${pointer}/requestBody/content/${type.replace('/', '~1')}/schema`);

let server: TestServer;
beforeAll(async () => {
  server = new TestServer();
  await server.record([
    message('m1', {
      bulkId: 'b',
      doneAt: formatDateTime(startOfTest),
      price: { pricePerMessage: 1.5, currency: 'EUR' },
      platform: { entityId: 'e', applicationId: 'a' },
      status: { groupName: 'EXPIRED', name: 'OF_ANOTHER_DAY' },
      error: 'EC_BLOCKED_USER',
      content: { type: 'A_NEW_TYPE', further: [1] },
      campaignReferenceId: 'c',
    }),
  ]);
});
afterAll(() => server.app.close());

/** An answer has a status, headers and a body that are described. */
function expectDescribed(answer: LightMyRequestResponse, pointer: string): void {
  const said = described.at(`${pointer}/responses/${answer.statusCode}`);
  const headers = new Set(Object.keys(Object(said.headers)).map(name => name.toLowerCase()));
  for (const name of ['ratelimit-limit', 'x-request-id', 'www-authenticate', 'retry-after'])
    if (answer.headers[name] !== undefined) expect(headers, `${pointer} ${answer.statusCode}`).toContain(name);
  const [type = ''] = String(answer.headers['content-type'] ?? '').split(';');
  if (type === '') return;
  const { schema } = described.at(`${pointer}/responses/${answer.statusCode}`).content
    ? described.at(`${pointer}/responses/${answer.statusCode}/content/${type.replace('/', '~1')}`)
    : {};
  if (type === 'application/json') expect(described.allows(Object(schema), answer.json()), answer.body).toBe(true);
}

let ids = 0;
/** Under an id of its own, so that no record speaks of another's message. */
function alone(record: unknown): unknown {
  const isNamed = typeof record === 'object' && record !== null && 'messageId' in record;
  const messageId = isNamed ? record.messageId : undefined;
  if (typeof messageId !== 'string' || messageId === '') return record;
  return { ...Object(record), messageId: `${messageId.slice(0, 150)}${ids++}` };
}

describe('what is sent', () => {
  test('any record that is allowed → recorded, or waiting for its message', async () => {
    await fc.assert(
      fc.asyncProperty(described.allowed(bodySchema(`${logsPointer}/post`)), async body => {
        const { results } = Object(body);
        const answer = await server.post({ results: results.map(alone) });
        expect(answer.statusCode, answer.body).toBe(200);
        expect(answer.json().rejected).toEqual([]);
        expectDescribed(answer, `${logsPointer}/post`);
      }),
      { numRuns: 150 },
    );
  });

  test('an allowed record with anything in it changed → recorded where that is allowed, refused where it is not', async () => {
    const schema = bodySchema(`${logsPointer}/post`, 'application/x-ndjson');
    const changed = described.allowed(schema).chain(changedSomewhere);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(changed, async value => {
        const record = alone(value);
        const isAllowed = described.allows(schema, record);
        const answer = await server.post({ results: [record] });
        expectDescribed(answer, `${logsPointer}/post`);
        expect(answer.statusCode, `${JSON.stringify(record)} ${answer.body}`).toBe(isAllowed ? 200 : 400);
        if (!isAllowed) refused++;
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  test('a request to send, as it is allowed or changed anywhere → taken or refused as described', () => {
    const schema = bodySchema('/paths/~1messenger~11~1messages/post');
    const allowed = described.allowed(schema);
    fc.assert(
      fc.property(fc.oneof(allowed, allowed.chain(changedSomewhere)), body => {
        const { violations = [] } = parseSendRequest(body, startOfTest);
        const isAllowed = described.allows(schema, body);
        // What depends on several fields at once, or on their sum, no schema says; of an address it says how it begins.
        const unsaid = isAllowed
          ? /together|hour apart|both from and to|address|percent/
          : /together|hour apart|both from and to/;
        const told = violations.filter(({ violation }) => !unsaid.test(violation));
        expect(told.length === 0, `${JSON.stringify(body)} ${JSON.stringify(told)}`).toBe(isAllowed);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is asked for', () => {
  const queryOf = (parameters: readonly { readonly name: string; readonly values: readonly unknown[] }[]) =>
    parameters
      .flatMap(({ name, values }) =>
        values.map(value => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`),
      )
      .join('&');

  test.each([
    [logsPath, logsPointer],
    [`${logsPath}/export`, `${logsPointer}~1export`],
    [`${logsPath}/summary`, `${logsPointer}~1summary`],
  ])('any allowed parameters of %s → answered as described', async (path, pointer) => {
    const parameters: readonly { name: string; schema: { type: string } }[] = Object(
      described.at(`${pointer}/get`),
    ).parameters;
    // What only this server can have given, and names that no pattern tells from others.
    const free = parameters.filter(({ name }) => name !== 'cursor' && name !== 'timeZone');
    const chosen = fc
      .subarray(free, { maxLength: 4 })
      .chain(some =>
        fc.tuple(
          ...some.map(({ name, schema }) =>
            described.allowed(schema).map(value => ({ name, values: Array.isArray(value) ? value : [value] })),
          ),
        ),
      );
    await fc.assert(
      fc.asyncProperty(chosen, async asked => {
        const answer = await server.call(`${path}?${queryOf(asked)}`);
        expect(answer.statusCode, `${queryOf(asked)} ${answer.body}`).toBe(200);
        expectDescribed(answer, `${pointer}/get`);
      }),
      { numRuns: 60 },
    );
  });

  test.each<[string, string, string, object]>([
    [
      'a mirrored log and its timeline',
      '/messenger/1/messages/m1',
      '/paths/~1messenger~11~1messages~1{messageId}/get',
      {},
    ],
    ['no such message', '/messenger/1/messages/none', '/paths/~1messenger~11~1messages~1{messageId}/get', {}],
    ['a bad query', '/messenger/1/messages/m1?x=1', '/paths/~1messenger~11~1messages~1{messageId}/get', {}],
    ['nobody', logsPath, `${logsPointer}/get`, { headers: { authorization: 'App nobody' } }],
    ['a bad cursor', `${logsPath}?cursor=x`, `${logsPointer}/get`, {}],
    ['the first page of a walk', `${logsPath}?useCursor=true&limit=1`, `${logsPointer}/get`, {}],
    ['no session', '/auth/1/session', '/paths/~1auth~11~1session/delete', { method: 'DELETE' }],
    ['a bad query', '/auth/1/session?x=1', '/paths/~1auth~11~1session/delete', { method: 'DELETE' }],
    ['a login without words', '/auth/1/session', '/paths/~1auth~11~1session/post', { method: 'POST', payload: '{}' }],
    ['a token without a form', '/auth/1/oauth2/token', '/paths/~1auth~11~1oauth2~1token/post', { method: 'POST' }],
    [
      'a form without end',
      '/auth/1/oauth2/token',
      '/paths/~1auth~11~1oauth2~1token/post',
      {
        method: 'POST',
        payload: 'x'.repeat(20_000),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
    ],
    ['health', '/health/ready', '/paths/~1health~1ready/get', {}],
  ])('%s, %s → answered as described', async (_what, url, pointer, options) => {
    const answer = await server.call(url, options);
    expectDescribed(answer, pointer);
  });
});

describe('what is generated from it', () => {
  const schemas = () => JSON.parse(JSON.stringify(openApiDocument('test'))).components.schemas;

  test('names of schemas → none that a generated client has for something else', async () => {
    const names = Object.keys(schemas());
    // Of each, Go has a constructor and a type that may be nil.
    const made = new Set(names.flatMap(name => [`New${name}`, `Nullable${name}`]));
    expect(names.filter(name => made.has(name))).toEqual([]);
    // Java has these at hand without an import.
    expect(
      names.filter(name => /^(?:Error|Exception|Record|Object|Process|Module|Package|Number|Thread)$/.test(name)),
    ).toEqual([]);
  });

  test('anything that alternatives allow → is of one of them alone, by names of fields alone where they are "one of"', () => {
    const unions = described.unions();
    expect(unions.length).toBeGreaterThan(10);
    const values = (schema: (typeof unions)[number]['schema']) =>
      fc.oneof(described.allowed(schema), described.allowed(schema).chain(changedSomewhere));
    const runs = fc.oneof(...unions.map(union => values(union.schema).map(value => ({ ...union, value }))));
    fc.assert(
      fc.property(runs, ({ schema, keyword, alternatives, value }) => {
        if (!described.allows(schema, value)) return;
        const fitting = alternatives.filter(one => described.allows(one, value));
        expect(fitting.length, `${JSON.stringify(schema).slice(0, 300)} ${JSON.stringify(value)}`).toBe(1);
        if (keyword === 'anyOf') return;
        const told = alternatives.filter(one => fitsByNames(described.whole(one), value));
        expect(told.length, `${JSON.stringify(schema).slice(0, 300)} ${JSON.stringify(value)}`).toBe(1);
      }),
      { numRuns: 1000 },
    );
  });

  test('what generators make of it → a class for each value, and maps of what has any field', async () => {
    const { Content, GivenContent, GivenPrice, Price, ...others } = schemas();
    // Of properties beside others, some make a class that loses the others.
    for (const map of [Content, GivenContent]) {
      expect(map).toMatchObject({ type: 'object', required: ['type'], additionalProperties: true });
      expect(map.patternProperties['^type$']).toMatchObject({ type: 'string' });
      expect(map).not.toHaveProperty('properties');
    }
    // A field's values get names, which the empty text and null have not.
    type Field = { readonly enum?: readonly unknown[] };
    const fields = Object.values<{ properties?: Record<string, Field> }>(others).flatMap(({ properties = {} }) =>
      Object.values(properties),
    );
    expect(fields.flatMap(field => field.enum ?? [])).not.toContain('');
    // Go's clients ask the pattern of null as well, and then take no value.
    const patterned = Object.values<{ properties?: Record<string, object> }>(schemas()).flatMap(({ properties = {} }) =>
      Object.entries(properties).filter(
        ([, field]) => 'pattern' in field && 'type' in field && Array.isArray(field.type),
      ),
    );
    expect(patterned).toEqual([]);
    // Of `anyOf`, clients take the first that fits; some make one class of all, with the last type of each field.
    expect(GivenPrice.anyOf[0]).toEqual({ $ref: '#/components/schemas/GivenAmount' });
    expect(others.GivenAmount.properties.pricePerMessage.type).toBe(Price.properties.pricePerMessage.type);
    expect(others.GivenNoPrice.properties).toEqual({ currency: { type: ['string', 'null'] } });
  });
});
