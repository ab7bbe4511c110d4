import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
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

/** A file system of its own that outlives the servers on it, held by a process that does nothing else. */
export class LastingDisk {
  readonly home: ServerHome;
  readonly folder: string;
  readonly #keeper: ChildProcess;

  static readonly isAvailable = works('unshare', '-rm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir());

  private constructor(folder: string, keeper: ChildProcess) {
    this.folder = folder;
    this.#keeper = keeper;
    this.home = new ServerHome(join(folder, 'data'));
  }

  static async make(bytes: number): Promise<LastingDisk> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-disk-'));
    const script = `mount -t tmpfs -o size=${bytes} tmpfs "$0" && echo mounted && exec sleep 3600`;
    const keeper = spawn('unshare', ['-rm', 'sh', '-c', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(keeper.stdout, 'data');
    return new LastingDisk(folder, keeper);
  }

  /** How a server is started so that it sees the disk. */
  get through(): readonly string[] {
    return ['nsenter', '-t', String(this.#keeper.pid), '-U', '-m', '--preserve-credentials', '--'];
  }

  /** Takes all room that is left. */
  fill(): void {
    const [file = '', ...args] = this.through;
    const path = join(this.folder, 'filler');
    works(file, ...args, 'sh', '-c', 'cat /dev/zero > "$0"', path);
  }

  makeRoom(): void {
    const [file = '', ...args] = this.through;
    execFileSync(file, [...args, 'rm', join(this.folder, 'filler')]);
  }

  /** Has the data folder opened to be read alone, until what is given back is called; what is open stays as it is. */
  closeForWriting(): () => void {
    const { dataDir } = this.home;
    const [file = '', ...args] = this.through;
    const run = (script: string) => execFileSync(file, [...args, 'sh', '-c', script, dataDir]);
    run('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"');
    return () => run('mount -o remount,bind,rw "$0"');
  }

  async remove(): Promise<void> {
    await this.home.remove();
    this.#keeper.kill('SIGKILL');
    await once(this.#keeper, 'exit');
    rmSync(this.folder, { recursive: true });
  }
}

/** A small file system that every process sees, where this one may mount it. */
export class MountedDisk {
  readonly folder: string;

  static readonly isAvailable = (() => {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-disk-'));
    const isMounted = works('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder);
    if (isMounted) execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
    return isMounted;
  })();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static mount(bytes: number): MountedDisk {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'tmpfs', folder]);
    return new MountedDisk(folder);
  }

  /** Takes all room that is left. */
  fill(): void {
    works('sh', '-c', 'cat /dev/zero > "$0"', join(this.folder, 'filler'));
  }

  makeRoom(): void {
    rmSync(join(this.folder, 'filler'));
  }

  /** As `LastingDisk.closeForWriting`. */
  closeForWriting(): () => void {
    execFileSync('mount', ['--bind', this.folder, this.folder]);
    execFileSync('mount', ['-o', 'remount,bind,ro', this.folder]);
    return () => execFileSync('umount', ['-l', this.folder]);
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}
