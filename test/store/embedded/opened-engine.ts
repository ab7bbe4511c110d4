import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../../src/store/embedded/engine.ts';
import type { Merging } from '../../../src/store/embedded/threads/messages.ts';
import type { Store, StoreObserver } from '../../../src/store/store.ts';
import { until } from '../../support/sqlite-log.ts';
import type { OpenedEngine } from '../conformance.ts';

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

/** Whether a segment that has an index has its rows file still. */
function hasUnmerged(dataDir: string): boolean {
  const names = new Set(readdirSync(join(dataDir, 'segments')));
  return [...names].some(name => name.endsWith('.index') && names.has(name.replace('.index', '.journal')));
}

export async function openSqliteEngine(
  segmentMessagesMax: number,
  readerThreads: number,
  {
    committed,
    merging,
  }: { readonly committed?: StoreObserver['committed'] | undefined; readonly merging?: Merging } = {},
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
      ...(merging !== undefined && { merging }),
    });
  const first = await open();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      if (merging !== undefined) await until(() => !hasUnmerged(dataDir));
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
