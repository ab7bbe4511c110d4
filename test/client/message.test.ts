import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SentlogClient, SentlogError } from '../../src/client/index.ts';
import { anyText } from '../support/any-text.ts';
import { message, TestServer } from '../support/http-server.ts';
import { runs } from '../support/properties.ts';

const server = new TestServer();
const client = new SentlogClient({ baseUrl: await server.listen(), authorization: { app: 'one' } });
afterAll(() => server.app.close());

/** What addresses are made of, in any order, beside texts of any kind. */
const ids = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'./%\\?#;:&=+2eEfF "~'), minLength: 1, maxLength: 6 }),
  anyText,
);
const odd = [
  '.',
  '..',
  '...',
  '/',
  '//',
  '/.',
  './',
  '../',
  '%',
  '%2e',
  '%2E%2e',
  '%2f',
  '..%2f',
  'a/../b',
  '\\',
  '?',
  '#',
  ' a',
];

async function found(messageId: string): Promise<string> {
  return client.message(messageId).then(
    one => one.messageId,
    error => {
      if (error instanceof SentlogError) return `${error.status}`;
      if (error instanceof RangeError) return error.message;
      throw error;
    },
  );
}

test('any id → its message and no other, or why no address leads to it', async () => {
  await fc.assert(
    fc.asyncProperty(ids, async id => {
      const answer = await server.post({ results: [message(id)] });
      const isRecorded = answer.statusCode === 200;
      const outcome = await found(id);
      if (id === '.' || id === '..' || !id.isWellFormed()) expect(outcome).toContain('no address can name');
      else expect(outcome).toBe(isRecorded ? id : '404');
    }),
    { examples: odd.map(id => [id]), numRuns: odd.length + runs(600) },
  );
});

test('an id that no address can name → its log is found all the same', async () => {
  await server.record(['.', '..'].map(id => message(id)));
  for (const messageId of ['.', '..'])
    expect((await client.logs({ messageId })).results.map(one => one.messageId)).toEqual([messageId]);
  expect(await found('')).toBe('404');
});
