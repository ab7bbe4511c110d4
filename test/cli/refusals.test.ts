import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launcher, run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'sentlog-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const on = { env: { SENTLOG_DATA_DIR: join(folder, 'data'), SENTLOG_SECRET: 's'.repeat(32) } };
/** A file with this in it, for flags that name one; under `id` that of a key. */
const given: Record<string, string> = {};

beforeAll(async () => {
  for (const [name, text] of Object.entries({ key: 'key', spaces: 'a b' })) {
    given[name] = join(folder, name);
    writeFileSync(given[name], text);
  }
  expect((await run(['accounts', 'create', 'shop'], on)).code).toBe(0);
  const { stdout } = await run(['keys', 'create', '--account', 'shop'], on);
  given.id = stdout.split('_')[1] ?? '';
});

const mirror = 'mirrors add --account shop --from https://x.example --key-file @key';
const sender = 'senders add --account shop --page 1 --token-file @key --app-secret-file @key';

/** What a rule behind the command line refuses, which knows no flags. A word that begins with @ is what `given` has. */
test.for<[words: string, flag: string, reason: string]>([
  ['keys create --account none', '--account', 'there is no account "none"'],
  ['keys list --account=none', '--account', 'there is no account "none"'],
  ['keys create --account shop --entity=', '--entity', 'the name of an entity cannot be empty'],
  ['keys bind @id --application=', '--application', 'the name of an application cannot be empty'],
  ['users create ann --account shop --password-stdin', '--password-stdin', 'a password has at least'],
  ['accounts set shop --retention 1ms', '--retention', 'messages are kept for 1 s'],
  [`${mirror} --from x`, '--from', '"x" is not an address'],
  [`${mirror} --since 49h`, '--since', 'the other side keeps 48 hours'],
  [`${sender} --app-secret-file @spaces`, '--app-secret-file', 'the app secret is not one'],
  [`${sender} --price 1 --currency euro`, '--currency', 'a currency is three capital letters'],
  ['reports set --account shop --seen-url x', '--seen-url', 'the address of reports'],
  ['graph --port 0 --webhook ftp://x', '--webhook', 'ftp://x is not an http or https address'],
  ['graph --port 0 --host http://', '--host', 'cannot listen on port 0 of http://'],
])('%s → told by its flag %s', async ([words, flag, reason]) => {
  const args = words.split(' ').map(word => (word.startsWith('@') ? (given[word.slice(1)] ?? '') : word));
  const { code, stdout, stderr } = await run(args, { ...on, stdin: 'brief\n' });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^sentlog: [^\n]+\n$/);
  expect(stderr).toContain(`sentlog: ${flag}: ${reason}`);
});

test('what an argument gave, and no flag → told as it is', async () => {
  const { stderr } = await run(['accounts', 'set', 'none', '--retention', '1d'], on);
  expect(stderr).toBe('sentlog: there is no account "none"\n');
});

test.skipIf(process.platform !== 'linux').each(['list', '--help'])('keys %s to a full disk → one line', word => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [launcher, 'keys', word], {
    env: { ...process.env, ...on.env },
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  const told = 'sentlog: standard output cannot be written: ENOSPC: no space left on device, write\n';
  expect({ status, stderr }).toEqual({ status: 1, stderr: told });
});

test('a database of the data folder that another program writes to all the time → one line', async () => {
  const db = new DatabaseSync(join(on.env.SENTLOG_DATA_DIR, 'accounts.db'));
  db.exec('BEGIN IMMEDIATE');
  const { code, stderr } = await run(['keys', 'create', '--account', 'shop'], on);
  db.close();
  expect(code).toBe(1);
  expect(stderr).toBe('sentlog: a database of the data folder cannot be used now: database is locked\n');
});
