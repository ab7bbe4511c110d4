import pg from 'pg';
import { vi } from 'vitest';
import { summaryRange } from '../../src/domain/summary.ts';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import type { Store } from '../../src/store/store.ts';
import { until, Witness } from '../support/sqlite-log.ts';
import {
  account,
  delivered,
  horizon,
  hourMs,
  message,
  messages,
  now,
  query,
  record,
  recordAll,
  rejected,
  walk,
} from './conformance/engine.ts';

/** A statement with the values it was sent with first. */
export type Sent = { readonly text: string; readonly values: readonly unknown[] };

/** Every statement that a store over this database sends while it does all that it can, each once. */
export async function statementsOfEverything(url: string): Promise<readonly Sent[]> {
  const sent = new Map<string, Sent>();
  const send = pg.Client.prototype.query;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
    this: pg.Client,
    ...asked: unknown[]
  ) {
    const one = sentBy(asked[0]);
    if (one !== undefined && !sent.has(one.text)) sent.set(one.text, one);
    return Reflect.apply(send, this, asked);
  });
  try {
    // On Citus too: what is dropped here is a partition of one hour.
    const options = { url, partitionMs: hourMs, generationMs: 0, upkeepMs: 20, poolSize: 4 };
    const store = await openPostgresStore({ ...options, observer: new Witness() });
    await everything(store);
    await store.close();
  } finally {
    spy.mockRestore();
  }
  return [...sent.values()];
}

function sentBy(config: unknown): Sent | undefined {
  if (typeof config === 'string') return { text: config, values: [] };
  if (typeof config !== 'object' || config === null || !('text' in config)) return undefined;
  const { text } = config;
  if (typeof text !== 'string') return undefined;
  return { text, values: 'values' in config && Array.isArray(config.values) ? config.values : [] };
}

async function everything(store: Store): Promise<void> {
  let woken = 0;
  const end = store.watch(account, () => woken++);
  const { next } = await store.changes({ account, sentSince: horizon, limit: 10 });
  const sentAt = (i: number) => now - i * 600_000;
  await recordAll(
    store,
    messages(30, i => ({ sentAt: sentAt(i), bulkId: `b${i % 3}`, applicationId: 'a' })),
  );
  await recordAll(store, [message('old', { sentAt: horizon })]);
  await record(store, [message('old', { sentAt: now })], { sentSince: horizon + 1 });
  await record(store, [{ messageId: 'm3', status: delivered }, message('new'), { messageId: 'new', status: rejected }]);
  await record(store, [{ messageId: 'm3', seenAt: now }]);
  await record(store, [
    { messageId: 'later', status: delivered },
    { messageId: 'never', status: delivered },
  ]);
  await recordAll(store, [message('later')]);
  await store.changes({ account, sentSince: horizon, limit: 10, after: next });
  await store.history(account, 'm3', horizon);
  const conditions = [
    {},
    { sender: '44113496000' },
    { destination: 'd' },
    { bulkId: ['b1'] },
    { bulkId: ['b1', 'b2'] },
    { messageId: ['m1', 'm2'] },
    { campaignReferenceId: ['c', 'd'] },
    { entityId: 'e' },
    { applicationId: 'a' },
    { generalStatus: 'PENDING' },
    { generalStatus: 'PENDING', applicationId: 'a', bulkId: ['b1', 'b2'] },
    { generalStatus: 'DELIVERED', messageId: ['m3'] },
    { generalStatus: ['EXPIRED', 'REJECTED'] },
    { generalStatus: ['PENDING', 'REJECTED'], sender: ['44113496000', 's'] },
    { errorName: ['NO_ERROR', 'X'], errorId: '0' },
    { errorName: 'NO_ERROR', generalStatus: 'PENDING', not: { bulkId: 'b1', messageId: 'm1' } },
    { not: { sender: 's', campaignReferenceId: ['c', 'd'], errorId: '5', generalStatus: 'ACCEPTED' } },
  ] as const;
  for (const filter of conditions) {
    await store.find(query({ filter }));
    await walk(store, { filter, limit: 2 });
    const range = summaryRange({ ...filter, sentSince: horizon + 5 }, horizon, now, 7);
    await store.summarize({ account, filter, sentSince: horizon, range, by: ['error', 'sender'], budgetMs: 60_000 });
  }
  await store.stats();
  await until(() => woken > 1);
  // The figures of the whole log are made anew by the first sweep, and moved on by the next.
  for (const messageId of ['before a sweep', 'before another']) {
    await recordAll(store, [message(messageId)]);
    await store.dropBefore(horizon + 7_200_000);
    await store.stats();
  }
  end();
}
