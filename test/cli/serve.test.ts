import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SentlogClient } from '../../src/client/index.ts';
import { basic } from '../accounts/places.ts';
import { ServerHome } from '../support/server-process.ts';
import { until } from '../support/sqlite-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { launcher, run } from './run.ts';

function newHome(): ServerHome {
  const home = new ServerHome();
  onTestFinished(() => home.remove());
  return home;
}

/** Whether nothing listens there any more. */
async function isRefused(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  return new Promise(resolve => {
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

const linesOf = (text: string) => text.split('\n').filter(line => line !== '');

/** What a line with `curl` answers in a shell. A machine without curl gets one that knows what the lines use. */
async function pasted(line: string): Promise<unknown> {
  const folder = temporaryFolder();
  const standIn = `#!${process.execPath}
    const { values, positionals: [url] } = require('node:util').parseArgs({
      allowPositionals: true,
      options: { header: { type: 'string', short: 'H', multiple: true }, data: { type: 'string', short: 'd' } },
    });
    const headers = values.header.map(header => header.split(': '));
    fetch(url, { headers, body: values.data, method: values.data ? 'POST' : 'GET' })
      .then(response => response.text())
      .then(text => process.stdout.write(text));`;
  writeFileSync(join(folder, 'curl'), standIn, { mode: 0o700 });
  const env = { PATH: `${process.env.PATH}:${folder}` };
  return JSON.parse((await promisify(execFile)('sh', ['-c', line], { env })).stdout);
}

describe('the first start', () => {
  test('prints its address, a key, a link and two curl lines that work when pasted; a later start only the addresses', async () => {
    const home = newHome();
    const first = await home.serve({ settings: { SENTLOG_LOG_LEVEL: 'info' } });
    const curls = linesOf(first.stdout).filter(line => line.trimStart().startsWith('curl '));
    expect(curls).toHaveLength(2);
    const [record = '', read = ''] = curls;
    expect(await pasted(record)).toEqual({ recorded: 1, updated: 0, unchanged: 0, rejected: [] });
    expect(await pasted(read)).toMatchObject({ results: [{ messageId: 'hello-1' }] });
    const [key = ''] = /sentlog_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}/.exec(first.stdout) ?? [];
    expect(first.stdout).toContain(`  ${first.address}/#key=${key}\n`);
    expect(first.stderr).not.toContain(key.split('_')[2]);
    expect(linesOf(first.stderr).map(line => JSON.parse(line).level)).toContain('info');
    expect(await first.end('SIGTERM')).toEqual({ code: 0, signal: null });

    const second = await home.serve();
    expect(linesOf(second.stdout)).toEqual([
      `sentlog listens on ${second.address}`,
      `The page is at  ${second.address}/`,
    ]);
    const client = new SentlogClient({ baseUrl: second.address, authorization: { app: key } });
    expect((await client.logs()).results).toHaveLength(1);
  });

  test('on a folder whose accounts were made before, and a key → no other account, no key', async () => {
    const home = newHome();
    await home.createAccount('shop');
    await home.createKey('shop');
    const server = await home.serve();
    expect(server.stdout).not.toContain('sentlog_');
    const listed = linesOf((await home.command('accounts', 'list')).stdout);
    expect(listed.map(line => JSON.parse(line).name)).toEqual(['default', 'shop']);
  });
});

describe('what cannot start', () => {
  test('a folder that cannot be one → one line, exit code 1', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const home = new ServerHome(join(file, 'data'));
    const server = home.launch({ settings: { SENTLOG_LOG_LEVEL: 'info' } });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(linesOf(server.stderr)).toHaveLength(1);
    expect(server.stderr).toContain(file);
    expect(server.stdout).toBe('');
  });

  test('an address that is not of this machine → one line, exit code 1', async () => {
    const server = newHome().launch({ settings: { SENTLOG_HOST: '192.0.2.1' } });
    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(server.stderr).toBe('sentlog: 192.0.2.1 is not an address of this machine: choose another with --host\n');
  });

  test('a port in use → no account is made and no key lost', async () => {
    const taken = await newHome().serve();
    const home = newHome();
    const { port } = new URL(taken.address);
    const refused = home.launch({ settings: { SENTLOG_PORT: port, SENTLOG_LOG_LEVEL: 'info' } });
    expect(await refused.exited).toEqual({ code: 1, signal: null });
    expect(refused.stderr).toBe(`sentlog: port ${port} of 127.0.0.1 is in use: choose another with --port\n`);
    const started = await home.serve();
    expect(started.stdout).toMatch(/sentlog_[0-9A-Za-z]{12}_/);
  });
});

describe('a restart', () => {
  test('sessions, tokens and cursors → good on the other side of it', async () => {
    const home = newHome();
    const first = await home.serve();
    const key = (await home.createKey('default')).slice('App '.length);
    const { stdout } = await home.command('users', 'create', 'ann', '--account', 'default');
    const login = await fetch(`${first.address}/auth/1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'ann', password: stdout.trim() }),
    });
    const { token }: { token: string } = JSON.parse(await login.text());
    const grant = await fetch(`${first.address}/auth/1/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: key.split('_')[1] ?? '',
        client_secret: key.split('_')[2] ?? '',
        grant_type: 'client_credentials',
      }),
    });
    const { access_token }: { access_token: string } = JSON.parse(await grant.text());
    const before = new SentlogClient({ baseUrl: first.address, authorization: { ibsso: token } });
    const record = { sender: 's', destination: 'd', content: { type: 'TEXT', text: 't' } };
    await before.record([
      { messageId: 'a', ...record },
      { messageId: 'b', ...record },
    ]);
    const page = await before.logs({ limit: 1, useCursor: true });
    await first.end('SIGTERM');

    const second = await home.serve();
    const after = new SentlogClient({ baseUrl: second.address, authorization: { ibsso: token } });
    const rest = await after.logs({ limit: 1, cursor: page.cursor?.nextCursor });
    expect([...page.results, ...rest.results].map(log => log.messageId).sort()).toEqual(['a', 'b']);
    for (const authorization of [`Bearer ${access_token}`, basic('ann', stdout.trim())])
      expect((await fetch(`${second.address}/messenger/1/logs`, { headers: { authorization } })).status).toBe(200);
    const ended = { method: 'DELETE', headers: { authorization: `IBSSO ${token}` } };
    expect((await fetch(`${second.address}/auth/1/session`, ended)).status).toBe(200);
    await expect(after.logs()).rejects.toMatchObject({ errorCode: 'E401' });
  });
});

describe('signals', () => {
  /** A server that has an upload under way which does not go on, and so cannot stop at once. */
  async function busyServer() {
    const home = newHome();
    const server = await home.serve({ settings: { SENTLOG_SHUTDOWN_TIMEOUT: '1h' } });
    const { hostname, port } = new URL(server.address);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    onTestFinished(() => {
      socket.destroy();
    });
    const head = ['POST /messenger/1/logs HTTP/1.1', 'Host: x', 'Content-Type: application/x-ndjson'];
    head.push(
      `Authorization: ${await home.createKey('default')}`,
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
    );
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    await once(socket, 'data');
    return server;
  }

  test('one signal that arrives several times at once → still a clean stop', async () => {
    const server = await newHome().serve();
    server.signal('SIGINT');
    server.signal('SIGINT');
    server.signal('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  test('a second signal → ends what the first one waits for', async () => {
    const server = await busyServer();
    server.signal('SIGTERM');
    // Before it has seen the first, the second would be the same.
    await until(() => isRefused(server.address));
    await pause(1000);
    expect(server.ended).toBe(false);
    server.signal('SIGTERM');
    expect(await server.exited).toEqual({ code: 1, signal: null });
  });
});

describe('the launcher', () => {
  /** Makes Node say that it is another one. */
  function pretending(version: string): string {
    const file = join(temporaryFolder(), 'pretend.cjs');
    writeFileSync(
      file,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
    );
    return file;
  }

  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );

  test.each(['20.0.0', '24.0.0'])('started by Node %s → runs, on a Node that can', async version => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      '--require',
      pretending(version),
      launcher,
      '--version',
    ]);
    expect({ stdout, stderr }).toEqual({ stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('in between → hands signals and the exit code on', async () => {
    const home = newHome();
    const child = spawn(
      process.execPath,
      ['--require', pretending('20.0.0'), launcher, 'serve', '--port', '0', '--data-dir', home.dataDir],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

describe('commands on a real server', () => {
  test('import, query and export → what went in comes out', async () => {
    const home = newHome();
    const server = await home.serve();
    const key = (await home.createKey('default')).slice('App '.length);
    const env = { SENTLOG_URL: server.address, SENTLOG_KEY: key };
    const record = (messageId: string, more = {}) =>
      JSON.stringify({ messageId, sender: 's', destination: 'd', content: { type: 'TEXT', text: 'ä"\n' }, ...more });
    const lines = Array.from({ length: 12_000 }, (_, n) => record(`m${n}`, { bulkId: n % 2 === 0 ? 'even' : 'odd' }));
    lines.splice(5000, 0, '', '{"messageId":"bad"}', 'nonsense');
    lines.push('{"messageId":"m0","status":{"name":"DELIVERED_TO_HANDSET"}}', record('m1', { bulkId: 'odd' }));
    const file = join(home.dataDir, 'in.ndjson');
    writeFileSync(file, lines.join('\n'));
    const imported = await run(['import', file], { env });
    expect(imported.code).toBe(1);
    const notes = linesOf(imported.stderr);
    expect(notes.at(-1)).toMatch(/^12000 recorded, 1 updated, 1 unchanged, 2 rejected/);
    expect(notes.filter(note => note.startsWith('line '))).toEqual([
      expect.stringMatching(/^line 5002: bad: /),
      expect.stringMatching(/^line 5003: /),
    ]);

    const all = linesOf((await run(['query', '--all'], { env })).stdout).map(line => JSON.parse(line));
    expect(new Set(all.map(log => log.messageId)).size).toBe(12_000);
    const some = await run(['query', '--bulk-id', 'even', '--general-status', 'DELIVERED', '--sent-since', '1h'], {
      env,
    });
    expect(JSON.parse(some.stdout)).toMatchObject({ messageId: 'm0', content: { text: 'ä"\n' } });

    const exported = join(home.dataDir, 'out.ndjson');
    expect((await run(['export', '--bulk-id', 'odd', '--output', exported], { env })).code).toBe(0);
    expect(linesOf(readFileSync(exported, 'utf8'))).toHaveLength(6000);
    const again = await run(['import', exported], { env });
    expect(again).toMatchObject({ code: 0, stdout: '' });
    expect(again.stderr).toContain('0 recorded, 0 updated, 6000 unchanged, 0 rejected');
    const csv = await run(['export', '--format', 'csv', '--message-id', 'm0'], { env });
    expect(csv.stdout).toContain('DELIVERED_TO_HANDSET');
  });

  test('nothing but bad records, thousands of them → all counted, exit code 1', async () => {
    const home = newHome();
    const server = await home.serve();
    const key = (await home.createKey('default')).slice('App '.length);
    const { code, stderr } = await run(['import', '--url', server.address, '--key', key, '-'], {
      stdin: '{"messageId":"a"}\n'.repeat(3000),
    });
    expect(code).toBe(1);
    expect(linesOf(stderr).at(-1)).toMatch(/^0 recorded, 0 updated, 0 unchanged, 3000 rejected/);
  });
});

describe('the start anew with less memory', () => {
  /** Whoever starts anew says so, and cannot: as where Node may start no programs. */
  const script =
    "process.execve=(file,args,env)=>{process.stderr.write(['anew',env.MALLOC_ARENA_MAX,...args.filter(one=>/growing/.test(one))].join(' '));throw new Error('ENOENT')}";
  const withFlags = (flags: string) => ({
    NODE_OPTIONS: `${flags} --import=data:text/javascript,${encodeURIComponent(script)}`,
  });

  test.each([
    ['', {}, 'anew 2 --heap-growing-percent=20'],
    ['', { MALLOC_ARENA_MAX: '8', SENTLOG_CARRIER: 'graph' }, 'anew 8 --heap-growing-percent=50'],
    ['--max-semi-space-size=64', {}, ''],
    ['--max_semi_space_size=64', {}, ''],
  ])('NODE_OPTIONS=%s, %o → "%s" is said, and the command goes on', async (flags, given, said) => {
    const { code, stdout, stderr } = await run(['serve', '--help'], { env: { ...withFlags(flags), ...given } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: said });
    expect(stdout).toContain('--data-dir');
  });
});
