import { XMLParser } from 'fast-xml-parser';
import { afterEach, expect, test } from 'vitest';
import { asksForXml } from '../../src/http/answer/error-body.ts';
import { errorAnswer, logsPath, message, TestServer } from '../support/http-server.ts';

let server: TestServer;
afterEach(() => server?.app.close());

test.each([
  [undefined, false],
  ['', false],
  ['*/*', false],
  ['application/json', false],
  ['application/json, application/xml', false],
  ['application/xml;q=0.4, application/json;q=0.5', false],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', false],
  ['application/xml', true],
  ['text/XML', true],
  ['application/json;q=0.4, application/xml;q=0.5', true],
  ['application/xml, */*;q=0.1', true],
])('Accept: %s → XML: %s', (accept, isXml) => {
  expect(asksForXml(accept)).toBe(isXml);
});

test('an error for who asks for XML → the same, as XML', async () => {
  server = new TestServer();
  const url = `${logsPath}?limit=0&a%3Cb%01=1`;
  const { violations, resources, ...said } = (await server.call(url)).json();
  const answer = await server.call(url, { headers: { accept: 'application/xml' } });
  expect(answer.statusCode).toBe(400);
  expect(answer.headers['content-type']).toBe('application/xml; charset=utf-8');
  expect(answer.body).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?><ApiError><errorCode>E400</);
  const parser = new XMLParser({ isArray: name => ['violations', 'resources'].includes(name), htmlEntities: true });
  expect(parser.parse(answer.body).ApiError).toEqual({
    ...said,
    violations: violations.map((one: { property: string }) => ({
      ...one,
      property: one.property.replace('\u0001', '\ufffd'),
    })),
    resources,
  });
});

test('errors of a call → link to what is said of it; elsewhere, and of our own, none', async () => {
  server = new TestServer();
  const document = (await server.call('/openapi.json')).json();
  const said = (link: string) => {
    const [, ...steps] = decodeURI(link.split('#')[1] ?? '').split('/');
    return steps.reduce((at, step) => at[step.replaceAll('~1', '/').replaceAll('~0', '~')], document);
  };
  for (const [url, headers, operation] of [
    [`${logsPath}?limit=0`, {}, 'getLogs'],
    [logsPath, { authorization: 'App nobody' }, 'getLogs'],
    ['/messenger/1/messages/none', {}, 'getMessage'],
  ] as const) {
    const { resources } = (await server.call(url, { headers })).json();
    expect(resources).toEqual([{ name: 'API description', url: expect.stringMatching(/^\/openapi\.json#\/paths\//) }]);
    expect(said(resources[0].url).get.operationId).toBe(operation);
  }
  for (const [method, url, described] of [
    ['PUT', logsPath, '/messenger/1/logs'],
    ['PATCH', '/messenger/1/messages/a%2Fb', '/messenger/1/messages/{messageId}'],
    ['GET', '/auth/1/session', '/auth/1/session'],
  ] as const) {
    const refused = await server.app.inject({ method, url });
    const [link] = refused.json().resources;
    expect(refused.statusCode).toBe(405);
    expect(said(link.url), url).toBe(document.paths[described]);
  }
  expect((await server.call('/nowhere')).json().resources).toEqual([]);
});

test('slashes that are doubled or at the end → the same call', async () => {
  server = new TestServer();
  await server.record([message('m1')]);
  for (const path of [`/${logsPath}`, `${logsPath}/`, '//messenger//1/logs//', `/${logsPath}/?sender=44113496000`]) {
    const answer = await server.call(path);
    expect(answer.json().results).toHaveLength(1);
    const other = await server.call(path, { method: 'PATCH' });
    expect([errorAnswer(other).code, other.headers.allow]).toEqual(['E405', 'GET, POST, HEAD, OPTIONS']);
  }
  expect((await server.call(`${logsPath}?sender=a//`)).json().results).toEqual([]);
});
