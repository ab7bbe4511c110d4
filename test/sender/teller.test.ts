import { expect, test } from 'vitest';
import { statusNamed } from '../../src/domain/registry.ts';
import type { Untold } from '../../src/outbox/outbox.ts';
import { Teller } from '../../src/sender/teller.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { submission } from '../support/sqlite-log.ts';

test('the clock is put back after messages were sent → the log has them and what became of them, five minutes ahead at most', async () => {
  const now = Date.UTC(2026, 1, 3);
  const wrong = now + 2 * 3_600_000;
  const status = statusNamed('DELIVERED_TO_HANDSET');
  const steps: readonly Untold[] = [
    { id: 1, account: 1, submission: submission(0, { sentAt: wrong, at: wrong }) },
    { id: 2, account: 1, submission: { messageId: 'message-0', status, at: wrong, doneAt: wrong, seenAt: wrong } },
  ];
  let untold = steps;
  const outbox = {
    untold: async () => untold,
    told: async (ids: readonly number[]) => {
      untold = untold.filter(one => !ids.includes(one.id));
    },
  };
  const store = new MemoryStore();
  const notes: string[] = [];
  const teller = new Teller({
    outbox,
    store,
    clock: () => now,
    places: { subscribed: async () => [] },
    told: () => {},
    retentionOf: () => 48 * 3_600_000,
    note: (_, message) => notes.push(message),
  });
  await teller.caughtUp(60_000);
  await teller.close();
  const latest = now + 5 * 60_000;
  const log = await store.history(1, 'message-0', 0);
  expect(log?.log).toMatchObject({ status, sentAt: latest, doneAt: latest });
  expect([notes, untold]).toEqual([[], []]);
});
