import { expect, test } from 'vitest';
import { PostgresServer } from '../support/postgres-server.ts';
import { otherPage, page, proofOf, SendingSetup } from '../support/sending-setup.ts';

test('a token that is revoked midway → the page pauses, and goes on with another token', async () => {
  const setup = await SendingSetup.open({});
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
  expect(await ready()).toBe(1);
  const metrics = await (await fetch(`${setup.address}/metrics`)).text();
  expect(metrics).toContain(`sentlog_sender_paused{sender="1",reason="Graph error 190/460"} 1\n`);
  await setup.addSender('token-2');
  await setup.logged(logs => logs.some(one => one.messageId === 'm3' && one.status.name === 'DELIVERED_TO_HANDSET'));
  expect(await ready()).toBe(0);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(server.stderr).not.toContain('token-1');
});

test('killed while sending, answers lost, receipts twice and late → nothing is sent twice, and the log agrees with Meta', async () => {
  const setup = await SendingSetup.open({ lostShare: 0.05, duplicateShare: 0.05, reorderShare: 0.05, answerMs: 5 });
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

test('a page that others send over, watched → the log has what they sent, and what became of it', async () => {
  const setup = await SendingSetup.open({});
  const server = await setup.serve();
  await setup.watch(otherPage);
  const say = (text: string) =>
    fetch(`${setup.graph.url}/v25.0/${otherPage}/messages?access_token=token-3&appsecret_proof=${proofOf('token-3')}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ recipient: { id: 'seen' }, messaging_type: 'RESPONSE', message: { text } }),
    });
  const answer = await say('Hello from the help desk');
  expect(answer.status).toBe(200);
  const { message_id: mid } = JSON.parse(await answer.text());
  const [log] = await setup.logged(logs => logs.some(one => one.status.name === 'DELIVERED_TO_HANDSET'));
  expect(log).toMatchObject({
    messageId: mid,
    sender: otherPage,
    destination: 'seen',
    content: { type: 'TEXT', text: 'Hello from the help desk' },
  });
  const sent = await setup.send(['m1'], () => 'seen', otherPage);
  expect(JSON.parse(await sent.text()).messages[0].status.name).toBe('REJECTED_SOURCE');
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('two servers over PostgreSQL, one killed → every accepted message is sent, none twice', async () => {
  const postgres = await PostgresServer.start(['fsync=off']);
  let setup: SendingSetup | undefined;
  try {
    const store = await postgres.database();
    setup = await SendingSetup.open({ lostShare: 0.02, duplicateShare: 0.05, answerMs: 5 }, { SENTLOG_STORE: store });
    const { home, settings, graph } = setup;
    await setup.addSender('token-3', otherPage);
    await setup.serve();
    const other = await home.serve({ settings: { ...settings, SENTLOG_PORT: '0' } });
    const accepted: string[] = [];
    const send = async (count: number, over: string, address: string | undefined) => {
      const first = accepted.length;
      const ids = Array.from({ length: count }, (_, index) => `${over} ${first + index}`);
      accepted.push(...ids);
      const answer = await setup?.send(ids, index => `person ${(first + index) % 40}`, over, address);
      expect(answer?.status).toBe(200);
    };
    for (let round = 0; round < 6; round++) await send(60, round % 2 === 0 ? page : otherPage, other.address);
    await other.end('SIGKILL');
    for (let round = 0; round < 4; round++) await send(60, round % 2 === 0 ? page : otherPage, undefined);
    const inState = async (states: string) =>
      Number(
        (await postgres.query(`SELECT count(*) FROM sentlog.outbox_message WHERE state IN (${states})`, store))[0]
          ?.count,
      );
    // The killed server's pages are taken over, and nothing is left in line.
    await expect.poll(() => inState('0, 1, 2')).toBe(0);
    const unsent = () => {
      const sent = new Set(graph.meta.sent().map(one => one.metadata));
      return accepted.filter(id => !sent.has(id));
    };
    // What it had claimed and not sent is held: nobody can tell it from what was sent and not answered.
    await expect.poll(async () => (await inState('3')) - unsent().length).toBe(0);
    const held = new Set(unsent());
    const wanted = (id: string) => (held.has(id) ? 'PENDING_ACCEPTED' : 'DELIVERED_TO_HANDSET');
    const logs = await setup.logged(current => current.every(one => one.status.name === wanted(one.messageId)));
    expect(logs).toHaveLength(accepted.length);
    expect(held.size).toBeLessThanOrEqual(256);
    const metadata = graph.meta.sent().map(one => one.metadata);
    expect(new Set(metadata).size).toBe(metadata.length);
  } finally {
    await setup?.home.remove();
    await postgres.remove();
  }
});
