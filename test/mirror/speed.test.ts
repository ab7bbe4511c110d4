import { expect, test } from 'vitest';
import { addSlot, slotMs } from '../../simulator/traffic.ts';
import type { RecordBatch, RecordOutcome, Store } from '../../src/store/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { minute, World } from './world.ts';

/** Notes when each message, and its final status, was first recorded, and keeps nothing else: there are many. */
class Arrivals extends MemoryStore {
  readonly first = new Map<string, number>();
  readonly final = new Map<string, number>();

  override async record({ submissions, receivedAt }: RecordBatch): Promise<RecordOutcome> {
    for (const { messageId, status } of submissions) {
      if (!this.first.has(messageId)) this.first.set(messageId, receivedAt);
      if (status?.final === true && !this.final.has(messageId)) this.final.set(messageId, receivedAt);
    }
    return { ...(await super.record(nothing)), unchanged: submissions.length };
  }
}

const nothing: RecordBatch = { account: 1, binding: {}, receivedAt: 0, sentSince: 0, submissions: [] };

/** The value that so great a share is not above. */
function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

test('500 messages a second, 60 requests a minute, polling alone → read within a minute, final within 90 s', async () => {
  const store = new Arrivals();
  const world = new World({ store: store satisfies Store, terms: { requestsPerMinute: 60 } });
  let slot = world.now;
  await world.run(3.5 * minute, () => {
    for (; slot <= world.now; slot += slotMs)
      addSlot(world.infobip, slot, { seed: 's', messagesPerSecond: 500, pace: 1 });
  });
  // The first minute is what it takes to see how much there is.
  const isLate = (at: number) => at > world.now - 90_000;
  const messages = world.infobip.log
    .messages()
    .filter(one => one.sentAt > world.now - 2.5 * minute && !isLate(one.sentAt));
  const lags = messages.map(one => (store.first.get(one.messageId) ?? Number.POSITIVE_INFINITY) - one.sentAt);
  expect(quantile(lags, 0.99)).toBeLessThanOrEqual(60_000);
  const unseen = messages.flatMap(({ messageId, states }) => {
    const final = states.find(state => state.status.final);
    if (final === undefined || isLate(final.from)) return [];
    return [(store.final.get(messageId) ?? Number.POSITIVE_INFINITY) - final.from];
  });
  expect(unseen.length).toBeGreaterThan(20_000);
  expect(Math.max(quantile(unseen, 1))).toBeLessThanOrEqual(90_000);
  const { asked } = world.infobip;
  for (const [i, { at }] of asked.entries())
    expect((asked[i + 60]?.at ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(minute);
});
