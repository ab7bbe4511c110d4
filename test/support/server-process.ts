import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sameProcess, servedArgs, servedEnv } from './as-served.ts';
import { LogCalls } from './log-calls.ts';
import { program } from './program.ts';

/** A start from sources that nothing has compiled takes 4 s of CPU: a minute and more where forty others are at work. */
const startTimeoutMs = 300_000;

/** Settings by the name of their variable. */
export type Settings = { readonly [name: `SENTLOG_${string}`]: string };

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
export type CommandResult = Exit & { readonly stdout: string; readonly stderr: string };

export type LaunchOptions = {
  readonly settings?: Settings;
  /** What the program is started through, such as `prlimit --fsize=…`; it must become the program, not stay beside it. */
  readonly through?: readonly string[];
  /** More of Node's own arguments. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

const testSettings: Settings = {
  SENTLOG_PORT: '0',
  SENTLOG_LOG_LEVEL: 'warn',
  SENTLOG_RATE_LIMIT: '1000000',
  SENTLOG_READ_RATE_LIMIT: '1000000',
};

/** A process of the program, and all that it printed. */
export class ServerProcess {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process did not start');
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Where the server listens. Throws before it has said so. */
  get address(): string {
    const address = this.#announced();
    if (address === undefined) throw new Error(`the server named no address\n${this.#stdout}\n${this.#stderr}`);
    return address;
  }

  /** The key that the first start on a folder prints, as an `Authorization` header carries it. */
  get firstAuthorization(): string | undefined {
    const key = /\bsentlog_[\w-]+/.exec(this.#stdout)?.[0];
    return key === undefined ? undefined : `App ${key}`;
  }

  /** Resolves when the server has said where it listens; rejects when it ends before. */
  async listening(): Promise<void> {
    for (const end = Date.now() + startTimeoutMs; this.#announced() === undefined; ) {
      if (this.#ended || Date.now() > end)
        throw new Error(`the server does not listen\n${this.#stdout}\n${this.#stderr}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it with a signal, and waits until it is gone. */
  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.signal(signal);
    return this.exited;
  }

  #announced(): string | undefined {
    return /https?:\/\/[^\s/'"]+(?=[\s/'"])/.exec(this.#stdout)?.[0];
  }
}

/** A data folder, or what `settings` say, with the processes that run on it; `remove` leaves neither. */
export class ServerHome {
  readonly dataDir: string;
  readonly #settings: Settings;
  readonly #owned: string | undefined;
  readonly #processes = new Set<ServerProcess>();
  #authorization: string | undefined;
  // A test run that is cut short must not leave servers behind.
  readonly #onExit = () => {
    for (const process of this.#processes) if (!process.ended) process.signal('SIGKILL');
  };

  constructor(dataDir?: string, settings: Settings = {}) {
    this.#settings = settings;
    this.#owned = dataDir === undefined ? mkdtempSync(join(tmpdir(), 'sentlog-process-')) : undefined;
    this.dataDir = dataDir ?? join(this.#owned ?? '', 'data');
    process.once('exit', this.#onExit);
  }

  /** Starts `sentlog serve`, whatever becomes of it. */
  launch({ settings = {}, through = [], nodeArgs = [], env = {} }: LaunchOptions = {}): ServerProcess {
    const flags = servedArgs({ ...this.#settings, ...settings }.SENTLOG_CARRIER);
    const command = [...through, process.execPath, ...flags, ...nodeArgs, program, 'serve'];
    return this.#spawn(command, { ...servedEnv, ...testSettings, ...settings, ...env });
  }

  /** Starts `sentlog serve`, and waits until it listens. */
  async serve(options: LaunchOptions = {}): Promise<ServerProcess> {
    const server = this.launch(options);
    await server.listening();
    this.#authorization ??= server.firstAuthorization;
    return server;
  }

  /** Starts so many servers at once. */
  async serveSeveral(count: number, options: LaunchOptions = {}): Promise<readonly ServerProcess[]> {
    return Promise.all(Array.from({ length: count }, () => this.serve(options)));
  }

  /** Calls a server of this folder with the key of its first start. */
  calls(server: ServerProcess): LogCalls {
    if (this.#authorization === undefined) throw new Error('no server of this folder has printed a key');
    return new LogCalls(server.address, this.#authorization);
  }

  /** The same log in a folder of its own, for tests that start from one recording; nothing may run on it. */
  copy(): ServerHome {
    const copy = new ServerHome();
    cpSync(this.dataDir, copy.dataDir, { recursive: true });
    copy.#authorization = this.#authorization;
    return copy;
  }

  /** Runs another command of the program on this folder to its end. */
  async command(...args: readonly string[]): Promise<CommandResult> {
    const command = this.#spawn([process.execPath, ...sameProcess, program, ...args], {});
    const exit = await command.exited;
    return { ...exit, stdout: command.stdout, stderr: command.stderr };
  }

  /** A further account. */
  async createAccount(name: string): Promise<void> {
    await this.#succeed('accounts', 'create', name);
  }

  /** A further key of an account, as an `Authorization` header carries it. */
  async createKey(account: string): Promise<string> {
    return `App ${(await this.#succeed('keys', 'create', '--account', account)).trim()}`;
  }

  async #succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.command(...args);
    if (code !== 0) throw new Error(`sentlog ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Ends what still runs and removes the folder. */
  async remove(): Promise<void> {
    for (const one of this.#processes) if (!one.ended) await one.end('SIGKILL');
    process.off('exit', this.#onExit);
    if (this.#owned !== undefined) rmSync(this.#owned, { recursive: true, force: true });
  }

  #spawn([file = '', ...args]: readonly string[], settings: Readonly<Record<string, string>>): ServerProcess {
    const inherited = Object.fromEntries(
      ['PATH', 'HOME', 'TMPDIR'].flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    );
    const env = { ...inherited, SENTLOG_DATA_DIR: this.dataDir, ...this.#settings, ...settings };
    const started = new ServerProcess(spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
    this.#processes.add(started);
    return started;
  }
}

/** Watches the most memory a process has held; `undefined` where the system does not tell. */
export class MemoryWatch {
  readonly #pid: number;
  readonly #before: number | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = this.#bytes('VmRSS');
    // Makes the system forget the peak so far.
    if (this.#before !== undefined) writeFileSync(`/proc/${pid}/clear_refs`, '5');
  }

  /** How far the process grew, at its most, beyond what it held when the watch began. */
  grownBytes(): number | undefined {
    const peak = this.#bytes('VmHWM');
    return peak === undefined || this.#before === undefined ? undefined : peak - this.#before;
  }

  #bytes(field: 'VmRSS' | 'VmHWM'): number | undefined {
    if (process.platform !== 'linux') return undefined;
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
      readFileSync(`/proc/${this.#pid}/status`, 'utf8'),
    )?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  }
}
