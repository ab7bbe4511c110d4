import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** What has to end before the bench does. */
export type Ending = () => Promise<void>;

/**
 * A folder for everything that the bench writes, and the list of what it started. `close` ends all of it and removes
 * the folder, however the bench came to its end.
 */
export class Workplace {
  readonly folder: string;
  readonly #endings = new Set<Ending>();
  #folders = 0;
  #closed = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(parent: string): Promise<Workplace> {
    const folder = await mkdtemp(join(parent, 'sentlog-bench-'));
    // PostgreSQL runs as another user when the bench runs as root.
    await chmod(folder, 0o755);
    return new Workplace(folder);
  }

  /** The path of a new folder, which is not made yet. */
  newFolder(name: string): string {
    return join(this.folder, `${++this.#folders}-${name}`);
  }

  /** Has `ending` run at the latest when the workplace closes; the function returned runs it now. */
  endWith(ending: Ending): Ending {
    if (this.#closed) throw new Error('the bench has ended');
    this.#endings.add(ending);
    return async () => {
      if (this.#endings.delete(ending)) await ending();
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const endings = [...this.#endings];
    this.#endings.clear();
    const ended = await Promise.allSettled(endings.map(ending => ending()));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }
}

const outputCharsMax = 20_000;

/** Node's arguments and variables of a program. */
export type Started = { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> };

/**
 * A program of the bench in a process of its own, talking by messages. `Reply` is what the program sends; both sides
 * are of one version of one source, so messages are taken as they come.
 */
export class Program<Command extends object, Reply extends { readonly kind: string }> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly end: Ending;
  #output = '';

  /** `module`: its path, or that from the bench's folder. */
  constructor(workplace: Workplace, module: string, started: Started = {}) {
    this.end = workplace.endWith(() => this.#kill());
    this.#child = fork(resolve(import.meta.dirname, module), {
      execPath: process.execPath,
      execArgv: [...(started.args ?? ['--disable-warning=ExperimentalWarning'])],
      env: { ...process.env, ...started.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', chunk => {
        this.#output = (this.#output + chunk).slice(-outputCharsMax);
      });
    // Not `close`, which does not come once this side has disconnected.
    this.#ended = once(this.#child, 'exit');
  }

  send(command: Command): void {
    this.#child.send(command);
  }

  /** The next message; rejects when the program ends instead. */
  reply(): Promise<Reply> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const stopListening = () => {
        child.off('message', replied);
        child.off('close', closed);
      };
      const replied = (message: Reply) => {
        stopListening();
        resolve(message);
      };
      const closed = (code: number | null, signal: NodeJS.Signals | null) => {
        stopListening();
        reject(new Error(`a process of the bench ended with ${signal ?? code}: ${this.#output}`));
      };
      child.on('message', replied);
      child.on('close', closed);
    });
  }

  /** Lets it end by itself, which it does when nobody talks to it any more. */
  async leave(): Promise<void> {
    this.#child.disconnect();
    await this.#ended;
    await this.end();
  }

  async #kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
