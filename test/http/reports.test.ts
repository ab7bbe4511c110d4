import { afterEach, describe, expect, it } from 'vitest';
import { statusNamed } from '../../src/domain/registry.ts';
import type { ReportDesk } from '../../src/http/parts.ts';
import type { Report, ReportQuery } from '../../src/outbox/reporting.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, TestServer } from '../support/http-server.ts';

const path = '/messenger/1/reports';
const sentAt = Date.UTC(2026, 0, 1, 12);

function report(id: number): Report {
  return {
    id,
    account: 1,
    kind: 'delivery',
    message: {
      messageId: `m${id}`,
      isIdGiven: true,
      sender: 'page-1',
      destination: 'p1',
      contentJson: '{}',
      dueAt: sentAt,
      expiresAt: sentAt,
      hasFailover: false,
    },
    sentAt,
    statusKey: statusNamed('DELIVERED_TO_HANDSET').key,
    errorKey: 0,
    doneAt: sentAt + 5,
    price: { pricePerMessage: 0.15, currency: 'EUR' },
  };
}

/** Gives what is there to whoever asks, and remembers what was asked and what became of it. */
class Desk implements ReportDesk {
  readonly asked: ReportQuery[] = [];
  readonly fate: string[] = [];
  failure: Error | undefined;
  open: Report[] = [report(1), report(2)];

  async take(query: ReportQuery) {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push(query);
    return this.open.splice(0, query.limit);
  }

  readonly given = (ids: readonly number[]) => void this.fate.push(`given ${ids}`);
  readonly giveBack = (ids: readonly number[]) => void this.fate.push(`back ${ids}`);
}

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.app.close();
});

function open() {
  const desk = new Desk();
  const server = new TestServer({ reports: desk });
  servers.push(server);
  return { desk, server };
}

describe('GET /messenger/1/reports', () => {
  it('reports → as the vendor writes them, given once the answer has left', async () => {
    const { desk, server } = open();
    const address = await server.listen();
    const answer = await fetch(`${address}${path}?limit=1`, { headers: { authorization: 'App one' } });
    expect(await answer.json()).toEqual({
      results: [
        {
          price: { pricePerMessage: 0.15, currency: 'EUR' },
          status: expect.objectContaining({ groupName: 'DELIVERED', id: 5 }),
          error: expect.objectContaining({ groupName: 'OK', permanent: false }),
          messageId: 'm1',
          to: 'p1',
          sender: 'page-1',
          sentAt: '2026-01-01T12:00:00.000+0000',
          doneAt: '2026-01-01T12:00:00.005+0000',
          messageCount: 1,
        },
      ],
    });
    await expect.poll(() => desk.fate).toEqual(['given 1']);
  });

  it('a caller that is gone, a HEAD → given back', async () => {
    const { desk, server } = open();
    const address = await server.listen();
    await fetch(`${address}${path}?limit=1`, { method: 'HEAD', headers: { authorization: 'App one' } });
    await expect.poll(() => desk.fate).toEqual(['back 1']);
    const leaving = new AbortController();
    const gone = new Promise<void>(resolve =>
      server.app.server.on('request', request => request.socket.on('close', () => resolve())),
    );
    const take = desk.take.bind(desk);
    desk.take = async query => {
      leaving.abort();
      await gone;
      return take(query);
    };
    const headers = { authorization: 'App one' };
    await expect(fetch(`${address}${path}`, { headers, signal: leaving.signal })).rejects.toThrow();
    await expect.poll(() => desk.fate).toEqual(['back 1', 'back 2']);
  });

  it('parameters → handed on; what is wrong with them → 400 with all of it; out of order → 503', async () => {
    const { desk, server } = open();
    const query = 'bulkId=b&messageId=m&limit=7&entityId=e&applicationId=a&campaignReferenceId=c';
    expect((await server.call(`${path}?${query}`)).statusCode).toBe(200);
    await server.call(path);
    expect(desk.asked).toEqual([
      {
        account: 1,
        bulkId: 'b',
        messageId: 'm',
        limit: 7,
        entityId: 'e',
        applicationId: 'a',
        campaignReferenceId: 'c',
      },
      { account: 1, limit: 50 },
    ]);
    const refused = await server.call(`${path}?limit=0&bulkId=&messageId=a&messageId=b&sender=x`);
    expect(errorAnswer(refused)).toEqual({
      code: 'E400',
      properties: expect.arrayContaining(['limit', 'bulkId', 'messageId', 'sender']),
    });
    desk.failure = new StoreUnavailable('away');
    expect((await server.call(path)).statusCode).toBe(503);
  });

  it('a key of one application → its own reports alone; without the scope → 403', async () => {
    const { desk, server } = open();
    server.callers.add('bound', 1, undefined, { applicationId: 'a' });
    server.callers.add('reader', 1, ['messenger:logs:read']);
    const as = (name: string, query = '') =>
      server.call(`${path}${query}`, { headers: { authorization: `App ${name}` } });
    await as('bound');
    expect((await as('bound', '?applicationId=other')).json()).toEqual({ results: [] });
    expect(desk.asked).toEqual([{ account: 1, limit: 50, applicationId: 'a' }]);
    expect((await as('reader')).statusCode).toBe(403);
  });
});
