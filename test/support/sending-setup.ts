import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openGraph, type RunningGraph } from '../../src/simulator/open.ts';
import { defaultTerms, type SimulatorTerms } from '../../src/simulator/terms.ts';
import { freePort } from './free-port.ts';
import { type LaunchOptions, ServerHome, type ServerProcess, type Settings } from './server-process.ts';

export const page = '1234567890';
export const otherPage = '9876543210';
const appSecret = 'secret-of-the-app';

/** Servers and the Meta they send over; the first is reached at the same port after each start, and by Meta's webhooks. */
export class SendingSetup {
  readonly home: ServerHome;
  readonly graph: RunningGraph;
  readonly settings: Settings;
  readonly address: string;
  authorization = '';
  first: ServerProcess | undefined;

  private constructor(home: ServerHome, graph: RunningGraph, settings: Settings, address: string) {
    this.home = home;
    this.graph = graph;
    this.settings = settings;
    this.address = address;
  }

  static async open(
    simulator: Partial<SimulatorTerms>,
    more: Settings = {},
    tokens: Readonly<Record<string, string>> = {},
  ): Promise<SendingSetup> {
    const port = await freePort();
    const graph = await openGraph({
      host: '127.0.0.1',
      port: 0,
      simulator: { ...defaultTerms, ...simulator },
      access: {
        appSecret,
        requiresProof: true,
        tokens: { 'token-1': page, 'token-2': page, 'token-3': otherPage, ...tokens },
      },
      webhookUrl: `http://127.0.0.1:${port}/webhooks/meta`,
      note: () => {},
    });
    onTestFinished(graph.close);
    const settings = {
      SENTLOG_PORT: String(port),
      SENTLOG_SECRET: 'a-secret-that-is-long-enough-to-be-one',
      SENTLOG_CARRIER: 'graph',
      SENTLOG_GRAPH_URL: graph.url,
      SENTLOG_WEBHOOK_VERIFY_TOKEN: 'ours',
      ...more,
    };
    const home = new ServerHome(undefined, settings);
    onTestFinished(() => home.remove());
    const setup = new SendingSetup(home, graph, settings, `http://127.0.0.1:${port}`);
    const server = await home.serve({ settings });
    setup.authorization = home.calls(server).authorization;
    setup.first = server;
    await setup.addSender('token-1');
    return setup;
  }

  /** The server that runs since the set-up, or another. */
  async serve(options: LaunchOptions = {}): Promise<ServerProcess> {
    const { first } = this;
    this.first = undefined;
    return first ?? this.home.serve({ ...options, settings: this.settings });
  }

  async watch(of: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-keys-'));
    try {
      const secretFile = join(folder, 'secret');
      writeFileSync(secretFile, appSecret);
      const { code, stderr } = await this.home.command(
        ...['senders', 'add', '--account', 'default', '--page', of, '--watch', '--app-secret-file', secretFile],
      );
      if (code !== 0) throw new Error(stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async addSender(token: string, of = page): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-keys-'));
    try {
      const [tokenFile, secretFile] = [join(folder, 'token'), join(folder, 'secret')];
      writeFileSync(tokenFile, `${token}\n`);
      writeFileSync(secretFile, `${appSecret}\n`);
      const { code, stderr } = await this.home.command(
        ...['senders', 'add', '--account', 'default', '--page', of, '--price', '0.15', '--currency', 'EUR'],
        ...['--token-file', tokenFile, '--app-secret-file', secretFile],
      );
      if (code !== 0) throw new Error(stderr);
      expect(stderr).not.toContain(token);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  send(ids: readonly string[], to: (index: number) => string, over = page, address = this.address): Promise<Response> {
    const messages = ids.map((messageId, index) => ({
      sender: over,
      destinations: [{ to: to(index), messageId }],
      content: { type: 'TEXT', text: 'Hello' },
    }));
    return fetch(`${address}/messenger/1/messages`, {
      method: 'POST',
      headers: { authorization: this.authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ messages }),
    });
  }

  async logs(): Promise<readonly Log[]> {
    const answer = await fetch(`${this.address}/messenger/1/logs/export?format=ndjson`, {
      headers: { authorization: this.authorization },
    });
    const lines = (await answer.text()).split('\n').filter(line => line !== '');
    return lines.map(line => JSON.parse(line));
  }

  async history(messageId: string): Promise<Log & { readonly seenAt?: string }> {
    const answer = await fetch(`${this.address}/messenger/1/messages/${encodeURIComponent(messageId)}`, {
      headers: { authorization: this.authorization },
    });
    return JSON.parse(await answer.text());
  }

  /** Resolves with the log when it is so. */
  async logged(isSo: (logs: readonly Log[]) => boolean): Promise<readonly Log[]> {
    for (;;) {
      const logs = await this.logs();
      if (isSo(logs)) return logs;
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
}

export type Log = {
  readonly messageId: string;
  readonly status: { readonly name: string };
  readonly error: { readonly name: string };
  readonly doneAt?: string;
  readonly price?: object;
};

/** What proves that a body comes from Meta. */
export function signatureOf(body: string): string {
  return `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`;
}

/** What proves to Graph that whoever has a token knows the app's secret. */
export function proofOf(token: string): string {
  return createHmac('sha256', appSecret).update(token).digest('hex');
}
