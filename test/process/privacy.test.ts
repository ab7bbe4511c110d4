import { chmodSync, cpSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { numberedFrom } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

let home: ServerHome;
afterEach(() => home.remove());

/** Whatever is under a path that other users can use, or its owner cannot; what its server removes meanwhile is nobody's. */
function ajar(path: string): readonly string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  const mode = (found.mode & 0o777).toString(8);
  const own = mode === (found.isDirectory() ? '700' : '600') ? [] : [`${path} ${mode}`];
  const within = found.isDirectory() ? readdirSync(path).flatMap(name => ajar(join(path, name))) : [];
  return [...own, ...within];
}

function openUp(path: string): void {
  const isFolder = statSync(path).isDirectory();
  chmodSync(path, isFolder ? 0o777 : 0o666);
  if (isFolder) for (const name of readdirSync(path)) openUp(join(path, name));
}

const underUmask = (umask: string) => ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'];

test.each(['000', '022', '777'])(
  'umask %s, and a folder that was open to all → everything in it is its owner’s alone',
  async umask => {
    home = new ServerHome();
    const settings = { SENTLOG_SEGMENT_MESSAGES: '1000' } as const;
    const first = await home.serve({ settings, through: underUmask(umask) });
    await home.calls(first).record(numberedFrom(0, 2500));
    await home.createAccount('another');
    expect(ajar(home.dataDir)).toEqual([]);
    await first.end('SIGTERM');
    const rows = join(home.dataDir, 'segments', '000000001.journal');
    truncateSync(rows, 5000);
    cpSync(rows, join(home.dataDir, 'segments', '000000009.journal'));
    openUp(home.dataDir);
    const second = await home.serve({ settings, through: underUmask(umask) });
    await home.calls(second).record(numberedFrom(2500, 10));
    expect(readdirSync(join(home.dataDir, 'damaged'))).toContain('000000001.journal');
    expect(ajar(home.dataDir)).toEqual([]);
    const output = join(home.dataDir, 'export.ndjson');
    const { authorization, address } = home.calls(second);
    const key = authorization.replace('App ', '');
    expect(await home.command('export', '--url', address, '--key', key, '--output', output)).toMatchObject({ code: 0 });
    expect(ajar(output)).toEqual([]);
    await second.end('SIGTERM');
  },
);
