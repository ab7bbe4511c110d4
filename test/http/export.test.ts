import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/store/store.ts';
import { csvHeader } from '../../src/wire/text/log-csv.ts';
import { errorAnswer, logsPath, message, startOfTest, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

const exportPath = `${logsPath}/export`;
const at = (moment: number) => new Date(moment).toISOString();

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

const text = 'x'.repeat(2000);

function many(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) =>
    message(`m${index}`, { sentAt: at(startOfTest - index), content: { type: 'TEXT', text } }),
  );
}

describe('GET /messenger/1/logs/export', () => {
  test('more than a page → every message, one a line, newest first, as logs show it', async () => {
    await server.record(many(2500));
    const answer = await server.call(exportPath);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    expect(answer.headers['content-disposition']).toBe('attachment; filename="sentlog-20230202T120000Z.ndjson"');
    const logs = answer.body.trimEnd().split('\n');
    expect(logs.map(line => JSON.parse(line).messageId)).toEqual(many(2500).map((_, index) => `m${index}`));
    const [first] = (await server.call(`${logsPath}?limit=1`)).json().results;
    expect(JSON.parse(logs[0] ?? '')).toEqual(first);
    // A first page of a hundred, and six of at most a megabyte; one more for what the log shows.
    expect(server.store.calls.render).toBe(7 + 1);
  });

  test('csv → one header over all pages', async () => {
    await server.record(many(1500));
    const answer = await server.call(`${exportPath}?format=csv`);
    expect(answer.headers['content-type']).toMatch(/^text\/csv; charset=utf-8/);
    expect(answer.headers['content-disposition']).toContain('.csv"');
    const lines = answer.body.split('\r\n');
    expect(`${lines[0]}\r\n`).toBe(csvHeader);
    expect(lines).toHaveLength(1502);
    expect(answer.body.split(csvHeader)).toHaveLength(2);
  });

  test('nothing matches → nothing but the header of csv', async () => {
    expect((await server.call(exportPath)).body).toBe('');
    expect((await server.call(`${exportPath}?format=csv`)).body).toBe(csvHeader);
  });

  test('filters → as for logs', async () => {
    await server.record([message('m1', { sender: 'a' }), message('m2', { sender: 'b', bulkId: 'x' })]);
    expect((await server.call(`${exportPath}?bulkId[]=x,y&sender=b`)).body).toContain('"m2"');
    expect((await server.call(`${exportPath}?sender=a`)).body).not.toContain('"m2"');
  });

  test('bad parameters → 400 with all of them, and no store work', async () => {
    const answer = await server.call(`${exportPath}?format=xlsx&limit=5&sentSince=x`);
    expect(errorAnswer(answer).properties.toSorted()).toEqual(['format', 'limit', 'sentSince']);
    expect(server.store.callCount).toBe(0);
  });

  test('a bound key → only its own', async () => {
    server.callers.add('bound', 1, ['messenger:logs:read'], { entityId: 'e1' });
    await server.record([message('mine', { platform: { entityId: 'e1' } }), message('other')]);
    const headers = { authorization: 'App bound' };
    expect((await server.call(exportPath, { headers })).body).toMatch(/^\{[^\n]*"mine"[^\n]*\}\n$/);
    expect((await server.call(`${exportPath}?entityId=e2&format=csv`, { headers })).body).toBe(csvHeader);
  });

  test('a store that cannot serve from the start → 503, and no attachment', async () => {
    server.store.failWith(new StoreUnavailable('closed'));
    const answer = await server.call(exportPath);
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.headers['content-disposition']).toBeUndefined();
  });
});

describe('an export over a real connection', () => {
  async function slowPages(pages: number): Promise<() => number> {
    await server.record(many(1000));
    let rendered = 0;
    const render = server.store.render.bind(server.store);
    server.store.render = async (query, form) => {
      rendered++;
      const { after: _after, ...start } = query;
      const page = await render({ ...start, walk: false }, form);
      return rendered < pages ? { ...page, next: 'more' } : page;
    };
    return () => rendered;
  }

  test.each(['identity', 'gzip'])(
    'an error in the middle → the connection breaks, so that nobody takes it for all (%s)',
    async encoding => {
      await slowPages(1000);
      const address = await server.listen();
      const render = server.store.render.bind(server.store);
      let left = 3;
      server.store.render = (query, form) =>
        left-- > 0 ? render(query, form) : Promise.reject(new StoreUnavailable('the disk is gone'));
      const headers = { authorization: 'App one', 'accept-encoding': encoding };
      const answer = await fetch(address + exportPath, { headers });
      expect(answer.status).toBe(200);
      await expect(answer.text()).rejects.toThrow();
      expect(server.logged.join()).toContain('the disk is gone');
    },
  );

  test('a reader that goes away → no further page is asked for', async () => {
    const rendered = await slowPages(100_000);
    const address = await server.listen();
    const stop = new AbortController();
    const answer = await fetch(address + exportPath, { headers: { authorization: 'App one' }, signal: stop.signal });
    await answer.body?.getReader().read();
    stop.abort();
    await settled(rendered);
    expect(rendered()).toBeLessThan(1000);
  });

  test('a reader that stops reading → a few pages are made, not all; and the others are served', async () => {
    const rendered = await slowPages(100_000);
    const address = await server.listen();
    const socket = await openSocket(address);
    socket.pause();
    socket.write(`GET ${exportPath} HTTP/1.1\r\nHost: x\r\nAuthorization: App one\r\n\r\n`);
    await settled(rendered);
    const made = rendered();
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(100);
    expect((await fetch(`${address}/health/live`)).status).toBe(200);
    socket.destroy();
    await once(socket, 'close');
  });
});

/** Waits until a count has begun and no longer grows. */
async function settled(count: () => number): Promise<void> {
  for (let before = -1; before !== count() || before === 0; ) {
    before = count();
    await new Promise(resolve => setTimeout(resolve, 300));
  }
}
