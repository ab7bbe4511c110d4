import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { statusNamed } from '../../src/domain/registry.ts';
import { addedIn, addedOf } from '../../src/outbox/sqlite/exchange.ts';
import { sendAnswer } from '../../src/wire/send/send-answer.ts';

afterEach(() => vi.restoreAllMocks());

const count = 10_000;

/** How many were looked at in one turn of the thread at most, where each takes ten microseconds of it. */
async function mostInATurn(work: (looked: () => void) => Promise<unknown>): Promise<number> {
  let [now, inTurn, most, isOver] = [0, 0, 0, false];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const turns = (async () => {
    for (; !isOver; inTurn = 0) await nextTurn();
  })();
  await work(() => {
    now += 0.01;
    most = Math.max(most, ++inTurn);
  });
  isOver = true;
  await turns;
  return most;
}

test('ten thousand messages of one request → made ready for the thread in slices, few in a text, and each arrives', async () => {
  const most = await mostInATurn(async looked => {
    const messages = Array.from({ length: count }, (_, i) => ({
      get messageId() {
        looked();
        return `m-${i}`;
      },
      sender: '1234567890',
      destination: `${i}`,
      lane: 'text' as const,
      dueAt: 1,
      expiresAt: 2,
      contentType: 'TEXT',
      contentJson: '{"type":"TEXT","text":"\ud800\\""}',
      isIdGiven: true,
      hasFailover: false,
    }));
    const { texts } = await addedOf({ account: 1, messages, now: 1 });
    const added = texts.map(addedIn);
    expect(Math.max(...added.map(one => one.length))).toBeLessThanOrEqual(20);
    expect(added.flat().map(([messageId]) => messageId)).toEqual(Array.from({ length: count }, (_, i) => `m-${i}`));
  });
  expect(most).toBeLessThan(1000);
});

test('the answer to them → written in slices, as it was in one piece', async () => {
  const status = statusNamed('PENDING_ACCEPTED');
  const most = await mostInATurn(async looked => {
    const accepted = Array.from({ length: count }, (_, i) => ({
      messageId: `m-"${i}`,
      destination: `${i}`,
      get status() {
        looked();
        return status;
      },
    }));
    const answer: unknown = JSON.parse(await sendAnswer('b"1', accepted));
    const { groupId, groupName, id, name, description, action } = status;
    const shown = JSON.parse(JSON.stringify({ groupId, groupName, id, name, description, action }));
    const messages = accepted.map(one => ({
      messageId: one.messageId,
      status: shown,
      destination: one.destination,
      details: {},
    }));
    expect(answer).toEqual({ bulkId: 'b"1', messages });
  });
  expect(most).toBeLessThan(count / 2 + 1);
});
