import { execFile } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { afterAll, expect, test } from 'vitest';
import { openApiDocument } from '../../src/http/document/openapi.ts';
import { TestServer } from '../support/http-server.ts';

const root = join(import.meta.dirname, '../..');
const source = join(root, 'test/typed-client');
const folder = mkdtempSync(join(tmpdir(), 'sentlog-typed-client-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const document = JSON.stringify(openApiDocument('test'));

/** What a program of Node's printed; rejects with all it printed when it failed. */
async function run(...args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, args, { cwd: folder })).stdout;
  } catch (error) {
    throw new Error(`${args.at(0)}: ${JSON.stringify(error)}`, { cause: error });
  }
}

test('a program typed by openapi-typescript → compiles, posts and reads', async () => {
  writeFileSync(join(folder, 'openapi.json'), document);
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  copyFileSync(join(source, 'program.ts'), join(folder, 'program.ts'));
  copyFileSync(join(source, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  const types = join(folder, 'openapi.d.ts');
  const generator = join(root, 'node_modules/openapi-typescript/bin/cli.js');
  await run('--import', join(source, 'typescript-library.mjs'), generator, 'openapi.json', '--output', types);
  const compiled = () => run(join(root, 'node_modules/typescript/bin/tsc'), '--project', folder);
  await compiled();
  const server = new TestServer();
  const printed = await run('program.ts', await server.listen(), 'one').finally(() => server.app.close());
  expect(JSON.parse(printed)).toEqual({
    recorded: 1,
    rejected: 0,
    text: 'Hello',
    price: 12.345678901,
    status: 'DELIVERED_TO_HANDSET',
    timeline: ['PENDING_ACCEPTED', 'DELIVERED_TO_HANDSET'],
    campaign: 'summer',
    violations: ['limit'],
  });
  const wrong = [
    "const message: components['schemas']['MessageSubmission'] = { messageId: 'm', sender: 'a', destination: 'b' };",
    "await client.POST('/messenger/1/logs', { body: { results: [{ messageId: 'm', price: { pricePerMessage: '1' } }] } });",
    "await client.GET('/messenger/1/logs', { params: { query: { generalStatus: ['SENT'] } } });",
    'const limit: string = page.data?.cursor?.limit;',
  ];
  appendFileSync(join(folder, 'program.ts'), wrong.join('\n'));
  await expect(compiled()).rejects.toThrow(/(?:error TS\d+.*){4}/);
});

test('the description → keeps the rules that Redocly recommends', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source: document, absoluteRef: 'openapi.json', config });
  expect(problems.map(({ ruleId, message, location }) => ({ ruleId, message, at: location[0]?.pointer }))).toEqual([]);
});
