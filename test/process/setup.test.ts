import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const clone = mkdtempSync(join(tmpdir(), 'sentlog-clone-'));
const lock = join(clone, '.setup.lock');

/** A clone whose dependencies are installed already: those of this one. */
beforeAll(() => {
  for (const path of ['package.json', 'package-lock.json', 'scripts', 'src', 'tsconfig.json']) copied(path);
  for (const path of ['index.html', 'vite.config.ts', 'tsconfig.json', 'public', 'src']) copied(join('web', path));
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
});

afterAll(() => rmSync(clone, { recursive: true, force: true }));

function copied(path: string): void {
  cpSync(join(root, path), join(clone, path), { recursive: true });
}

/** What it printed; `hear` is told of it while it runs. */
async function setUp(hear: (output: string) => void = () => {}): Promise<string> {
  const running = promisify(execFile)(process.execPath, [join(clone, 'scripts/setup.mjs')]);
  let heard = '';
  for (const stream of [running.child.stdout, running.child.stderr])
    stream?.on('data', text => {
      heard += text;
      hear(heard);
    });
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

const pageFile = () => statSync(join(clone, 'web/dist/index.html'));

test('two at once on a fresh clone → one builds the page, the other waits for it; then there is nothing to do', async () => {
  const outputs = await Promise.all([setUp(), setUp()]);
  expect(outputs.filter(output => output.includes('Building the page'))).toHaveLength(1);
  expect(pageFile().size).toBeGreaterThan(0);
  expect(readdirSync(clone).filter(name => name.startsWith('.setup'))).toEqual([]);
  expect(await setUp()).toBe('');
});

test('a source that has changed, whatever its date → the page is built anew', async () => {
  const before = pageFile().ino;
  writeFileSync(join(clone, 'web/public/icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  expect(await setUp()).toContain('Building the page');
  expect(pageFile().ino).not.toBe(before);
});

test('a source that cannot be compiled → says so, fails, and leaves the page as it was', async () => {
  const before = pageFile().ino;
  const main = join(clone, 'web/src/main.tsx');
  writeFileSync(main, 'import nothing from;');
  await expect(setUp()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('main.tsx') });
  expect(pageFile().ino).toBe(before);
  cpSync(join(root, 'web/src/main.tsx'), main);
});

test('the lock of a process that has died → is taken away', async () => {
  writeFileSync(lock, '4194304');
  writeFileSync(join(clone, 'web/public/icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="1"/>');
  expect(await setUp()).toContain('Set up in');
});

test('the lock of a process that lives → is waited for', async () => {
  writeFileSync(lock, String(process.pid));
  writeFileSync(join(clone, 'web/public/icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="2"/>');
  const { promise: waits, resolve } = Promise.withResolvers<void>();
  const output = setUp(heard => {
    if (heard.includes(`waiting for process ${process.pid}`)) resolve();
  });
  // When it ends without having waited, what it printed tells below.
  await Promise.race([waits, output]);
  const early = pageFile().ino;
  rmSync(lock);
  expect(await output).toContain(`waiting for process ${process.pid}`);
  expect(pageFile().ino).not.toBe(early);
});
