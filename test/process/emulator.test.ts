import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { receiver } from '../support/receiver.ts';
import type { Log } from '../support/sending-setup.ts';
import { ServerHome, ServerProcess } from '../support/server-process.ts';

const homes: ServerHome[] = [];
const processes: ServerProcess[] = [];

afterEach(async () => {
  for (const one of processes.splice(0)) if (!one.ended) await one.end('SIGKILL');
  for (const home of homes.splice(0)) await home.remove();
});

const text = (messageId: string, to: string) => ({
  sender: 'page-1',
  destinations: [{ to, messageId }],
  content: { type: 'TEXT', text: 'Hello' },
});

/** Calls of one server with one key. */
function client(address: string, authorization: string) {
  const call = (path: string, method: 'GET' | 'POST', body?: object) =>
    fetch(`${address}${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return {
    send: (messages: readonly object[]) => call('/messenger/1/messages', 'POST', { messages }),
    tell: async (action: string, body: object = {}) => {
      const answer = await call(`/emulator/${action}`, 'POST', body);
      if (answer.status !== 200) throw new Error(`${action}: ${answer.status} ${await answer.text()}`);
    },
    sent: async (): Promise<readonly { readonly metadata: string }[]> =>
      JSON.parse(await (await call('/emulator/sent', 'GET')).text()).sent,
    logs: async (): Promise<readonly Log[]> => {
      const answer = await call('/messenger/1/logs/export?format=ndjson', 'GET');
      const lines = (await answer.text()).split('\n').filter(line => line !== '');
      return lines.map(line => JSON.parse(line));
    },
    reports: async (): Promise<readonly string[]> => {
      const { results } = JSON.parse(await (await call('/messenger/1/reports', 'GET')).text());
      return results.map((one: { readonly messageId: string }) => one.messageId);
    },
    history: async (messageId: string) => {
      const answer = await call(`/messenger/1/messages/${messageId}`, 'GET');
      return { status: answer.status, body: JSON.parse(await answer.text()) };
    },
  };
}

/** `sentlog emulate` as its users run it, without any setting. */
function startEmulator(...flags: readonly string[]): ServerProcess {
  const program = join(import.meta.dirname, '../../bin/sentlog');
  const env = Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR'].flatMap(name => (process.env[name] ? [[name, process.env[name]]] : [])),
  );
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, 'emulate', '--port', '0', ...flags],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const emulator = new ServerProcess(child);
  processes.push(emulator);
  return emulator;
}

test('sentlog emulate without any setting → sends, delivers, is seen; a reset empties it; nothing stays', async () => {
  const emulator = startEmulator('--mix', 'blocked=1');
  await emulator.listening();
  const calls = client(emulator.address, 'App anything');
  const pushed: string[] = [];
  const port = await receiver(async (request, response) => {
    for await (const part of request) pushed.push(String(part));
    response.end();
  });
  const webhooks = { delivery: { url: `http://127.0.0.1:${port}/` } };
  expect(
    (await calls.send([{ ...text('m1', 'seen'), webhooks }, text('m2', 'outside-window'), text('m3', 'anybody')]))
      .status,
  ).toBe(200);
  await calls.tell('clock', { advance: '1m' });
  const { body } = await calls.history('m1');
  expect(body.status.name).toBe('DELIVERED_TO_HANDSET');
  expect(body.timeline.map((one: { status: { name: string } }) => one.status.name).slice(0, 3)).toEqual([
    'PENDING_ACCEPTED',
    'PENDING_ENROUTE',
    'DELIVERED_TO_HANDSET',
  ]);
  expect(body.seenAt).toBeDefined();
  expect((await calls.history('m2')).body.error.name).toBe('EC_NO_SESSION');
  expect((await calls.history('m3')).body.error.name).toBe('EC_BLOCKED_USER');
  expect(pushed.map(body => JSON.parse(body).results[0].messageId)).toEqual(['m1']);
  expect((await Promise.all([calls.reports(), calls.reports()])).flat().sort()).toEqual(['m1', 'm2', 'm3']);
  expect(await calls.reports()).toEqual([]);
  await calls.tell('reset');
  expect(await calls.logs()).toEqual([]);
  expect((await calls.send([text('m1', 'delivered')])).status).toBe(200);
  expect((await calls.history('m1')).status).toBe(200);
  expect(await emulator.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(emulator.stderr).toBe('');
});

test('Meta down for ten minutes, receivers of reports that answer 500 for an hour, redirect, hang → all is sent and told in the end', async () => {
  const emulator = startEmulator();
  await emulator.listening();
  const calls = client(emulator.address, 'App anything');
  const heard = new Map<string, string[]>();
  let isMended = false;
  const port = await receiver(async (request, response) => {
    const path = request.url ?? '';
    let body = '';
    for await (const part of request) body += part;
    const ids: string[] = JSON.parse(body).results.map((one: { readonly messageId: string }) => one.messageId);
    heard.set(path, [...(heard.get(path) ?? []), ...ids]);
    if (path === '/hanging') return;
    const status = path === '/failing' && !isMended ? 500 : path === '/moved' ? 302 : 200;
    response.writeHead(status, status === 302 ? { location: `http://127.0.0.1:${port}/elsewhere` } : {}).end();
  });
  const wanted = (messageId: string, path: string) => ({
    ...text(messageId, `seen+${messageId}`),
    webhooks: { delivery: { url: `http://127.0.0.1:${port}${path}` } },
  });
  await calls.tell('faults', { down: true });
  expect((await calls.send([wanted('m1', '/failing'), wanted('m2', '/moved'), wanted('m3', '/sound')])).status).toBe(
    200,
  );
  for (let minute = 0; minute < 10; minute++) await calls.tell('clock', { advance: '1m' });
  expect((await calls.logs()).map(one => one.status.name)).toEqual(Array(3).fill('PENDING_ACCEPTED'));
  expect(await calls.sent()).toEqual([]);
  await calls.tell('faults', { down: false });
  const isDelivered = async () => (await calls.logs()).every(one => one.status.name === 'DELIVERED_TO_HANDSET');
  while (!(await isDelivered())) await calls.tell('clock', { advance: '1m' });
  expect((await calls.sent()).map(one => one.metadata).toSorted()).toEqual(['m1', 'm2', 'm3']);
  const tries = (path: string) => heard.get(path)?.length ?? 0;
  for (let minutes = 0; minutes < 60 || tries('/failing') < 4 || tries('/moved') < 4; minutes += 10)
    await calls.tell('clock', { advance: '10m' });
  const failed = tries('/failing');
  expect(heard.get('/elsewhere')).toBeUndefined();
  expect(heard.get('/sound')).toEqual(['m3']);
  isMended = true;
  while (tries('/failing') === failed) await calls.tell('clock', { advance: '40m' });
  await calls.tell('clock', { advance: '40m' });
  expect(tries('/failing')).toBe(failed + 1);
  await calls.send([wanted('m4', '/hanging')]);
  await expect.poll(() => heard.get('/hanging')).toEqual(['m4']);
  await calls.send([wanted('m5', '/sound')]);
  await expect.poll(() => heard.get('/sound')).toEqual(['m3', 'm5']);
  expect((await calls.reports()).toSorted()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
});

test('killed while it accepts and sends → every accepted message is sent by the end, and none that arrived is sent again', async () => {
  const home = new ServerHome();
  homes.push(home);
  const settings = { SENTLOG_CARRIER: 'simulated' } as const;
  const accepted: string[] = [];
  let next = 0;
  // Many more are in test/long/sending.test.ts.
  const kills = 3;
  for (let round = 0; round <= kills; round++) {
    const begun = Date.now();
    const server = await home.serve({ settings });
    const authorization = home.calls(server).authorization;
    const calls = client(server.address, authorization);
    if (round === kills) {
      const open = new Set(accepted);
      const isDelivered = (log: Log) => log.status.name === 'DELIVERED_TO_HANDSET';
      // This server sends as soon as it runs: what it delivered by now had not arrived before.
      const before = new Set(
        (await calls.logs())
          .filter(log => isDelivered(log) && Date.parse(log.doneAt ?? '') < begun)
          .map(one => one.messageId),
      );
      while (open.size > 0) {
        await calls.tell('clock', { advance: '5m' });
        for (const log of await calls.logs()) if (isDelivered(log)) open.delete(log.messageId);
      }
      const sent = (await calls.sent()).map(one => one.metadata);
      expect(new Set(sent).size).toBe(sent.length);
      expect(sent.filter(id => before.has(id))).toEqual([]);
      expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
      break;
    }
    const exited = server.exited;
    const load = Array.from({ length: 4 }, async () => {
      for (;;) {
        const ids = Array.from({ length: 25 }, () => `m${next++}`);
        try {
          const answer = await calls.send(ids.map((id, index) => text(id, `person ${index % 10}`)));
          if (answer.status !== 200) throw new Error(`refused: ${answer.status}`);
          await answer.arrayBuffer();
          accepted.push(...ids);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith('refused')) throw error;
          return;
        }
      }
    });
    const enough = accepted.length + 300 + 150 * round;
    while (accepted.length < enough && !server.ended) await new Promise(resolve => setTimeout(resolve, 5));
    server.signal('SIGKILL');
    await exited;
    await Promise.all(load);
  }
  expect(accepted.length).toBeGreaterThan(1000);
});
