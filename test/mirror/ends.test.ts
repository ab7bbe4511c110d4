import { expect, test } from 'vitest';
import { simulatedMessage } from '../../simulator/messages.ts';
import { noError, pendingAccepted, statuses } from '../../src/domain/registry.ts';
import type { RecordBatch, RecordOutcome } from '../../src/store/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { hour, minute, World } from './world.ts';

/** Notes when the final status of each message was recorded. */
class Ends extends MemoryStore {
  readonly seenAt = new Map<string, number>();

  override async record(batch: RecordBatch): Promise<RecordOutcome> {
    for (const { messageId, status } of batch.submissions)
      if (status?.final === true && !this.seenAt.has(messageId)) this.seenAt.set(messageId, batch.receivedAt);
    return super.record(batch);
  }
}

const delivered = statuses.find(one => one.name === 'DELIVERED_TO_HANDSET') ?? pendingAccepted;

const inAMinute = (asked: readonly { readonly at: number }[]) =>
  Math.max(...asked.map(({ at }, i) => asked.slice(i).filter(one => one.at < at + minute).length));

test.each([80, 1500])(
  '%i messages that end hours after they were sent, polling alone → each end seen within 90 s',
  async count => {
    const store = new Ends();
    const world = new World({ store, terms: { requestsPerMinute: 60 } });
    const begun = world.theirs;
    // What was sent in the two days before ends at any moment of the two hours to come.
    for (let i = 0; i < count; i++) {
      const sentAt = begun - 2 * hour - i * Math.floor((40 * hour) / count);
      const endsAt = begun + world.random.between(0, 2 * hour);
      const { states, ...others } = simulatedMessage({ messageId: `m${i}`, sentAt }, world.random);
      const [first] = states;
      if (first === undefined) throw new Error('a message without a state');
      const pending = { ...first, status: pendingAccepted, error: noError };
      const ended = { from: endsAt, status: delivered, error: noError, doneAt: endsAt };
      world.infobip.add({ ...others, states: [pending, ended] });
    }
    await world.run(5 * minute);
    const watchedFrom = world.theirs;
    const before = world.infobip.asked.length;
    await world.run(15 * minute);
    const ends = world.infobip.log.messages().flatMap(({ messageId, states }) => {
      const end = states.find(state => state.status.final);
      return end !== undefined && end.from > watchedFrom && end.from < world.theirs - 90_000
        ? [{ messageId, at: end.from }]
        : [];
    });
    expect(ends.length).toBeGreaterThan(count / 20);
    const late = ends.filter(
      ({ messageId, at }) => (store.seenAt.get(messageId) ?? Number.POSITIVE_INFINITY) - at > 90_000,
    );
    expect(late).toEqual([]);
    const asked = world.infobip.asked.slice(before);
    expect(inAMinute(asked)).toBeLessThanOrEqual(60);
    // By time where that is cheaper: a list for every hundred of them each time would take more than there is.
    expect(asked.length).toBeLessThan(15 * 45);
  },
);

test('nothing is followed → what is left of the budget is left', async () => {
  const world = new World({ terms: { requestsPerMinute: 60 } });
  world.addPast(500, 47 * hour);
  await world.run(5 * minute);
  const before = world.infobip.asked.length;
  await world.run(20 * minute);
  expect((world.infobip.asked.length - before) / 20).toBeLessThan(20);
});

test('a status of a group that nobody knows → asked for now and then, and takes no turn of those that are pending', async () => {
  const world = new World();
  const foreign = Array.from({ length: 20 }, (_, i) => `foreign-${i}`);
  for (const messageId of foreign) {
    const { states, ...others } = simulatedMessage({ messageId, sentAt: world.theirs - hour }, world.random);
    const ofNewGroup = states.map(one => ({
      ...one,
      status: { ...one.status, groupId: 42, groupName: 'SUPPRESSED', id: 4200 },
    }));
    world.infobip.add({ ...others, states: ofNewGroup });
  }
  await world.run(25 * minute);
  const lists = world.infobip.asked.map(
    ({ target }) => new URL(target, 'http://x').searchParams.get('messageId') ?? '',
  );
  const times = foreign.map(id => lists.filter(list => list.split(',').includes(id)).length);
  expect(Math.max(...times)).toBeLessThanOrEqual(3);
  expect(Math.min(...times)).toBeGreaterThan(0);
});
