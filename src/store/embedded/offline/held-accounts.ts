import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { DamagedIndex, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { IndexFile } from '../segment/index-file.ts';
import { noAccount } from '../segment/shared-segment.ts';
import { openRows } from './folder-log.ts';

/** What a log holds of an account, whether or not that account is there. */
export type HeldAccount = { readonly id: AccountId; readonly messages: number; readonly newestSentAt: EpochMs };

/** The accounts that a folder's segments have messages of, by their ids; damaged segments are passed over. */
export function accountsHeldIn(folder: Folder): readonly HeldAccount[] {
  const held = new Map<AccountId, HeldAccount>();
  for (const segmentId of folder.segmentIds())
    for (const { id, messages, newestSentAt } of heldBy(folder, segmentId)) {
      const before = held.get(id);
      held.set(id, {
        id,
        messages: messages + (before?.messages ?? 0),
        newestSentAt: Math.max(newestSentAt, before?.newestSentAt ?? -Infinity),
      });
    }
  held.delete(noAccount);
  return [...held.values()].sort((a, b) => a.id - b.id);
}

function heldBy(folder: Folder, segmentId: number): readonly HeldAccount[] {
  if (!folder.hasRows(segmentId)) return [];
  try {
    return indexed(folder, segmentId) ?? counted(folder, segmentId);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  }
}

/** `undefined` without a sound index. */
function indexed(folder: Folder, segmentId: number): readonly HeldAccount[] | undefined {
  if (!folder.disk.exists(folder.index(segmentId))) return undefined;
  let index: IndexFile | undefined;
  try {
    index = new IndexFile(folder.index(segmentId), folder.disk);
    index.verify(['accounts', 'accountStarts']);
    return heldByIndex(index);
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return undefined;
  } finally {
    index?.close();
  }
}

function heldByIndex(index: IndexFile): readonly HeldAccount[] {
  const starts = index.uint32('accountStarts');
  return Array.from(index.float64('accounts'), (id, i) => {
    const [from = 0, to = 0] = [starts[i], starts[i + 1]];
    const [newest = 0] = index.uint32('order', to - 1, 1);
    return { id, messages: to - from, newestSentAt: index.times(newest, 1)[0] ?? -Infinity };
  });
}

function counted(folder: Folder, segmentId: number): readonly HeldAccount[] {
  const rows = openRows(folder, segmentId);
  try {
    return rows.accounts().map(([id, messages, newestSentAt]) => ({ id, messages, newestSentAt }));
  } finally {
    rows.close();
  }
}
