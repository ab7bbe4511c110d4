import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openGraph, type RunningGraph } from '../../src/simulator/open.ts';
import { defaultTerms, type SimulatorTerms } from '../../src/simulator/terms.ts';
import { ServerHome, type ServerProcess, type Settings } from '../support/server-process.ts';

const page = '1234567890';
const appSecret = 'secret-of-the-app';
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server and the Meta it sends over; the server is reached at the same port after each start. */
class Setup {
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

  static async open(simulator: Partial<SimulatorTerms>): Promise<Setup> {
    const port = await freePort();
    const graph = await openGraph({
      host: '127.0.0.1',
      port: 0,
      simulator: { ...defaultTerms, ...simulator },
      access: { appSecret, requiresProof: true, tokens: { 'token-1': page, 'token-2': page } },
      webhookUrl: `http://127.0.0.1:${port}/webhooks/meta`,
      note: () => {},
    });
    closing.push(graph.close);
    const settings = {
      SENTLOG_PORT: String(port),
      SENTLOG_SECRET: 'a-secret-that-is-long-enough-to-be-one',
      SENTLOG_CARRIER: 'graph',
      SENTLOG_GRAPH_URL: graph.url,
      SENTLOG_WEBHOOK_VERIFY_TOKEN: 'ours',
    };
    const home = new ServerHome(undefined, settings);
    closing.push(() => home.remove());
    const setup = new Setup(home, graph, settings, `http://127.0.0.1:${port}`);
    const server = await home.serve({ settings });
    setup.authorization = home.calls(server).authorization;
    setup.first = server;
    await setup.addSender('token-1');
    return setup;
  }

  /** The server that runs since the set-up, or another. */
  async serve(): Promise<ServerProcess> {
    const { first } = this;
    this.first = undefined;
    return first ?? this.home.serve({ settings: this.settings });
  }

  async addSender(token: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'sentlog-keys-'));
    try {
      const [tokenFile, secretFile] = [join(folder, 'token'), join(folder, 'secret')];
      writeFileSync(tokenFile, `${token}\n`);
      writeFileSync(secretFile, `${appSecret}\n`);
      const { code, stderr } = await this.home.command(
        ...['senders', 'add', '--account', 'default', '--page', page, '--price', '0.15', '--currency', 'EUR'],
        ...['--token-file', tokenFile, '--app-secret-file', secretFile],
      );
      if (code !== 0) throw new Error(stderr);
      expect(stderr).not.toContain(token);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  send(ids: readonly string[], to: (index: number) => string): Promise<Response> {
    const messages = ids.map((messageId, index) => ({
      sender: page,
      destinations: [{ to: to(index), messageId }],
      content: { type: 'TEXT', text: 'Hello' },
    }));
    return fetch(`${this.address}/messenger/1/messages`, {
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

  /** Resolves with the log when it is so. */
  async logged(isSo: (logs: readonly Log[]) => boolean): Promise<readonly Log[]> {
    for (;;) {
      const logs = await this.logs();
      if (isSo(logs)) return logs;
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
}

type Log = {
  readonly messageId: string;
  readonly status: { readonly name: string };
  readonly error: { readonly name: string };
  readonly price?: object;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

test('a token that is revoked midway → the page pauses, and goes on with another token', async () => {
  const setup = await Setup.open({});
  const server = await setup.serve();
  expect((await setup.send(['m1'], () => 'seen')).status).toBe(200);
  const [first] = await setup.logged(logs => logs.some(one => one.status.name === 'DELIVERED_TO_HANDSET'));
  expect(first?.price).toEqual({ pricePerMessage: 0.15, currency: 'EUR' });
  const revoked = JSON.stringify({ revokedToken: 'token-1' });
  await fetch(`${setup.graph.url}/emulator/faults`, { method: 'POST', body: revoked });
  await setup.send(['m2'], () => 'seen');
  await setup.logged(logs => logs.some(one => one.error.name === 'EC_UNAUTHORIZED_ACCESS'));
  await setup.send(['m3'], () => 'seen');
  const ready = async () => JSON.parse(await (await fetch(`${setup.address}/health/ready`)).text()).pausedSenders;
  expect(await ready()).toEqual([{ sender: page, reason: 'Graph error 190/460' }]);
  await setup.addSender('token-2');
  await setup.logged(logs => logs.some(one => one.messageId === 'm3' && one.status.name === 'DELIVERED_TO_HANDSET'));
  expect(await ready()).toEqual([]);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(server.stderr).not.toContain('token-1');
});

test('killed while sending, answers lost, receipts twice and late → nothing is sent twice, and the log agrees with Meta', async () => {
  const setup = await Setup.open({ lostShare: 0.05, duplicateShare: 0.05, reorderShare: 0.05, answerMs: 5 });
  const accepted: string[] = [];
  let next = 0;
  const kills = 2;
  for (let round = 0; round <= kills; round++) {
    const server = await setup.serve();
    if (round === kills) break;
    const load = Array.from({ length: 3 }, async () => {
      for (;;) {
        const ids = Array.from({ length: 20 }, () => `m${next++}`);
        try {
          const answer = await setup.send(ids, index => `person ${(next + index) % 200}`);
          if (answer.status !== 200) throw new Error(`refused: ${answer.status}`);
          await answer.arrayBuffer();
          accepted.push(...ids);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith('refused')) throw error;
          return;
        }
      }
    });
    const enough = accepted.length + 200 + 100 * round;
    while (accepted.length < enough && !server.ended) await new Promise(resolve => setTimeout(resolve, 5));
    await server.end('SIGKILL');
    await Promise.all(load);
  }
  // What the killed server had claimed and not sent is held: nobody can tell it from what was sent and not answered.
  const isSent = (id: string, sent: ReadonlySet<string | undefined>) => sent.has(id);
  const logs = await setup.logged(current => {
    const sent = new Set(setup.graph.meta.sent().map(one => one.metadata));
    const byId = new Map(current.map(one => [one.messageId, one.status.name]));
    const open = accepted.filter(id => isSent(id, sent) && byId.get(id) !== 'DELIVERED_TO_HANDSET');
    const unsent = accepted.filter(id => !isSent(id, sent));
    return open.length === 0 && unsent.length <= kills * 256;
  });
  const metadata = setup.graph.meta.sent().map(one => one.metadata);
  expect(new Set(metadata).size).toBe(metadata.length);
  const byId = new Map(logs.map(one => [one.messageId, one]));
  for (const id of accepted) {
    const truth = setup.graph.meta.sent().find(one => one.metadata === id);
    expect(byId.get(id)?.status.name, id).toBe(truth === undefined ? 'PENDING_ACCEPTED' : 'DELIVERED_TO_HANDSET');
  }
  expect(accepted.length).toBeGreaterThan(400);
});
