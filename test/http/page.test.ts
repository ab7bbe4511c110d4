import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readPage } from '../../src/http/page/page-files.ts';
import { errorAnswer, TestServer } from '../support/http-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let server: TestServer;

afterEach(() => server.app.close());

const script = `export const long = '${'x'.repeat(3000)}';`;
const html = '<!doctype html><script type="module" src="./assets/index-a1.js"></script>';

/** A folder as the build leaves it; the compressed forms differ from the plain one only so that a test can tell them. */
function built(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), html);
  writeFileSync(join(folder, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(folder, 'built-from'), 'secret');
  writeFileSync(join(folder, 'assets', 'index-a1.js'), script);
  writeFileSync(join(folder, 'assets', 'index-a1.js.br'), 'in brotli');
  writeFileSync(join(folder, 'assets', 'index-a1.js.gz'), 'in gzip');
  writeFileSync(join(folder, 'assets', 'index-a1.css'), 'body { margin: 0 }');
  return folder;
}

const served = () => {
  server = new TestServer({ page: readPage(built()) });
  return server.app;
};
const asking = (headers: Readonly<Record<string, string>>) => ({ url: '/assets/index-a1.js', headers });

describe('the page', () => {
  test('/ → the document, asked for anew each time, with a policy that lets no other script in', async () => {
    const answer = await served().inject('/?last=1h&sender=x');
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toBe(html);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-length': String(html.length),
    });
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).not.toMatch(/unsafe|\*/);
  });

  test.each([
    ['/assets/index-a1.js', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['/assets/index-a1.css', 'text/css; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['/icon.svg', 'image/svg+xml', 'no-cache'],
  ])('%s → its type, and how long it may be kept', async (url, type, caching) => {
    const answer = await served().inject(url);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({ 'content-type': type, 'cache-control': caching });
  });

  test.each([
    ['gzip, deflate, br, zstd', 'br', 'in brotli'],
    ['gzip', 'gzip', 'in gzip'],
    ['br;q=0, gzip;q=0.5', 'gzip', 'in gzip'],
    ['identity', undefined, script],
  ])('a client that takes %s → the form it can read', async (accepted, encoding, body) => {
    const answer = await served().inject(asking({ 'accept-encoding': accepted }));
    expect(answer.body).toBe(body);
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers.vary).toBe('Accept-Encoding');
  });

  test('a tag that is still right → 304 without a body; of another form or another file → the file', async () => {
    const app = served();
    const { etag } = (await app.inject(asking({ 'accept-encoding': 'br' }))).headers;
    const again = (headers: Readonly<Record<string, string>>) => app.inject(asking(headers));
    const same = await again({ 'accept-encoding': 'br', 'if-none-match': `"other", W/${etag}` });
    expect([same.statusCode, same.body, same.headers.etag]).toEqual([304, '', etag]);
    expect((await again({ 'if-none-match': String(etag) })).statusCode).toBe(200);
    expect((await app.inject({ url: '/', headers: { 'if-none-match': String(etag) } })).statusCode).toBe(200);
  });

  test('HEAD → the headers of GET and nothing else', async () => {
    const app = served();
    const get = await app.inject(asking({ 'accept-encoding': 'br' }));
    const head = await app.inject({ ...asking({ 'accept-encoding': 'br' }), method: 'HEAD' });
    expect([head.statusCode, head.body]).toEqual([200, '']);
    for (const name of ['content-length', 'content-type', 'content-encoding', 'etag', 'cache-control'])
      expect(head.headers[name]).toBe(get.headers[name]);
  });

  test('another method → 405 that names those there are', async () => {
    const answer = await served().inject({ url: '/', method: 'DELETE' });
    expect(errorAnswer(answer).code).toBe('E405');
    expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS');
  });
});

test.each([
  '/index.html',
  '/built-from',
  '/assets',
  '/assets/',
  '/assets/none.js',
  '/assets/index-a1.js.br',
  '/assets/../built-from',
  '/assets/..%2fbuilt-from',
  '/assets/%2e%2e/%2e%2e/package.json',
  '/assets/..%5c..%5cpackage.json',
  '//etc/passwd',
])('%s → 404 in the words of the API, not to be kept', async url => {
  const answer = await served().inject(url);
  expect(errorAnswer(answer).code).toBe('E404');
  expect(answer.headers['cache-control']).toBe('no-store');
});

test('a page that has not been built → 404 that says so', async () => {
  server = new TestServer({ page: readPage(join(temporaryFolder(), 'none')) });
  const answer = await server.app.inject('/');
  expect(errorAnswer(answer)).toEqual({ code: 'E404', properties: ['page'] });
  expect(answer.body).toContain('npm start');
});
