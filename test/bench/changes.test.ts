import { expect, onTestFinished, test } from 'vitest';
import { PlainSqliteStore } from '../../bench/comparators/plain-sqlite.ts';
import type { Submission } from '../../src/domain/message.ts';
import type { Status } from '../../src/domain/registry.ts';
import { type Bookmark, InvalidBookmark, type Store } from '../../src/store/store.ts';
import { account, delivered, enroute, expired, horizon, message, now, record } from '../store/conformance/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const asked = { account, sentSince: horizon } as const;

function openStore(): Store {
  const store = new PlainSqliteStore(temporaryFolder());
  onTestFinished(() => store.close());
  return store;
}

const placeNow = async (store: Store) => (await store.changes({ ...asked, limit: 1 })).next;

async function shown(store: Store, after: Bookmark, limit: number, until?: Bookmark): Promise<readonly string[]> {
  const all: string[] = [];
  for (let place = after; ; ) {
    const bounds = { after: place, limit, ...(until !== undefined && { until }) };
    const { changes, next, more } = await store.changes({ ...asked, ...bounds });
    all.push(...changes.map(({ log }) => `${log.messageId} ${log.status.name}`));
    place = next;
    if (!more) {
      expect(next).toBe(until ?? (await placeNow(store)));
      return all;
    }
  }
}

const reportOn = (messageId: string, status: Status): Submission => ({ messageId, status, doneAt: now });

test.each([1, 2, 3, 100])(
  'a plain table looked at, %i rows at a time → messages, then reports, each once',
  async limit => {
    const store = openStore();
    await record(store, [message('before', { status: enroute })]);
    const begun = await placeNow(store);
    await record(store, [message('one', { status: enroute }), message('two', { status: enroute })]);
    const between = await placeNow(store);
    await record(store, [reportOn('one', delivered), reportOn('before', expired)]);
    expect(await shown(store, begun, limit, between)).toEqual([`one ${delivered.name}`, `two ${enroute.name}`]);
    expect(await shown(store, begun, limit)).toEqual([
      `one ${delivered.name}`,
      `two ${enroute.name}`,
      `one ${delivered.name}`,
      `before ${expired.name}`,
    ]);
    expect(await shown(store, await placeNow(store), limit)).toEqual([]);
  },
);

test('a place that a plain table did not give → refused', async () => {
  await expect(openStore().changes({ ...asked, after: 'elsewhere', limit: 1 })).rejects.toThrow(InvalidBookmark);
});
