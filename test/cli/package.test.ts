import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SentlogClient } from '../../src/client/index.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'sentlog-package-'));
const installed = join(folder, 'node_modules/sentlog');
const call = promisify(execFile);

/** Packs as for publishing, and unpacks as npm does; what the package depends on is taken from this clone. */
beforeAll(async () => {
  const { stdout } = await call('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  mkdirSync(installed, { recursive: true });
  await call('tar', ['-xzf', join(folder, stdout.trim()), '-C', installed, '--strip-components=1']);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const modules = join(root, 'node_modules');
  for (const name of readdirSync(modules))
    if (!name.startsWith('.')) symlinkSync(join(modules, name), join(folder, 'node_modules', name));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package, installed', () => {
  test('sentlog → runs bundled, from its own files', async () => {
    const { stdout, stderr } = await call(process.execPath, [join(installed, 'bin/sentlog'), '--help'], {
      cwd: folder,
    });
    expect(stdout).toContain('Usage: sentlog');
    expect(stderr).toBe('');
    expect(readdirSync(join(installed, 'dist')).length).toBeGreaterThan(5);
    expect(existsSync(join(installed, 'test'))).toBe(false);
    expect(readdirSync(join(installed, 'web/dist')).sort()).toEqual(['assets', 'icon.svg', 'index.html']);
  });

  test('a defect → its stack names the sources', async () => {
    const defect = `data:text/javascript,process.umask = () => { throw new TypeError('a defect') }`;
    const failed = call(process.execPath, ['--import', defect, join(installed, 'bin/sentlog'), 'health']);
    await expect(failed).rejects.toMatchObject({ stderr: expect.stringMatching(/src\/cli\/main\.ts:\d+/) });
  });

  test('each document → links to what is in the package, but for sources, which are there bundled', () => {
    const documents = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.md'),
    );
    expect(documents).toEqual(expect.arrayContaining(['README.md', 'docs/sizing.md', 'deploy/README.md']));
    const missing = documents.flatMap(name =>
      [...readFileSync(join(installed, name), 'utf8').matchAll(/\]\(([^)#\s]+)/g)]
        .map(([, link = '']) => link)
        .filter(link => !/^[a-z]+:|\.ts$/.test(link) && !existsSync(join(installed, dirname(name), link)))
        .map(link => `${name}: ${link}`),
    );
    expect(missing).toEqual([]);
  });

  test('the program of the README → compiles against the package', async () => {
    const [, program = ''] = /```ts\n([^`]+)```/.exec(readFileSync(join(installed, 'README.md'), 'utf8')) ?? [];
    expect(program.trim().split('\n')).toHaveLength(5);
    writeFileSync(join(folder, 'readme.ts'), program);
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const { stdout } = await call(join(root, 'node_modules/.bin/tsc'), [...strict, 'readme.ts'], { cwd: folder });
    expect(stdout).toBe('');
  });

  test('sentlog serve → serves, its threads too', async () => {
    const program = join(installed, 'bin/sentlog');
    const on = ['--data-dir', join(folder, 'data')];
    const server = spawn(process.execPath, [program, 'serve', '--port', '0', ...on], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => {
      server.kill('SIGKILL');
    });
    const [printed] = await once(server.stdout, 'data');
    const [address = ''] = /http:\/\/\S+/.exec(String(printed)) ?? [];
    const key = (
      await call(process.execPath, [program, 'keys', 'create', '--account', 'default', ...on])
    ).stdout.trim();
    const client = new SentlogClient({ baseUrl: address, authorization: { app: key } });
    const page = await fetch(`${address}/`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const message = { messageId: 'a', sender: 's', destination: 'd', content: { type: 'TEXT', text: 't' } };
    expect(await client.record([message])).toMatchObject({ recorded: 1 });
    expect(await client.logs()).toMatchObject({ results: [{ messageId: 'a' }] });
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('sentlog/client → imported by its name, with its types', async () => {
    const program = `
      import { type Log, SentlogClient } from 'sentlog/client';
      const client = new SentlogClient({ baseUrl: 'http://127.0.0.1:9', authorization: { app: 'k' } });
      const seen: Log[] = [];
      client.logs({ generalStatus: 'DELIVERED' }).then(
        page => seen.push(...page.results),
        (error: Error) => console.log(error.name, seen.length),
      );`;
    writeFileSync(join(folder, 'program.ts'), program);
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,dom',
      '--types',
      '',
    ];
    await call(join(root, 'node_modules/.bin/tsc'), [...options, 'program.ts'], { cwd: folder });
    const { stdout } = await call(process.execPath, ['program.ts'], { cwd: folder });
    expect(stdout).toBe('ConnectionError 0\n');
    const wrong = program.replace("'DELIVERED'", "'DELIVRED'");
    writeFileSync(join(folder, 'program.ts'), wrong);
    const refused = call(join(root, 'node_modules/.bin/tsc'), [...options, 'program.ts'], { cwd: folder });
    await expect(refused).rejects.toMatchObject({ stdout: expect.stringContaining('DELIVRED') });
  });
});
