import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/store/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { engineFor, message, query, record } from './conformance/engine.ts';
import { conformance, type OpenedEngine } from './conformance.ts';

async function openMemoryEngine(): Promise<OpenedEngine> {
  const first = new MemoryStore();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      store = await store.reopen();
      return store;
    },
    close: () => store.close(),
  };
}

conformance('the store in memory', openMemoryEngine);

describe('the hooks of the store in memory', () => {
  it('told to fail → every call rejects with that, until told otherwise', async () => {
    const store = new MemoryStore();
    const failure = new StoreUnavailable('no room', 5000);
    store.failWith(failure);
    await expect(record(store, [message('m')])).rejects.toBe(failure);
    await expect(store.find(query())).rejects.toBe(failure);
    store.failWith(undefined);
    expect((await store.find(query())).logs).toEqual([]);
  });

  it('calls → counted, refused ones too', async () => {
    const { store } = await engineFor(openMemoryEngine);
    if (!(store instanceof MemoryStore)) throw new Error('another store');
    await store.find(query());
    await store.find(query());
    await store.close();
    await expect(record(store, [message('m')])).rejects.toThrow(StoreUnavailable);
    expect(store.calls).toMatchObject({ find: 2, record: 1 });
    expect(store.callCount).toBe(3);
  });

  it('a delay → each call waits for it', async () => {
    let passed = 0;
    const store = new MemoryStore({ delay: async () => void passed++, queuedRecords: () => 9 });
    await store.find(query());
    expect((await store.stats()).queuedRecords).toBe(9);
    expect(passed).toBe(2);
  });
});
