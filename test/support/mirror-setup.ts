import { writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { type Faults, SimulatedInfobip } from '../../simulator/infobip.ts';
import { type SimulatedMessage, type SimulatedState, shownAt, simulatedMessage } from '../../simulator/messages.ts';
import { type SimulatedServer, serveInfobip } from '../../simulator/server.ts';
import type { LogCalls } from './log-calls.ts';
import { ServerHome, type ServerProcess, type Settings } from './server-process.ts';

export const hour = 3_600_000;
export const mirrorKey = 'a-key-of-the-other-side';
export const mirrorSecret = { SENTLOG_SECRET: 'a-secret-of-the-operator-that-is-long' };

/** Real servers of the program, and a simulated Infobip on a port for them to mirror. */
export class MirrorSetup {
  readonly infobip: SimulatedInfobip;
  readonly home: ServerHome;
  readonly #server: SimulatedServer;
  readonly #random = new Random('messages of the process tests');
  #ids = 0;

  private constructor(infobip: SimulatedInfobip, server: SimulatedServer, home: ServerHome) {
    this.infobip = infobip;
    this.#server = server;
    this.home = home;
  }

  static async open(
    settings: Settings = {},
    home = new ServerHome(undefined, { ...mirrorSecret, ...settings }),
    clock: () => number = Date.now,
  ): Promise<MirrorSetup> {
    const limits = { requestsPerMinute: 60_000 };
    const infobip = new SimulatedInfobip({ seed: 'process', clock, keys: [mirrorKey], ...limits });
    const server = await serveInfobip(infobip);
    return new MirrorSetup(infobip, server, home);
  }

  get url(): string {
    return this.#server.url;
  }

  async close(): Promise<void> {
    await this.home.remove();
    await this.#server.close();
  }

  /** So many messages over a stretch that ends now, each at its end within a second: nobody waits for what becomes of it. */
  send(count: number, overMs: number): void {
    const now = this.infobip.now();
    for (let i = 0; i < count; i++) {
      const sentAt = now - Math.floor(((count - i) * overMs) / count);
      this.infobip.add(soon(simulatedMessage({ messageId: `m${++this.#ids}`, sentAt }, this.#random)));
    }
  }

  /** Adds a mirror of the account that the first start made, as the operator does. */
  async addMirror(...flags: readonly string[]): Promise<void> {
    const file = this.keyFile(mirrorKey);
    await this.command('mirrors', 'add', '--account', 'default', '--from', this.url, '--key-file', file, ...flags);
  }

  keyFile(key: string): string {
    const file = `${this.home.dataDir}.key`;
    writeFileSync(file, `${key}\n`);
    return file;
  }

  /** What it prints; it must succeed. */
  async command(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.home.command(...args);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  }

  async status(name = 'default'): Promise<Record<string, unknown>> {
    return JSON.parse(await this.command('mirrors', 'status', name));
  }

  /**
   * Waits until the log that a server shows is the other side's, message by message, none twice, without those that `unless`
   * names; tells how they differ.
   */
  async untilSame(server: ServerProcess, { ms = 600_000, unless = noMessage } = {}): Promise<void> {
    const calls = this.home.calls(server);
    for (const end = Date.now() + ms; Date.now() < end; await wait(250)) {
      // The first page tells most of the times that it is not.
      const { results } = JSON.parse((await calls.call('/messenger/1/logs?limit=100')).text);
      if (this.#isTrue(results) && isDeepStrictEqual(await kept(calls), this.#truth(unless))) return;
    }
    expect(await kept(calls)).toEqual(this.#truth(unless));
  }

  #isTrue(newest: readonly { readonly messageId: string }[]): boolean {
    const [first] = newest;
    const last = this.infobip.log.messages().at(-1);
    return first?.messageId === last?.messageId && newest.every(log => isDeepStrictEqual(log, this.#shown(log)));
  }

  #shown({ messageId }: { readonly messageId: string }): unknown {
    const message = this.infobip.log.message(messageId);
    return message && JSON.parse(JSON.stringify(shownAt(message, this.infobip.now())));
  }

  #truth(unless: (message: SimulatedMessage) => boolean): ReadonlyMap<string, unknown> {
    const messages = this.infobip.log.messages().filter(one => !unless(one));
    return new Map(messages.map(one => [one.messageId, this.#shown(one)]));
  }

  /**
   * Kills the server so often while it catches up with messages and follows, each time at another point of a request;
   * then waits until all is there.
   */
  async killWhileMirroring(kills: number, messages: number, faults: Faults): Promise<ServerProcess> {
    this.send(messages, 47 * hour);
    this.infobip.faults = faults;
    const first = await this.home.serve();
    // What is about to leave as it begins may well go while nothing runs.
    await this.addMirror('--requests-per-minute', '600', '--since', '2850m');
    await first.end('SIGKILL');
    for (let round = 0; round < kills; round++) {
      const asked = this.infobip.asked.length;
      const sentlog = await this.home.serve();
      this.send(40, 2000);
      await until(async () => this.infobip.asked.length > asked + (round % 3));
      await wait((round * 37) % 150);
      await sentlog.end('SIGKILL');
    }
    this.infobip.faults = {};
    const sentlog = await this.home.serve();
    await this.untilSame(sentlog);
    expect((await this.status()).gaps).toEqual([]);
    return sentlog;
  }
}

const noMessage = (_message: SimulatedMessage): boolean => false;

export async function kept(calls: LogCalls): Promise<ReadonlyMap<string, unknown>> {
  const logs = await calls.walk();
  const byId = new Map(logs.map(log => [log.messageId, log]));
  expect(byId.size).toBe(logs.length);
  return byId;
}

/** The same message, with all that becomes of it in a fraction of a second. */
function soon({ states, sentAt, ...others }: SimulatedMessage): SimulatedMessage {
  const sooner = ({ doneAt, ...state }: SimulatedState, i: number): SimulatedState => {
    const from = sentAt + 50 * i;
    return { ...state, from, ...(doneAt !== undefined && { doneAt: from }) };
  };
  return { ...others, sentAt, states: states.map(sooner) };
}

export async function until(holds: () => Promise<boolean>, ms = 60_000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); await wait(25))
    if (Date.now() > end) throw new Error('what was waited for did not come');
}
