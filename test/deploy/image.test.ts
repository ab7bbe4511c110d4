import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { validate } from 'dockerfile-utils';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SentlogClient } from '../../src/client/index.ts';
import { loadConfig } from '../../src/config.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { build, context, dockerfile, image, root, sources } from './image.ts';

const call = promisify(execFile);

/** The packages that the lock file says are needed to run, and no other. */
function linkProductionPackages(_: string, workdir: string): void {
  const { packages }: { packages: Record<string, { dev?: boolean; optional?: boolean }> } = JSON.parse(
    readFileSync(join(workdir, 'package-lock.json'), 'utf8'),
  );
  for (const [path, { dev, optional }] of Object.entries(packages))
    if (path !== '' && dev !== true && (optional !== true || existsSync(join(root, path))))
      cpSync(join(root, path), join(workdir, path), { recursive: true, verbatimSymlinks: true });
}

const pack = 'npm run build:page && npm run build:program && npm pack --ignore-scripts && tar -xzf sentlog-*.tgz';

const steps = {
  'npm ci --ignore-scripts --no-audit --no-fund': (_: string, workdir: string) =>
    symlinkSync(join(root, 'node_modules'), join(workdir, 'node_modules')),
  'npm ci --omit=dev --ignore-scripts --no-audit --no-fund': linkProductionPackages,
  [pack]: async (_: string, workdir: string) => {
    await call('sh', ['-c', pack], { cwd: workdir });
  },
  'install --directory --owner=1000 --group=1000 --mode=0700 /data': (stage: string) => {
    mkdirSync(join(stage, 'data'), { recursive: true });
  },
};

describe('Dockerfile', () => {
  test('linter → has nothing to say', () => {
    expect(validate(dockerfile)).toEqual([]);
  });

  test('what is copied → is there, and is not kept from the build', () => {
    expect(sources.filter(path => !existsSync(join(root, path)))).toEqual([]);
    expect([...context.sent].sort()).toEqual([...new Set(sources)].sort());
  });

  test('image → listens on the port that it names, keeps its data in /data, runs as no root', () => {
    const config = loadConfig({ env: image.env, flags: {} });
    expect(config).toMatchObject({ host: '0.0.0.0', dataDir: '/data' });
    expect(image.ports).toEqual([`${config.port}`]);
    expect(image.user).toBe('1000:1000');
    expect(new Set(image.bases)).toEqual(new Set([`node:${/\d+/.exec(process.version)?.[0]}-slim`]));
  });
});

test('what the Dockerfile builds, done by hand → serves by the packages it needs alone, and tells its health', async () => {
  const folder = temporaryFolder();
  const stage = await build(folder, steps);
  const [node, ...entry] = image.entrypoint;
  const [[checker, ...health] = []] = image.health;
  expect([node, checker]).toEqual(['node', 'node']);
  const port = await freePort();
  const settings = { ...image.env, SENTLOG_PORT: `${port}`, SENTLOG_DATA_DIR: join(stage, 'data') };
  const inside = { cwd: join(stage, 'app'), env: { PATH: process.env.PATH, ...settings } };
  const server = spawn(process.execPath, [...entry, ...image.command], {
    ...inside,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    server.kill('SIGKILL');
  });
  await once(server.stdout, 'data');
  await call(process.execPath, health, inside);
  const made = await call(process.execPath, [...entry, 'keys', 'create', '--account', 'default'], inside);
  const client = new SentlogClient({ baseUrl: `http://127.0.0.1:${port}`, authorization: { app: made.stdout.trim() } });
  const message = { messageId: 'a', sender: 's', destination: 'd', content: { type: 'TEXT', text: 't' } };
  expect(await client.record([message])).toMatchObject({ recorded: 1 });
  const page = await fetch(`http://127.0.0.1:${port}/`);
  expect({ status: page.status, type: page.headers.get('content-type') }).toEqual({
    status: 200,
    type: 'text/html; charset=utf-8',
  });
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  await expect(call(process.execPath, health, inside)).rejects.toMatchObject({ code: 1 });
});
