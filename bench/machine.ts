import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { spread } from './statistics.ts';

const syncs = 50;

/** What the figures depend on, one line each. */
export function describeMachine(folder: string): readonly string[] {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return [
    `CPU: ${model}, ${availableParallelism()} cores`,
    `Memory: ${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    `System: ${platform()} ${release()} ${arch()}`,
    `Disk: a write of 4 KiB is durable after ${syncMs(folder).toFixed(2)} ms (median of ${syncs})`,
    `Node: ${process.version}`,
  ];
}

/** The time of one write with fsync, which bounds how often anything can be made durable. */
function syncMs(folder: string): number {
  const path = join(folder, 'sync');
  const file = openSync(path, 'w');
  try {
    const page = Buffer.alloc(4096, 1);
    const durationsMs = Array.from({ length: syncs }, () => {
      const startedAt = performance.now();
      writeSync(file, page);
      fsyncSync(file);
      return performance.now() - startedAt;
    });
    return spread(durationsMs).median;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

/** The time that all cores together were busy since the machine was started, in milliseconds: by whatever program. */
export function busyCoresMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

/** The most that this process had. The system call counts what it had as a copy of the bench, before its program was loaded. */
export function peakBytes(): number {
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Number(kibibytes) * 1024;
}

/** Memory of a process and its children, what they share counted once. 0 where the system does not tell. */
export async function processTreeBytes(root: number): Promise<number> {
  if (platform() !== 'linux') return 0;
  const ids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const all = await Promise.all(ids.map(async id => ({ id, status: await processStatus(id) })));
  const tree = all.filter(one => one.id === root || numberOf(one.status, 'PPid') === root);
  const values = (name: string) => tree.map(one => numberOf(one.status, name));
  const own = values('RssAnon').reduce((sum, value) => sum + value, 0);
  return (own + Math.max(...values('RssShmem')) + Math.max(...values('RssFile'))) * 1024;
}

function numberOf(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
}

/** Empty when the process has ended meanwhile. */
async function processStatus(id: number): Promise<string> {
  return readFile(join('/proc', String(id), 'status'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return '';
    throw error;
  });
}
