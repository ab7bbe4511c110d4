import { afterEach, describe, expect, it } from 'vitest';
import type { AccountId } from '../../src/domain/message.ts';
import type { Outgoing } from '../../src/domain/outgoing.ts';
import { pendingAccepted } from '../../src/domain/registry.ts';
import type { Sending } from '../../src/http/parts.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, TestServer } from '../support/http-server.ts';

const path = '/messenger/1/messages';
const message = {
  sender: 'page-1',
  destinations: [{ to: 'a', messageId: 'm1' }, { to: 'b' }],
  content: { type: 'TEXT', text: 'Hello' },
};

/** Accepts everything, and remembers what. */
class Taken implements Sending {
  readonly messages: (Outgoing & { readonly account: AccountId })[] = [];
  failure: Error | undefined;
  readonly paused = () => [{ account: 1, sender: 'page-1', reason: 'Graph error 190' }];

  async accept(account: AccountId, messages: readonly Outgoing[]) {
    if (this.failure !== undefined) throw this.failure;
    this.messages.push(...messages.map(one => ({ ...one, account })));
    return messages.map(({ messageId, destination }) => ({ messageId, destination, status: pendingAccepted }));
  }
}

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.app.close();
});

function open() {
  const sending = new Taken();
  const server = new TestServer({ sending });
  servers.push(server);
  const post = (body: unknown, authorization = 'App one', type = 'application/json') =>
    server.call(path, {
      method: 'POST',
      payload: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { authorization, 'content-type': type },
    });
  return { sending, server, post };
}

describe('POST /messenger/1/messages', () => {
  it.each([1, 300])(
    'contents of any numbers and spelling, %i of them → kept as they are written, but for what is null',
    async many => {
      const { sending, post } = open();
      const contents = [
        '{"type":"LOCATION","latitude":48.1234567890123456789,"longitude":-0.10e1}',
        '{ "longitude" : -0,\n"latitude":1e-400,"type":"LOCATION","name":"\\u0041\\/" }',
        '{"type":"COMMENT","content":{"text":"\\ud800\\u0000","text":"\\u0042","type":"TEXT"}}',
      ];
      const texts = Array.from({ length: many }, () => contents).flat();
      const messages = [...texts, '{"type":"LOCATION","latitude":1.0,"longitude":2,"name":null}'].map(
        (content, i) => `{"sender":"page-1","destinations":[{"to":"a","messageId":"m${i}"}],"content":${content}}`,
      );
      const answer = await post(`{"messages":[${messages.join()}]}`);
      expect(answer.statusCode).toBe(200);
      const kept = sending.messages.map(({ contentJson }) => contentJson);
      expect(kept).toEqual([...texts, '{"type":"LOCATION","latitude":1,"longitude":2}']);
    },
  );

  it('a request → one message for each destination, answered as the vendor does', async () => {
    const { sending, post } = open();
    const answer = await post({ messages: [message], options: { schedule: { bulkId: 'bulk-1' } } });
    expect(answer.statusCode).toBe(200);
    const status = {
      groupId: 1,
      groupName: 'PENDING',
      id: 26,
      name: 'PENDING_ACCEPTED',
      description: 'Message sent to next instance',
    };
    expect(answer.json()).toEqual({
      bulkId: 'bulk-1',
      messages: [
        { messageId: 'm1', status, destination: 'a', details: {} },
        { messageId: expect.stringMatching(/^[0-9a-f-]{36}$/), status, destination: 'b', details: {} },
      ],
    });
    expect(sending.messages.map(one => [one.account, one.destination])).toEqual([
      [1, 'a'],
      [1, 'b'],
    ]);
  });

  it('violations → all in one 400, and nothing is accepted', async () => {
    const { sending, post } = open();
    const answer = await post({ messages: [message, { ...message, sender: '', content: { type: 'TEXT' } }], extra: 1 });
    expect(errorAnswer(answer)).toEqual({
      code: 'E400',
      properties: ['messages[1].sender', 'messages[1].content.text', 'extra'],
    });
    for (const body of ['', '{', 'null', '[]', '"x"', '{}']) expect(errorAnswer(await post(body)).code).toBe('E400');
    expect(sending.messages).toEqual([]);
  });

  it('scopes → those that send, and no other', async () => {
    const { server, post } = open();
    const statusOf = async (
      scope: 'message:send' | 'messenger:message:send' | 'messenger:logs:read' | 'messenger:logs:write',
    ) => {
      server.callers.add(scope, 1, [scope]);
      return (await post({ messages: [] }, `App ${scope}`)).statusCode;
    };
    expect(await statusOf('message:send')).toBe(200);
    expect(await statusOf('messenger:message:send')).toBe(200);
    expect(await statusOf('messenger:logs:read')).toBe(403);
    expect(await statusOf('messenger:logs:write')).toBe(403);
    expect((await post({ messages: [] }, 'App nobody')).statusCode).toBe(401);
  });

  it('a bound key → its application and entity on every message; another one’s → refused', async () => {
    const { sending, server, post } = open();
    server.callers.add('bound', 1, ['messenger:manage'], { applicationId: 'app', entityId: 'ent' });
    expect((await post({ messages: [message] }, 'App bound')).statusCode).toBe(200);
    expect(sending.messages[0]).toMatchObject({ applicationId: 'app', entityId: 'ent' });
    const other = { ...message, options: { platform: { applicationId: 'other' } } };
    expect(errorAnswer(await post({ messages: [other] }, 'App bound')).properties).toEqual([
      'options.platform.applicationId',
    ]);
  });

  it('another type, a body too large, nothing that can be kept → 415, 413, 503', async () => {
    const { sending, post } = open();
    expect((await post('a=b', 'App one', 'application/x-www-form-urlencoded')).statusCode).toBe(415);
    expect((await post(`{"messages":[]}${' '.repeat(10 * 1024 * 1024)}`)).statusCode).toBe(413);
    sending.failure = new StoreUnavailable('the disk is full');
    expect((await post({ messages: [message] })).statusCode).toBe(503);
  });

  it('a bound key → nothing of the Meta that is played, which is the whole account’s', async () => {
    const answer = { status: 200, body: { sent: [] } };
    const server = new TestServer({ emulator: { handle: async () => answer } });
    servers.push(server);
    server.callers.set('bound', {
      account: { id: 1, name: 'account 1' },
      scopes: ['messenger:manage'],
      binding: { applicationId: 'a' },
    });
    const calls = [
      ['GET', 'sent'],
      ['GET', 'destinations'],
      ['GET', 'clock'],
      ['POST', 'reset'],
    ] as const;
    for (const [method, action] of calls) {
      const status = async (name: string) => {
        const call = { method, headers: { authorization: `App ${name}` }, ...(method === 'POST' && { payload: '{}' }) };
        return (await server.call(`/emulator/${action}`, call)).statusCode;
      };
      expect([await status('bound'), await status('one')], action).toEqual([403, 200]);
    }
  });

  it('a server without a carrier → no such call', async () => {
    const server = new TestServer();
    servers.push(server);
    expect((await server.call(path, { method: 'POST', payload: '{}' })).statusCode).toBe(404);
    expect((await server.call('/emulator/reset', { method: 'POST', payload: '{}' })).statusCode).toBe(404);
  });
});
