import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import { Backlog } from '../../src/http/stream/backlog.ts';
import { Feed } from '../../src/http/stream/feed.ts';
import { Listener } from '../../src/http/stream/listener.ts';
import { Turns } from '../../src/turns.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { submission } from '../support/sqlite-log.ts';

/** Notes what it is sent, and when. */
class NotingListener extends Listener {
  readonly sent: string[] = [];
  whenSent = () => {};

  constructor(sender: string) {
    const who = { account: 1, binding: {}, filter: { sender }, authorization: '' };
    super(who, new ServerResponse(new IncomingMessage(new Socket())));
  }

  override send(text: string | Uint8Array): boolean {
    this.sent.push(Buffer.from(text).toString());
    this.whenSent();
    return true;
  }
}

test('whoever joins right after a change was sent to the others → begins after it, or is sent it too', async () => {
  const store = new MemoryStore();
  const feed = new Feed({
    store,
    account: 1,
    sentSince: () => 0,
    idOf: place => place,
    metrics: createMetrics(new Registry()),
    logger: pino({ level: 'silent' }),
    backlog: new Backlog(),
    turns: new Turns(1),
  });
  onTestFinished(() => feed.stop());
  await feed.started;
  const { next: before } = await store.changes({ account: 1, sentSince: 0, limit: 1 });
  const first = new NotingListener('page');
  // Each a step later.
  const others = Array.from({ length: 20 }, () => new NotingListener('page'));
  feed.open(first, undefined);
  first.whenSent = async () => {
    for (const other of others) {
      feed.open(other, undefined);
      await undefined;
    }
  };
  const batch = { account: 1, binding: {}, receivedAt: 1_800_000_000_000, sentSince: 0 };
  await store.record({ ...batch, submissions: [submission(1, { sentAt: 1_800_000_000_000 })] });
  await expect.poll(() => others.every(({ sent }) => sent.length > 0)).toBe(true);
  expect(first.sent.join('')).toContain('message-1');
  for (const { sent } of others)
    expect(sent.join('').includes(`id: ${before}\n`)).toBe(sent.join('').includes('message-1'));
});
