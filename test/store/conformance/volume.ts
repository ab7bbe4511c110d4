import { describe, expect, it } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { Submission } from '../../../src/domain/message.ts';
import { statusGroupNames } from '../../../src/domain/registry.ts';
import type { Store } from '../../../src/store/store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { isThorough } from '../../support/properties.ts';
import {
  absentSubscriber,
  account,
  delivered,
  expired,
  horizon,
  hourMs,
  idsOf,
  message,
  now,
  type OpenEngine,
  operator,
  ownEngineFor,
  query,
  record,
  rejected,
  undeliverable,
  walk,
} from './engine.ts';

const count = isThorough ? 20_000 : 1_200;
const segmentMessagesMax = Math.floor(count / (isThorough ? 80 : 20));
/** What is sent in one millisecond, and how far from the next: all of it is two days. */
const burstMessages = 8;
const burstMs = 150_000_000 / (count / burstMessages);
const batchSize = 500;
const outcomes = [operator, delivered, expired, rejected, undeliverable];

/** Two days of messages, in bursts of one millisecond and with stragglers, most of them in order of time. */
function sentMessages(): readonly Submission[] {
  return Array.from({ length: count }, (_, i) => {
    const burst = Math.floor(i / burstMessages);
    const late = i % 97 === 0 ? 3 * hourMs : 0;
    return message(`message-${i}`, {
      sender: `sender ${i % 5}`,
      destination: `4412345${i % 1000}`,
      bulkId: `bulk ${Math.floor(i / 100)}`,
      sentAt: Math.max(horizon, horizon + 50 + burst * burstMs - late),
      ...(i % 2 === 0 && { campaignReferenceId: `campaign ${i % 14}` }),
      ...(i % 3 === 0 && { applicationId: `application ${i % 4}`, entityId: `entity ${i % 6}` }),
      ...(i % 11 === 0 && { price: { pricePerMessage: i / 1000, currency: 'EUR' } }),
    });
  });
}

/** A report on every third message or so, in no order; each has a moment of its own. */
function reports(round: number): readonly Submission[] {
  return Array.from({ length: count / 3 }, (_, i) => {
    const messageId = `message-${(i * 7919 + round * 31) % count}`;
    const status = outcomes[(i + round) % outcomes.length] ?? delivered;
    const at = now + round * 100_000 + i;
    return {
      messageId,
      status,
      at,
      ...(i % 4 === 0 && { error: absentSubscriber }),
      ...(i % 2 === 0 && { doneAt: at }),
    };
  });
}

/** Batches follow each other as they would from one sender: the next is on its way before the last is answered. */
async function recordInFlight(store: Store, submissions: readonly Submission[]): Promise<void> {
  const answers = [];
  for (let i = 0; i < submissions.length; i += batchSize) {
    answers.push(record(store, submissions.slice(i, i + batchSize)));
    if (answers.length >= 8) expect((await answers.shift())?.rejected).toEqual([]);
  }
  for (const answer of await Promise.all(answers)) expect(answer.rejected).toEqual([]);
}

const filters: readonly Filter[] = [
  ...statusGroupNames.map(generalStatus => ({ generalStatus })),
  { sender: 'sender 3' },
  { destination: '4412345077' },
  { bulkId: ['bulk 0', 'bulk 7', `bulk ${count / 100 - 1}`, `bulk ${count / 100}`] },
  { messageId: ['message-0', `message-${count - 1}`, 'message-97', `message-${count}`] },
  { campaignReferenceId: ['campaign 4', 'campaign 5'] },
  { applicationId: 'application 2', entityId: 'entity 0' },
  { sender: 'sender 1', generalStatus: 'EXPIRED', sentSince: now - 20 * hourMs },
  { sentSince: now - 31 * hourMs, sentUntil: now - 30 * hourMs },
];

/** Enough messages for many segments: every filter, report and walk across all of them. */
export function volumeTests(openEngine: OpenEngine): void {
  describe('thousands of messages', () => {
    it('recorded, reported on, reopened, partly dropped → always what the reference store has', async () => {
      const engine = await ownEngineFor(openEngine, { segmentMessagesMax });
      const model = new MemoryStore();
      const compare = async (store: Store, sentSince: number) => {
        for (const filter of filters) {
          const expected = (await model.find(query({ filter, sentSince, limit: count }))).logs;
          const page = await store.find(query({ filter, sentSince, limit: 50 }));
          expect(page.logs).toEqual(expected.slice(0, 50));
          const walked = await walk(store, { filter, sentSince, limit: count / 10 });
          expect(idsOf(walked)).toEqual(idsOf(expected));
          expect(walked.slice(-50)).toEqual(expected.slice(-50));
        }
        for (let i = 0; i < count; i += Math.floor(count / 15)) {
          const messageId = `message-${i}`;
          const expected = await model.history(account, messageId, sentSince);
          expect(await store.history(account, messageId, sentSince)).toEqual(expected);
        }
      };
      const sent = sentMessages();
      for (const submissions of [sent, reports(0), reports(1)]) {
        await recordInFlight(engine.store, submissions);
        await recordInFlight(model, submissions);
      }
      await compare(engine.store, horizon);
      const reopened = await engine.reopen();
      await compare(reopened, horizon);
      const cut = now - 24 * hourMs;
      for (const store of [reopened, model]) await store.dropBefore(cut);
      await compare(reopened, cut);
      const inside = new Set(sent.filter(({ sentAt = 0 }) => sentAt >= cut).map(({ messageId }) => messageId));
      const late = reports(2).filter(({ messageId }) => inside.has(messageId));
      for (const store of [reopened, model]) await recordInFlight(store, late);
      await compare(await engine.reopen(), cut);
    });
  });
}
