import { expect, test } from 'vitest';
import { envelope } from '../../src/simulator/webhook-caller.ts';
import { otherPage, SendingSetup, signatureOf } from '../support/sending-setup.ts';
import { randomOf } from '../support/simulated-disk.ts';

const messages = 400;
const connections = 8;
const events = ['echo', 'delivered', 'read'] as const;
type Kind = (typeof events)[number];
type Told = { readonly index: number; readonly kind: Kind };

test('a storm of webhooks in no order, each event twice, the server killed in its middle → what was answered is kept, and what comes again changes nothing', async () => {
  const setup = await SendingSetup.open({});
  let server = await setup.serve();
  await setup.watch(otherPage);
  const sentAt = Date.now() - 60_000;
  const eventOf = ({ index, kind }: Told) => {
    const [page, psid, mid, at] = [{ id: otherPage }, { id: `psid-${index}` }, `m_${index}`, sentAt + index];
    const heard = { sender: psid, recipient: page, timestamp: at + 1000 };
    if (kind === 'delivered') return { ...heard, delivery: { mids: [mid], watermark: at } };
    if (kind === 'read') return { ...heard, timestamp: at + 2000, read: { watermark: at } };
    return { sender: page, recipient: psid, timestamp: at, message: { is_echo: true, app_id: 7, mid, text: 'Hello' } };
  };
  const random = randomOf(1);
  const storm = Array.from({ length: messages }, (_, index) => events.map(kind => ({ index, kind })))
    .flat()
    .flatMap(one => [one, one])
    .map(one => ({ one, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ one }) => one);
  const calls: (readonly Told[])[] = [];
  for (let from = 0; from < storm.length; from += calls.at(-1)?.length ?? 1)
    calls.push(storm.slice(from, from + 1 + Math.floor(random() * 60)));
  const answered: Told[] = [];
  /** All calls, and again those that were not answered; `false` when the server is gone. */
  const call = async (told: readonly Told[]): Promise<boolean> => {
    const body = envelope(
      told.map(one => ({ page: otherPage, event: eventOf(one) })),
      Date.now(),
    );
    try {
      const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signatureOf(body) };
      const answer = await fetch(`${setup.address}/webhooks/meta`, { method: 'POST', headers, body });
      expect(answer.status).toBe(200);
      answered.push(...told);
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  };
  const half = calls.slice(0, Math.floor(calls.length / 2));
  let killed: Promise<unknown> | undefined;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let told = half.pop(); told !== undefined && (await call(told)); told = half.pop())
        if (answered.length > storm.length / 4) killed ??= server.end('SIGKILL');
    }),
  );
  await killed;
  expect(killed).toBeDefined();
  const known = (kind: Kind) => new Set(answered.filter(one => one.kind === kind).map(one => `m_${one.index}`));
  const [echoes, deliveries] = [known('echo'), known('delivered')];
  server = await setup.serve();
  // Nothing comes again yet: what was answered is all that the log can know it from.
  await setup.logged(logs => {
    const byId = new Map(logs.map(one => [one.messageId, one.status.name]));
    return [...echoes].every(
      id => byId.get(id) === (deliveries.has(id) ? 'DELIVERED_TO_HANDSET' : (byId.get(id) ?? '')),
    );
  });
  for (const turn of [calls, calls.toReversed()]) {
    const left = [...turn];
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let told = left.pop(); told !== undefined; told = left.pop()) expect(await call(told)).toBe(true);
      }),
    );
  }
  const logs = await setup.logged(
    current => current.length >= messages && current.every(one => one.status.name === 'DELIVERED_TO_HANDSET'),
  );
  expect(logs.map(one => one.messageId).sort()).toEqual(Array.from({ length: messages }, (_, i) => `m_${i}`).sort());
  for (const { messageId, doneAt } of logs)
    expect(Date.parse(doneAt ?? ''), messageId).toBe(sentAt + Number(messageId.slice(2)) + 1000);
  for (const index of [0, 1, messages - 1])
    expect(Date.parse((await setup.history(`m_${index}`)).seenAt ?? '')).toBe(sentAt + index + 2000);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
});
