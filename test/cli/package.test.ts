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

const textOf = (name: string) => readFileSync(join(installed, name), 'utf8');

/** Where a document of the package points to, by any form that Markdown has: inline, by reference, and HTML. */
function linksIn(name: string): readonly string[] {
  const text = textOf(name)
    .replaceAll(/^```.*?^```/gms, '')
    .replaceAll(/`[^`\n]*`/g, '');
  const forms = [/\]\(<?([^)\s>]+)/g, /^\[[^\]]+\]:\s*<?(\S+?)>?$/gm, /\b(?:src|href|srcset)="([^"]+)"/g];
  return forms.flatMap(form => [...text.matchAll(form)].map(([, link = '']) => link));
}

function leadsSomewhere(name: string, link: string): boolean {
  if (/^(?:https?|mailto):/.test(link)) return URL.canParse(link);
  const [file = '', heading] = link.split('#');
  const target = file === '' ? name : join(dirname(name), file);
  if (target.startsWith('..') || !existsSync(join(installed, target))) return false;
  return heading === undefined || headingsIn(target).has(heading);
}

/** The headings of a document as addresses name them. */
function headingsIn(name: string): ReadonlySet<string> {
  const headings = textOf(name).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  );
}

describe('the package, installed', () => {
  test('sentlog → runs bundled, from its own files', async () => {
    const { stdout, stderr } = await call(process.execPath, [join(installed, 'bin/sentlog'), '--help'], {
      cwd: folder,
    });
    expect(stdout).toContain('Usage: sentlog');
    expect(stderr).toBe('');
    expect(readdirSync(join(installed, 'dist')).length).toBeGreaterThan(5);
    expect(existsSync(join(installed, 'test'))).toBe(false);
    // Beside a file may stand what it is compressed.
    const page = readdirSync(join(installed, 'web/dist')).filter(name => !/\.(br|gz)$/.test(name));
    expect(page.sort()).toEqual(['assets', 'icon.svg', 'index.html']);
  });

  test('a defect → its stack names the sources', async () => {
    const defect = `data:text/javascript,process.umask = () => { throw new TypeError('a defect') }`;
    const failed = call(process.execPath, ['--import', defect, join(installed, 'bin/sentlog'), 'health']);
    await expect(failed).rejects.toMatchObject({ stderr: expect.stringMatching(/src\/cli\/main\.ts:\d+/) });
  });

  test('each link of each document → to a file in the package and a heading in it, or to an address', () => {
    const documents = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.md'),
    );
    expect(documents).toEqual(expect.arrayContaining(['README.md', 'docs/sizing.md', 'deploy/README.md']));
    const links = documents.flatMap(name => linksIn(name).map(link => ({ name, link })));
    expect(links.length).toBeGreaterThan(30);
    const lost = links.filter(({ name, link }) => !leadsSomewhere(name, link));
    expect(lost.map(({ name, link }) => `${name}: ${link}`)).toEqual([]);
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
