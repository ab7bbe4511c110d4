import { afterEach, expect, test } from 'vitest';
import { message, TestServer } from '../support/http-server.ts';

let server: TestServer;
afterEach(() => server.app.close());

const records = [
  message('sound'),
  message('flawed', { content: { type: 'IMAGE', url: 'nowhere' } }),
  message('new', { content: { type: 'A_NEW_TYPE' } }),
  message('refused', { content: { type: 'TEXT' }, sentAt: '2001-01-01T00:00:00Z' }),
];

test('contents that are not as the schema has them → recorded as they came, counted and told', async () => {
  server = new TestServer();
  const answer = await server.post({ results: records });
  expect(answer.json()).toMatchObject({ recorded: 3, flawed: 1, rejected: [{ index: 3 }] });
  expect((await server.call('/messenger/1/messages/flawed')).json().content).toEqual({ type: 'IMAGE', url: 'nowhere' });
  expect((await server.call('/metrics')).body).toContain('sentlog_flawed_contents_total 1');
  const lines = `${JSON.stringify(records[0])}\n${JSON.stringify(message('f2', { content: { type: 'TEXT' } }))}\n`;
  expect((await server.post(lines, 'App one', 'application/x-ndjson')).json()).toMatchObject({
    unchanged: 1,
    flawed: 1,
  });
  expect((await server.post({ results: [message('s2')] })).json()).not.toHaveProperty('flawed');
});

test('strict → rejected with what is wrong, the others recorded', async () => {
  server = new TestServer({ content: 'strict' });
  const answer = await server.post({ results: records });
  expect(answer.json()).toEqual({
    recorded: 2,
    updated: 0,
    unchanged: 0,
    rejected: [
      {
        index: 1,
        messageId: 'flawed',
        violations: [
          { property: 'content.url', violation: 'must be an http or https address of at most 1000 characters' },
        ],
      },
      {
        index: 3,
        messageId: 'refused',
        violations: [{ property: 'content.text', violation: 'is required' }],
      },
    ],
  });
  expect((await server.call('/messenger/1/messages/flawed')).statusCode).toBe(404);
});
