import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../../../src/store/embedded/engine.ts';
import type { Store, StoreObserver } from '../../../src/store/store.ts';
import { outcomeTests } from '../conformance/outcomes.ts';
import { conformance, type OpenedEngine } from '../conformance.ts';

/** Sound engines find nothing damaged and warn of nothing: whatever is told here fails the test that closes. */
class Complaints implements StoreObserver {
  readonly told: string[] = [];

  readonly committed: StoreObserver['committed'];

  constructor(committed: StoreObserver['committed'] = () => {}) {
    this.committed = committed;
  }

  damaged({ name, reason }: Parameters<StoreObserver['damaged']>[0]): void {
    this.told.push(`${name} is damaged: ${reason}`);
  }

  note({ message, level, detail }: Parameters<StoreObserver['note']>[0]): void {
    if (level !== 'info') this.told.push(`${message} ${JSON.stringify(detail)}`);
  }
}

async function openSqliteEngine(
  segmentMessagesMax: number,
  readerThreads: number,
  committed?: StoreObserver['committed'],
): Promise<OpenedEngine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-conformance-'));
  const observer = new Complaints(committed);
  const open = (): Promise<Store> =>
    openSqliteStore({
      dataDir,
      durability: 'os',
      segmentMessagesMax,
      segmentAgeMs: 3_600_000,
      readerThreads,
      observer,
    });
  const first = await open();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      await store.close();
      store = await open();
      return store;
    },
    close: async () => {
      await store.close();
      rmSync(dataDir, { recursive: true });
      if (observer.told.length > 0) throw new Error(observer.told.join('\n'));
    },
  };
}

conformance('the embedded engine in small segments', ({ segmentMessagesMax = 50 }) =>
  openSqliteEngine(segmentMessagesMax, 2),
);
conformance('the embedded engine in one segment', () => openSqliteEngine(100_000, 1));
outcomeTests(({ committed }) => openSqliteEngine(50, 1, committed));

test('stats → what is free on the disk of the folder', async () => {
  const { store, close } = await openSqliteEngine(50, 1);
  const { freeBytes } = await store.stats();
  const { blocks, bsize } = statfsSync(tmpdir());
  expect(freeBytes).toBeGreaterThan(0);
  expect(freeBytes).toBeLessThanOrEqual(blocks * bsize);
  await close();
});
