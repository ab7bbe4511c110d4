import { expect, it } from 'vitest';
import { deliveryErrors, unregisteredErrors } from '../../../src/domain/registry.ts';
import type { Outcomes } from '../../../src/store/outcomes.ts';
import {
  absentSubscriber,
  delivered,
  message,
  now,
  type OpenEngine,
  ownEngineFor,
  record,
  rejected,
  undeliverable,
} from './engine.ts';

const unregistered = { ...unregisteredErrors[1], key: unregisteredErrors[1]?.key ?? 0 };

/** What an engine that tells an observer counts of what messages come to. */
export function outcomeTests(openEngine: OpenEngine): void {
  it('messages come to their statuses by records, reports and reports that waited → each is counted once, by group and error', async () => {
    const heard: Outcomes[] = [];
    const committed = ({ outcomes }: { readonly outcomes: Outcomes }) => heard.push(outcomes);
    const { store } = await ownEngineFor(openEngine, { committed });
    const other = { ...unregistered, groupId: 1, groupName: 'HANDSET_ERRORS' as const };
    const second = deliveryErrors.find(error => error.groupId === 2);
    if (second === undefined) throw new Error('no error of users');
    await record(store, [
      message('m1'),
      message('m2', { status: rejected }),
      { messageId: 'm1', status: delivered, doneAt: now },
      { messageId: 'm3', status: undeliverable, error: absentSubscriber, at: now },
    ]);
    await record(store, [message('m3'), message('m4'), message('m5')]);
    // A repeat counts for nothing, and a failure of another kind as one more.
    await record(store, [
      message('m1'),
      { messageId: 'm3', status: undeliverable, error: absentSubscriber, at: now },
      { messageId: 'm4', status: undeliverable, error: { ...other, name: 'ONE_TO_COME' }, at: now },
      { messageId: 'm5', status: undeliverable, error: { ...other, id: 777 }, at: now },
    ]);
    await record(store, [{ messageId: 'm4', status: undeliverable, error: second, at: now + 1 }]);
    await record(store, [{ messageId: 'm5', status: delivered, doneAt: now + 2, at: now + 2 }]);
    const sum = (kind: keyof Outcomes) => {
      const counts: Record<string, number> = {};
      for (const outcomes of heard)
        for (const [name, count] of outcomes[kind]) counts[name] = (counts[name] ?? 0) + count;
      return counts;
    };
    expect(sum('groups')).toEqual({ PENDING: 4, REJECTED: 1, DELIVERED: 2, UNDELIVERABLE: 3 });
    expect(sum('errors')).toEqual({
      NO_ERROR: 1,
      [String(absentSubscriber.name)]: 1,
      unregistered: 2,
      [second.name]: 1,
    });
  });
}
