import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../support/memory-store.ts';
import { query } from './conformance/engine.ts';
import { conformance, type OpenedEngine, ownGroups } from './conformance.ts';

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

conformance('the store in memory', openMemoryEngine, { groups: ownGroups });

describe('the hooks of the store in memory', () => {
  it('a delay → each call waits for it', async () => {
    let passed = 0;
    const store = new MemoryStore({ delay: async () => void passed++, queuedRecords: () => 9 });
    await store.find(query());
    expect((await store.stats()).queuedRecords).toBe(9);
    expect(passed).toBe(2);
  });
});
