import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Connections } from '../../src/postgres/connections.ts';
import { Secrets } from '../../src/secrets.ts';
import { type ReportPlaceRows, ReportPlaces } from '../../src/senders/report-places.ts';
import type { SenderRows } from '../../src/senders/rows.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { PostgresSenderRows } from '../../src/senders/sender-table.ts';
import { Senders } from '../../src/senders/senders.ts';
import { KeptTables } from '../support/kept-tables.ts';
import { PostgresServer } from '../support/postgres-server.ts';

const secret = 'a-secret-that-is-long-enough-to-be-one';
const request = { account: 1, page: '1234', token: 'token-of-the-page', appSecret: 'secret-of-the-app' };

const clock = { now: Date.UTC(2026, 0, 1) };
const now = () => clock.now;

let server: PostgresServer;
let tables: KeptTables;
beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  tables = new KeptTables(server);
  return () => server.remove();
});

/** Where senders are kept: `made` opens the same place again, as another process does; `text` is all that is in it. */
const kinds = {
  'a file': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-senders-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'senders.db');
    return {
      rows: (): SenderRows & ReportPlaceRows => new SqliteSenderRows(path),
      text: async () => ['', '-wal'].map(end => readFileSync(`${path}${end}`).toString('latin1')).join(),
    };
  },
  PostgreSQL: async () => {
    const target = await tables.take();
    onTestFinished(() => tables.giveBack(target));
    const terms = { ...target, statementTimeoutMs: 5000, max: 1, note: () => {} };
    return {
      rows: (): SenderRows & ReportPlaceRows => new PostgresSenderRows(new Connections(terms)),
      text: async () => JSON.stringify(await server.query(`SELECT * FROM ${target.schema}.sender`, target.url)),
    };
  },
};

describe.each(Object.entries(kinds))('senders in %s', (_, make) => {
  const open = async () => {
    const { rows, text } = await make();
    const made = (secrets: readonly string[]) => {
      const senders = new Senders(rows(), new Secrets(secrets), now);
      onTestFinished(() => senders.close());
      return senders;
    };
    const places = (secrets: readonly string[] = [secret]) => {
      const opened = rows();
      onTestFinished(() => opened.close());
      return new ReportPlaces(opened, new Secrets(secrets), now);
    };
    return { made, text, places, senders: made([secret]) };
  };

  it('added → usable by another process, with its token and price; nothing of it readable in the file', async () => {
    const { text, made, senders } = await open();
    const price = { pricePerMessage: 0.15, currency: 'EUR' };
    await senders.add({ ...request, name: 'Shop', price });
    const [sender] = await made([secret]).known();
    if (sender === undefined) throw new Error('no sender');
    expect(sender).toMatchObject({ account: 1, page: '1234', name: 'Shop', price });
    expect(senders.keys(sender)).toEqual({ token: request.token, appSecret: request.appSecret });
    const kept = await text();
    expect(kept).toContain('Shop');
    expect(kept.includes(request.token) || kept.includes(request.appSecret)).toBe(false);
  });

  it('another app secret → both are good for webhooks, the newest for calls; a third drops the first', async () => {
    const { senders } = await open();
    for (const appSecret of ['first', 'second', 'second', 'third']) await senders.add({ ...request, appSecret });
    const tried: string[] = [];
    await senders.signed(['1234'], secret => tried.push(secret) === 0);
    expect(tried).toEqual(['third', 'second']);
    const [sender] = await senders.list();
    expect(sender && senders.keys(sender).appSecret).toBe('third');
  });

  it('what is no page, token, secret or price; no secret to seal with; nothing to remove → refused in words', async () => {
    const { made, senders } = await open();
    const refused = (fields: object) => expect(senders.add({ ...request, ...fields })).rejects.toThrow();
    for (const page of ['', 'my page', 'x', '1'.repeat(65)]) await refused({ page });
    for (const token of ['', 'two words', 'ž', 'x'.repeat(2049)]) await refused({ token });
    await refused({ appSecret: 'a\nb' });
    await refused({ price: { pricePerMessage: -1, currency: 'EUR' } });
    await refused({ price: { pricePerMessage: 1, currency: 'euro' } });
    for (const name of ['', ' ', 'a\nb', 'a\u001b[31m', '\u0085', '\u2028', '\ud800', 'x'.repeat(256)])
      await refused({ name });
    expect(await senders.list()).toEqual([]);
    await expect(made([]).add(request)).rejects.toThrow('SENTLOG_SECRET');
    await expect(senders.remove(1, '1234')).rejects.toThrow('no sender');
    await senders.add(request);
    await expect(senders.remove(2, '1234')).rejects.toThrow('no sender');
    await senders.remove(1, '1234');
    expect(await senders.known()).toEqual([]);
  });

  it('watched → without a token; by whoever likes, and nobody is told of the other; as a sender too, when it has one', async () => {
    const { senders } = await open();
    const { token, ...watched } = { ...request, isWatched: true };
    await expect(senders.add({ ...watched, isWatched: false })).rejects.toThrow('give the token');
    await senders.add(watched);
    const [page] = await senders.list();
    expect(page).toMatchObject({ page: '1234', isWatched: true });
    expect(page).not.toHaveProperty('sealedToken');
    expect(() => page && senders.keys(page)).toThrow('has no token');
    await senders.add({ ...watched, account: 2, appSecret: 'of-another-app' });
    await senders.add({ ...request, account: 3 });
    expect(await senders.watchers()).toEqual(new Map([['1234', [1, 2]]]));
    await senders.add({ ...request, isWatched: true });
    const [both] = await senders.list();
    expect([both?.isWatched, both && senders.keys(both).token]).toEqual([true, token]);
  });

  it('a change of an existing page, whatever it gives → what it does not give stays; `isWatched: false` alone ends watching', async () => {
    const { senders, made } = await open();
    const given = {
      name: ['Shop', 'Café'],
      price: [
        { pricePerMessage: 0.15, currency: 'EUR' },
        { pricePerMessage: 0, currency: 'USD' },
      ],
      token: ['a-token', 'another-token'],
      isWatched: [true, false],
    };
    const change = fc.record(
      {
        name: fc.constantFrom(...given.name),
        price: fc.constantFrom(...given.price),
        token: fc.constantFrom(...given.token),
        isWatched: fc.constantFrom(...given.isWatched),
      },
      { requiredKeys: [] },
    );
    let page = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async changes => {
        const own = { account: 1, page: String(++page), appSecret: 'secret-of-the-app' };
        const expected = { name: 'First', isWatched: true };
        await senders.add({ ...own, ...expected });
        for (const one of changes) {
          const next = { ...expected, ...one };
          if (!next.isWatched && !('token' in next)) {
            await expect(senders.add({ ...own, ...one })).rejects.toThrow('give the token');
            continue;
          }
          Object.assign(expected, one);
          await senders.add({ ...own, ...one });
        }
        const { token, ...shown } = { token: undefined, ...expected };
        const found = (await made([secret]).list()).find(sender => sender.page === own.page);
        expect(found).toMatchObject(shown);
        expect(found?.sealedToken === undefined).toBe(token === undefined);
        if (token !== undefined) expect(found && senders.keys(found).token).toBe(token);
      }),
      { numRuns: 15 },
    );
  });

  it('a webhook of pages that nobody has → ours by any secret; of a page that somebody has → by none but his; guesses wait', async () => {
    const { senders } = await open();
    await senders.add({ ...request, page: '1', appSecret: 'of-account-1' });
    await senders.add({ ...request, page: '2', account: 2, appSecret: 'of-account-2' });
    const signed = async (secret: string, ...pages: readonly string[]) => {
      let tried = 0;
      const isOurs = await senders.signedElsewhere(pages, one => ++tried > 0 && one === secret);
      return [isOurs, tried > 0];
    };
    expect(await signed('of-account-2', '0')).toEqual([true, true]);
    expect(await signed('of-account-1', '0')).toEqual([true, true]);
    expect(await signed('of-account-1', '0', '2')).toEqual([false, false]);
    expect(await signed('of-account-2', '1')).toEqual([false, false]);
    expect(await signed('of-account-2')).toEqual([false, false]);
    expect(await signed('guessed', '0')).toEqual([false, true]);
    expect(await signed('of-account-1', '0')).toEqual([false, false]);
    clock.now += 1000;
    expect(await signed('of-account-1', '0')).toEqual([true, true]);
  });

  it('a webhook of a page that another process added just now, or whose secret cannot be opened → not of a stranger', async () => {
    const { made, senders } = await open();
    await senders.add({ ...request, page: '1' });
    const isOurs = (of: Senders, page: string) => of.signedElsewhere([page], one => one === request.appSecret);
    await senders.known();
    await made([secret]).add({ ...request, page: '2' });
    expect(await isOurs(senders, '2')).toBe(false);
    expect(await isOurs(senders, '0')).toBe(true);
    const other = 'another-secret-that-is-long-enough-to-be-one';
    await made([other]).add({ ...request, page: '3' });
    const restarted = made([secret]);
    expect(await isOurs(restarted, '3')).toBe(false);
    expect(await isOurs(restarted, '0')).toBe(true);
  });

  it('a webhook → proven for the accounts whose own secret of the page it is signed with, and no other secret is tried', async () => {
    const { senders } = await open();
    const shared = { ...request, appSecret: 'of-the-shared-app' };
    await senders.add({ ...shared, page: '1' });
    await senders.add({ ...shared, page: '2', account: 2 });
    await senders.add({ ...request, page: '1', account: 2, appSecret: 'of-account-2' });
    await senders.add({ ...request, page: '3', account: 3, appSecret: 'of-account-3' });
    const signed = async (secret: string, ...pages: readonly string[]) => {
      const tried: string[] = [];
      const proven = await senders.signed(pages, one => tried.push(one) > 0 && one === secret);
      return [Object.fromEntries(proven), new Set(tried).size, tried.length];
    };
    expect(await signed('of-the-shared-app', '1', '2', '3', '4')).toEqual([{ 1: [1], 2: [2] }, 1, 1]);
    expect(await signed('of-account-2', '1', '2', '3')).toEqual([{ 1: [2] }, 2, 2]);
    expect(await signed('of-account-3', '1', '2')).toEqual([{}, 2, 2]);
    expect(await signed('of-the-shared-app', '3', '4')).toEqual([{}, 1, 1]);
    expect(await signed('of-the-shared-app')).toEqual([{}, 0, 0]);
  });

  it('where reports go → kept for every process, its secret sealed; replaced, removed; nonsense refused in words', async () => {
    const { text, places } = await open();
    const [here, there] = [places(), places()];
    const [deliveryUrl, seenUrl] = ['https://a.example/d', 'http://a.example/s'];
    const contentType = 'application/json';
    await here.set({ account: 1, deliveryUrl, contentType });
    await here.set({ account: 2, seenUrl, contentType: 'application/xml', secret: 'the-secret-of-pushes' });
    const [first, second] = await there.known();
    expect(first).toEqual({ account: 1, deliveryUrl, contentType, changedAt: now() });
    expect(second).toMatchObject({ account: 2, seenUrl, contentType: 'application/xml' });
    expect(second && there.secretOf(second)).toBe('the-secret-of-pushes');
    expect(await text()).not.toContain('the-secret-of-pushes');
    await here.set({ account: 2, deliveryUrl, contentType });
    await here.remove(1);
    expect(await here.known()).toEqual([{ account: 2, deliveryUrl, contentType, changedAt: now() }]);
    await expect(here.remove(1)).rejects.toThrow('not pushed');
    const refused = (fields: object) => expect(here.set({ account: 3, contentType, ...fields })).rejects.toThrow();
    for (const url of ['', 'a.example', 'ftp://a.example/', 'javascript:1']) await refused({ deliveryUrl: url });
    for (const short of ['', 'short', 'with spaces in between']) await refused({ deliveryUrl, secret: short });
    await refused({});
    await expect(places([]).set({ account: 3, contentType, secret: 'x'.repeat(20) })).rejects.toThrow('SENTLOG_SECRET');
    expect(await here.list()).toHaveLength(1);
  });
});
