import { expect, test } from 'vitest';
import { statusNamed } from '../../src/domain/registry.ts';
import type { Untold } from '../../src/outbox/outbox.ts';
import { Teller } from '../../src/sender/teller.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { submission } from '../support/sqlite-log.ts';

const retentionMs = 48 * 3_600_000;
const status = statusNamed('DELIVERED_TO_HANDSET');

/** Tells a log of its own what an outbox has. */
function opened(clock: () => number, steps: readonly Untold[] = []) {
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
    clock,
    places: { subscribed: async () => [] },
    told: () => {},
    retentionOf: () => retentionMs,
    note: (_, message) => notes.push(message),
  });
  const tell = async (more: readonly Untold[] = []) => {
    untold = [...untold, ...more];
    await teller.caughtUp(60_000);
  };
  return { store, notes, tell, close: () => teller.close(), left: () => untold };
}

test('the clock is put back after messages were sent → the log has them and what became of them, five minutes ahead at most', async () => {
  const now = Date.UTC(2026, 1, 3);
  const wrong = now + 2 * 3_600_000;
  const { store, notes, tell, close, left } = opened(
    () => now,
    [
      { id: 1, account: 1, submission: submission(0, { sentAt: wrong, at: wrong }) },
      { id: 2, account: 1, submission: { messageId: 'message-0', status, at: wrong, doneAt: wrong, seenAt: wrong } },
    ],
  );
  await tell();
  await close();
  const latest = now + 5 * 60_000;
  const log = await store.history(1, 'message-0', 0);
  expect(log?.log).toMatchObject({ status, sentAt: latest, doneAt: latest });
  expect([notes, left()]).toEqual([[], []]);
});

test.each([0, 3 * 3_600_000])(
  'the clock leaps beyond retention while messages are sent, %i ms after it was put back → the log has what became of them',
  async aheadMs => {
    const now = Date.UTC(2026, 1, 3);
    const leapMs = 2 * retentionMs;
    let time = now + aheadMs;
    const { store, notes, tell, close, left } = opened(() => time);
    time = now;
    await tell();
    time = now + leapMs;
    await tell([
      { id: 1, account: 1, submission: submission(0, { sentAt: now, at: now }) },
      { id: 2, account: 1, submission: { messageId: 'message-0', status, at: time, doneAt: time } },
      { id: 3, account: 1, submission: submission(1, { sentAt: time, at: time }) },
      { id: 4, account: 1, submission: submission(2, { sentAt: now - retentionMs - 3_600_000, at: now }) },
    ]);
    await close();
    expect((await store.history(1, 'message-0', 0))?.log).toMatchObject({ status, sentAt: now });
    expect((await store.history(1, 'message-1', 0))?.log).toMatchObject({ sentAt: time });
    expect(await store.history(1, 'message-2', 0)).toBeUndefined();
    expect(notes).toEqual(['the log did not take what became of a message']);
    expect(left()).toEqual([]);
  },
);
