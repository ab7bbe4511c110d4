import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LaunchOptions, ServerHome, type ServerProcess } from './server-process.ts';

/** A place for a log that runs out of room after a few megabytes, until it is given more. */
export type SmallDisk = {
  readonly home: ServerHome;
  readonly launch: LaunchOptions;
  makeRoom(server: ServerProcess): void;
  remove(): Promise<void>;
};

function works(file: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Mounted where only the server sees it, so that it is gone with the server however that ends. */
const mountAndStart = `mount -t tmpfs -o size=24m tmpfs "$0" && head -c 12582912 /dev/zero > "$0/ballast" && exec "$@"`;

/** A file system of its own, where this process may mount one. */
const smallFileSystem = {
  name: 'file system',
  available: () => works('unshare', '-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()),
  make: (): SmallDisk => {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-disk-'));
    const home = new ServerHome(join(folder, 'data'));
    return {
      home,
      launch: {
        through: ['unshare', '-rm', 'sh', '-c', mountAndStart, folder],
        // Small segments, so that sealing runs out of room as well.
        settings: { SENTLOG_SEGMENT_MESSAGES: '1000' },
      },
      makeRoom: server => rmSync(join(`/proc/${server.pid}/root`, folder, 'ballast')),
      remove: async () => {
        await home.remove();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

/** A limit on the size of each file, which the system lets us lift while the server runs. */
const fileSizeLimit = {
  name: 'file size',
  available: () => works('prlimit', '--version'),
  make: (): SmallDisk => {
    const home = new ServerHome();
    return {
      home,
      launch: { through: ['prlimit', `--fsize=${4 * 1024 * 1024}:unlimited`] },
      makeRoom: server => execFileSync('prlimit', ['--pid', String(server.pid), '--fsize=unlimited:unlimited']),
      remove: () => home.remove(),
    };
  },
};

/** Those that this system lets us make. */
export function smallDisks() {
  return [smallFileSystem, fileSizeLimit].filter(disk => disk.available());
}
