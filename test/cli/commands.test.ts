import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { clientSettings, flagName, serverSettings } from '../../src/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { answering, launcher, oneLine, onTerminal, run } from './run.ts';

describe('usage', () => {
  test('serve --help → every setting with its flag, variable and default', async () => {
    const { code, stdout } = await run(['serve', '--help']);
    expect(code).toBe(0);
    const words = stdout.replace(/\s+/g, ' ');
    for (const setting of Object.values(serverSettings)) {
      expect(words).toContain(`--${flagName(setting)} <value>`);
      expect(words).toContain(`${setting.env}${setting.default === '' ? ')' : `, default ${setting.default})`}`);
    }
  });

  test.each(['query', 'export', 'import'])('%s --help → names the server and the key', async command => {
    const { code, stdout } = await run([command, '--help']);
    expect(code).toBe(0);
    for (const { env } of Object.values(clientSettings)) expect(stdout).toContain(env);
  });

  test.each([
    [['serve', '--prot', '1'], {}, "sentlog: unknown option '--prot' (Did you mean --port?)"],
    [['serv'], {}, "sentlog: unknown command 'serv' (Did you mean serve?)"],
    [['serve', '--port', 'x'], {}, 'sentlog: --port: "x" is not a whole number from 0 to 65535'],
    [['serve'], { SENTLOG_PROT: '1' }, 'sentlog: SENTLOG_PROT is not a setting; the nearest one is SENTLOG_PORT'],
    [['query'], {}, 'sentlog: a key is needed: --key, or the variable SENTLOG_KEY'],
    [
      ['query', '--limit', '0', '--key', 'k'],
      {},
      "sentlog: option '--limit <number>' argument '0' is invalid. It is not a whole number above 0.",
    ],
    [
      ['keys', 'create', '--account', 'a', '--scope', 'messenger'],
      {},
      "sentlog: option '--scope <scope>' argument 'messenger' is invalid. It is not one of messenger:logs:read, messenger:logs:write, messenger:message:send, message:send, messenger:manage.",
    ],
    [
      ['query', '--key', 'k', '--sent-since', '30min'],
      {},
      "sentlog: option '--sent-since <time>' argument '30min' is invalid. It is not a duration (500ms, 90s, 15m, 48h, 30d, 2w).",
    ],
    [
      ['tail', '--key', 'k', '--sent-until', '999999999999d'],
      {},
      "sentlog: option '--sent-until <time>' argument '999999999999d' is invalid. It is longer than a hundred years.",
    ],
    [
      ['export', '--key', 'k', '--sent-since', '2026-02-30'],
      {},
      "sentlog: option '--sent-since <time>' argument '2026-02-30' is invalid. It is not a duration (2h), a date (2026-02-22) or a date-time with an offset (2026-02-22T17:42:05+0100).",
    ],
    [
      ['query', '--key', 'k', '--sent-since', '2026-02-22', '--sent-until', '2026-02-21'],
      {},
      'sentlog: --sent-until: the range ends before it begins with --sent-since',
    ],
    [['query'], { SENTLOG_KEY: '' }, 'sentlog: SENTLOG_KEY: the value is empty: `sentlog keys create` makes a key'],
    [
      ['graph', '--port', '0', '--app-secret-file', '/does/not/exist'],
      {},
      "sentlog: --app-secret-file: ENOENT: no such file or directory, open '/does/not/exist'",
    ],
    [
      ['import', '--key', 'k', '/does/not/exist'],
      {},
      "sentlog: ENOENT: no such file or directory, stat '/does/not/exist'",
    ],
  ])('%j with %j → one line, exit code 1', async (args, env, line) => {
    const { code, stdout, stderr } = await run(args, { env });
    expect(oneLine(stderr)).toBe(line);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });
});

describe('accounts, keys and users', () => {
  test('account, key, user → made, listed, revoked; only the key itself on standard output', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const on = ['--data-dir', dataDir];
    expect(await run(['accounts', 'create', 'shop', '--requests-per-minute', '7', ...on])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'made account default, which a new log begins with\nmade account shop\n',
    });
    const accounts = async () =>
      (await run(['accounts', 'list', ...on])).stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line));
    expect((await accounts()).map(({ name }) => name)).toEqual(['default', 'shop']);
    const created = await run(['keys', 'create', '--account', 'shop', '--expires', '30d', '--entity', 'e', ...on]);
    expect(created.code).toBe(0);
    expect(created.stdout).toMatch(/^sentlog_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}\n$/);
    const [, id = ''] = created.stdout.split('_');
    const listed = async () => JSON.parse((await run(['keys', 'list', ...on])).stdout);
    expect(await listed()).toMatchObject({
      id,
      account: 'shop',
      state: 'active',
      entityId: 'e',
      scopes: ['messenger:manage'],
    });
    const bound = await run(['keys', 'bind', `sentlog_${id}`, '--application', 'a', '--entity', 'f', ...on]);
    expect(oneLine(bound.stderr)).toBe(`bound key ${id} to application a and entity f`);
    expect(await listed()).toMatchObject({ id, applicationId: 'a', entityId: 'f' });
    expect((await run(['keys', 'bind', id, '--application', 'b', ...on])).code).toBe(0);
    expect(await listed()).not.toHaveProperty('entityId');
    expect(oneLine((await run(['keys', 'unbind', id, ...on])).stderr)).toBe(`key ${id} is bound to nothing`);
    expect(await listed()).not.toHaveProperty('applicationId');
    expect((await run(['keys', 'revoke', id, ...on])).code).toBe(0);
    expect(await listed()).toMatchObject({ id, state: 'revoked' });
    for (const args of [[id, '--entity', 'e'], [id], ['none', '--entity', 'e']])
      expect(await run(['keys', 'bind', ...args, ...on])).toMatchObject({ code: 1, stdout: '' });
    const generated = await run(['users', 'create', 'ann', '--account', 'shop', ...on]);
    expect(generated.stdout).toMatch(/^[0-9A-Za-z]{24}\n$/);
    const given = await run(['users', 'create', 'bob', '--account', 'shop', '--password-stdin', ...on], {
      stdin: 'the password\nmore\n',
    });
    expect(given).toMatchObject({ code: 0, stdout: '' });
    const users = (await run(['users', 'list', '--account', 'shop', ...on])).stdout.trim().split('\n');
    expect(users.map(line => JSON.parse(line).name)).toEqual(['ann', 'bob']);
    expect((await run(['users', 'remove', 'ann', ...on])).code).toBe(0);
    expect((await run(['users', 'list', ...on])).stdout).not.toContain('ann');
    const set = (limit: string) => run(['accounts', 'set', 'shop', '--requests-per-minute', limit, ...on]);
    expect(oneLine((await set('9')).stderr)).toBe('account shop: 9 requests a minute');
    expect(oneLine((await set('default')).stderr)).toBe(
      'account shop: as many requests a minute as the server is set to',
    );
    expect((await accounts())[1]).not.toHaveProperty('requestsPerMinute');
    const keep = (...flags: string[]) => run(['accounts', 'set', 'shop', ...flags, ...on]);
    expect(oneLine((await keep('--retention', '90d', '--requests-per-minute', '9')).stderr)).toBe(
      'account shop: 9 requests a minute, messages are kept for 90d',
    );
    expect((await accounts())[1]).toMatchObject({ retentionMs: 7_776_000_000 });
    expect((await run(['accounts', 'list', '--names', ...on])).stdout).toBe('default\nshop\n');
    const tooLong = await keep('--retention', '3650d');
    expect(tooLong.code).toBe(1);
    expect(oneLine(tooLong.stderr)).toMatch(/SENTLOG_SEGMENT_AGE is too short for this retention: .* 87600 segments/);
    expect(oneLine((await keep('--retention', 'default')).stderr)).toBe(
      'account shop: messages are kept as long as the server is set to',
    );
    expect(oneLine((await keep()).stderr)).toMatch(/nothing to change/);
  });

  test('a folder without accounts → refused, and nothing is left there', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const { code, stderr } = await run(['keys', 'create', '--account', 'shop', '--data-dir', dataDir]);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe(`sentlog: there are no accounts in ${dataDir}: --data-dir says where they are`);
    expect(existsSync(dataDir)).toBe(false);
  });

  test('a folder that cannot be looked into → the reason, and not that it has no accounts', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    symlinkSync('data', dataDir);
    for (const command of [
      ['keys', 'list', '--data-dir'],
      ['copy', '--to', 'postgres://localhost/none', '--from'],
    ]) {
      const { code, stderr } = await run([...command, dataDir]);
      expect(code).toBe(1);
      expect(oneLine(stderr)).toMatch(/^sentlog: ELOOP: [^\n]+$/);
    }
  });
});

describe('export', () => {
  const rows = 'a,b\n1,2\n';

  test('to standard output and to a file → the bytes the server sent', async () => {
    const asked: string[] = [];
    const url = await answering(({ request, response }) => {
      asked.push(request.url ?? '');
      response.end(rows);
    });
    const on = ['--url', url, '--key', 'k'];
    expect(await run(['export', ...on])).toEqual({ code: 0, stdout: rows, stderr: '' });
    const folder = temporaryFolder();
    const output = join(folder, 'out.csv');
    writeFileSync(output, 'old');
    // One that was killed could not remove its own; one of a container with the same name and number may be under way.
    const abandoned = join(folder, '.sentlog-export.x');
    writeFileSync(abandoned, 'half');
    utimesSync(abandoned, 0, Date.now() / 1000 - 7200);
    const underWay = `.sentlog-export.${hostname()}.${spawnSync('true').pid}.x`;
    writeFileSync(join(folder, underWay), 'half');
    expect(await run(['export', ...on, '--format', 'csv', '--sender', 's', '--output', output])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(readFileSync(output, 'utf8')).toBe(rows);
    expect(readdirSync(folder).sort()).toEqual([underWay, 'out.csv']);
    expect(asked).toEqual(['/messenger/1/logs/export?format=ndjson', '/messenger/1/logs/export?sender=s&format=csv']);
  });

  test('broken off in the middle → exit code 1, the old file unharmed, nothing beside it', async () => {
    const url = await answering(({ response }) => {
      response.write(rows);
      setTimeout(() => response.destroy(), 20);
    });
    const folder = temporaryFolder();
    const output = join(folder, 'out.csv');
    writeFileSync(output, 'old');
    const { code, stderr } = await run(['export', '--url', url, '--key', 'k', '--output', output]);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toContain('the answer broke off');
    expect(readFileSync(output, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out.csv']);
  });

  test('told to stop → the old file unharmed, nothing beside it; on a terminal how much was written until then', async () => {
    const url = await answering(({ response }) => response.write(rows));
    const folder = temporaryFolder();
    const output = join(folder, 'out.csv');
    writeFileSync(output, 'old');
    const args = [launcher, 'export', '--url', url, '--key', 'k', '--output', output];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...onTerminal } });
    let [stderr, meanwhile] = ['', ['']];
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      // Told once: a second signal would end it at once.
      if (child.killed || readdirSync(folder).length === 1) return;
      meanwhile = readdirSync(folder).sort();
      child.kill('SIGTERM');
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(meanwhile[0]).toMatch(/^\.sentlog-export\./);
    expect(stderr).toMatch(/0\.0 MB written, \d+\.\d MB a second/);
    expect(stderr).toMatch(/stopped: \S+ is as it was\n$/);
    expect(readFileSync(output, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out.csv']);
  });

  test('to a link → the file behind it is replaced, the link stays', async () => {
    const url = await answering(({ response }) => response.end(rows));
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'real'), 'old');
    symlinkSync('real', join(folder, 'link'));
    await run(['export', '--url', url, '--key', 'k', '--output', join(folder, 'link')]);
    expect(readFileSync(join(folder, 'real'), 'utf8')).toBe(rows);
    expect(readdirSync(folder).sort()).toEqual(['link', 'real']);
  });

  test('to a pipe → written into, not replaced', async () => {
    const url = await answering(({ response }) => response.end(rows));
    const pipe = join(temporaryFolder(), 'pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    const [read, exported] = await Promise.all([
      readFile(pipe, 'utf8'),
      run(['export', '--url', url, '--key', 'k', '--output', pipe]),
    ]);
    expect(read).toBe(rows);
    expect(exported).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(statSync(pipe).isFIFO()).toBe(true);
  });

  test.skipIf(process.platform !== 'linux')('to a full device → one line that names what was given', async () => {
    const url = await answering(({ response }) => response.end(rows));
    const { code, stderr } = await run(['export', '--url', url, '--key', 'k', '--output', '/dev/full']);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe('sentlog: --output: /dev/full cannot be written: ENOSPC');
  });

  test.each([
    ['a folder', '.', 'EISDIR'],
    ['a folder that there is not', 'none/of.csv', 'ENOENT'],
    ['what is below a file', 'file/of.csv', 'ENOTDIR'],
    ['a file without a name', '', 'ENOENT'],
  ])('to %s → one line that names the flag and what was given, exit code 1', async (what, name, reason) => {
    const url = await answering(({ response }) => response.end(rows));
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const output = name && join(folder, name);
    const { code, stderr } = await run(['export', '--url', url, '--key', 'k', '--output', output]);
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe(`sentlog: --output: ${output || what} cannot be written: ${reason}`);
  });
});
