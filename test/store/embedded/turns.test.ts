import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type RecordParts, Turns } from '../../../src/store/embedded/record/turns.ts';
import { packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import type { WriterReply } from '../../../src/store/embedded/threads/messages.ts';
import { SqliteLog } from '../../support/sqlite-log.ts';
import { account, delivered, message, messages, now, outcome, record, recordAll } from '../conformance/engine.ts';

const batchOf = (of: number, count: number) =>
  packBatch({ account: of, binding: {}, receivedAt: now, sentSince: 0, submissions: messages(count) }, 1);

/** Turns over a writer that records one message a millisecond, and what it told by slices. */
function turnsBy(record: RecordParts) {
  const told: WriterReply[][] = [];
  let ms = 0;
  const turns = new Turns(
    (parts, isOver) =>
      record(parts, () => {
        ms++;
        return isOver();
      }),
    () => ({ position: ms, sequence: ms }),
    () => ({ groups: new Map(), errors: new Map() }),
    reply => told.at(-1)?.push(reply),
  );
  const slice = () => {
    told.push([]);
    turns.slice(() => ms);
  };
  const answered = () =>
    told.map(replies =>
      replies.flatMap(reply => (reply.type === 'recorded' ? reply.outcomes.map(({ id }) => id) : [])),
    );
  return { turns, told, slice, answered };
}

/** Counts each record as a new message. */
const recording: RecordParts = (parts, isOver) => {
  const progress: ReturnType<RecordParts>[number][] = [];
  for (const { batch, from } of parts) {
    let next = from;
    let over = false;
    while (next < batch.count && !over) {
      next++;
      over = isOver();
    }
    progress.push({ outcome: outcome({ recorded: next - from }), next, end: {} });
    if (over) break;
  }
  return progress;
};

describe('slices of recording', () => {
  it('a defect in a group that segments cut short → the batches of each account keep their order', () => {
    const batches = Array.from({ length: 12 }, (_, i) => batchOf(1 + (i % 2), 7));
    const defect = batches[5];
    const order: number[] = [];
    const { turns, slice, told } = turnsBy((parts, isOver) => {
      if (parts.some(({ batch }) => batch === defect)) throw new Error('a defect');
      // A segment has room for ten.
      let room = 10;
      const progress = recording(parts, () => isOver() || --room === 0);
      for (const [i, { next }] of progress.entries()) {
        const batch = parts[i]?.batch;
        if (batch !== undefined && next === batch.count) order.push(batches.indexOf(batch));
      }
      return progress;
    });
    for (const [id, batch] of batches.entries()) turns.add(id, batch);
    while (!turns.isEmpty) slice();
    const failed = told.flat().flatMap(reply => (reply.type === 'failed' ? reply.ids : []));
    expect(failed).toEqual([5]);
    for (const parity of [0, 1]) {
      const own = order.filter(index => index % 2 === parity);
      expect(own).toEqual(own.toSorted((x, y) => x - y));
    }
    expect(order.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
  });

  it('many batches of one account → each slice is as long as it may be, and every record is answered once', () => {
    const { turns, told, slice } = turnsBy(recording);
    for (let id = 0; id < 5; id++) turns.add(id, batchOf(1, 60));
    let slices = 0;
    for (; !turns.isEmpty; slices++) slice();
    expect(slices).toBeLessThanOrEqual(Math.ceil(300 / limits.sliceMs));
    expect(slices).toBeGreaterThanOrEqual(300 / limits.sliceMs - 1);
    const outcomes = told.flat().flatMap(reply => (reply.type === 'recorded' ? reply.outcomes : []));
    expect(outcomes).toEqual([0, 1, 2, 3, 4].map(id => ({ id, outcome: outcome({ recorded: 60 }) })));
  });

  it('one batch of another account, in the middle of a long one → answered a slice later', () => {
    const { turns, slice, answered } = turnsBy(recording);
    for (let id = 0; id < 40; id++) turns.add(id, batchOf(1, 1000));
    slice();
    turns.add(100, batchOf(2, 1));
    slice();
    slice();
    expect(answered().slice(1).flat()).toContain(100);
    for (let i = 0; i < 20; i++) slice();
    turns.add(101, batchOf(3, 1));
    turns.add(102, batchOf(2, 1));
    slice();
    slice();
    expect(answered().slice(-2).flat()).toEqual([101, 102]);
  });

  it('several accounts with long batches → all go on, in turns', () => {
    const { turns, slice, answered } = turnsBy(recording);
    for (const of of [1, 2, 3]) for (let i = 0; i < 2; i++) turns.add(of * 10 + i, batchOf(of, 40));
    while (!turns.isEmpty) slice();
    const order = answered().flat();
    expect(order.map(id => id % 10)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('a defect in one batch → it fails alone, the others are recorded, whatever was recorded of it before', () => {
    const { turns, told, slice } = turnsBy((parts, isOver) => {
      if (parts.some(({ batch, from }) => batch.account === 2 && from > 0)) throw new Error('a defect');
      return recording(parts, isOver);
    });
    turns.add(1, batchOf(1, 3));
    turns.add(2, batchOf(2, 40));
    turns.add(3, batchOf(3, 3));
    for (let i = 0; i < 9; i++) if (!turns.isEmpty) slice();
    const replies = told.flat();
    const failed = replies.flatMap(reply => (reply.type === 'failed' ? reply.ids : []));
    const done = replies.flatMap(reply => (reply.type === 'recorded' ? reply.outcomes.map(({ id }) => id) : []));
    expect([failed, done.toSorted()]).toEqual([[2], [1, 3]]);
  });
});

describe('the embedded engine', () => {
  it('thousands of reports on one message by one account → another account’s message is recorded among them', async () => {
    const log = new SqliteLog({ durability: 'os', segmentMessagesMax: 100_000 });
    const store = await log.open();
    onTestFinished(async () => {
      await store.close();
      log.remove();
    });
    await recordAll(store, [message('m')]);
    let pending = 30;
    const flood = Array.from({ length: pending }, (_, batch) =>
      record(
        store,
        Array.from({ length: 1000 }, (_, i) => ({ messageId: 'm', status: delivered, at: now - batch * 1000 - i })),
      ).then(answer => {
        pending--;
        return answer;
      }),
    );
    await recordAll(store, [message('n')], { account: account + 1 });
    expect(pending).toBeGreaterThan(0);
    const answers = await Promise.all(flood);
    expect(answers.reduce((sum, { updated, unchanged }) => sum + updated + unchanged, 0)).toBe(30_000);
    const history = await store.history(account, 'm', 0);
    expect(history?.omitted).toBe(30_000 - limits.timelineFirstMax - limits.timelineNewestMax);
  });
});
