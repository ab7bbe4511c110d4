import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { DamagedIndex, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { HeldOf } from '../rows/rows.ts';
import { IndexFile } from '../segment/index-file.ts';
import { noAccount } from '../segment/shared-segment.ts';
import { openRows } from './folder-log.ts';

/** What a log holds of an account, whether or not that account is there. */
export type HeldAccount = {
  readonly id: AccountId;
  readonly messages: number;
  readonly newestSentAt: EpochMs;
  /** Its message that was recorded before all others that are left. */
  readonly first: { readonly segmentId: number; readonly ordinal: number };
};

/** The accounts that a folder's segments have messages of, by their ids; damaged segments are passed over. */
export function accountsHeldIn(folder: Folder): readonly HeldAccount[] {
  const held = new Map<AccountId, HeldAccount>();
  for (const segmentId of folder.segmentIds())
    for (const { account: id, messages, newestSentAt, firstOrdinal } of heldBy(folder, segmentId)) {
      const before = held.get(id);
      held.set(id, {
        id,
        messages: messages + (before?.messages ?? 0),
        newestSentAt: Math.max(newestSentAt, before?.newestSentAt ?? -Infinity),
        first: before?.first ?? { segmentId, ordinal: firstOrdinal },
      });
    }
  held.delete(noAccount);
  return [...held.values()].sort((a, b) => a.id - b.id);
}

/** The same by their ids alone, in no order and as often as segments have them; also beside a server. */
export function accountIdsIn(folder: Folder): readonly AccountId[] {
  const idsOf = (index: IndexFile) => [...index.float64('accounts')];
  return folder
    .segmentIds()
    .flatMap(id => readFrom(folder, id, idsOf, () => counted(folder, id).map(({ account }) => account)))
    .filter(id => id !== noAccount);
}

/**
 * When the first message that is left of each of these accounts was recorded. A segment is opened once, and one row is
 * read of each account; what is damaged is passed over.
 */
export function firstReceivedAt(folder: Folder, held: readonly HeldAccount[]): ReadonlyMap<AccountId, EpochMs> {
  const times = new Map<AccountId, EpochMs>();
  for (const [segmentId, accounts] of Map.groupBy(held, ({ first }) => first.segmentId))
    try {
      const rows = openRows(folder, segmentId);
      try {
        for (const { account, receivedAt } of rows.messages(accounts.map(({ first }) => first.ordinal)))
          times.set(account, receivedAt);
      } finally {
        rows.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  return times;
}

const heldBy = (folder: Folder, segmentId: number) =>
  readFrom(folder, segmentId, heldByIndex, () => counted(folder, segmentId));

/** By its index, or by its rows where it has no sound one; what is damaged has nothing. */
function readFrom<T>(
  folder: Folder,
  segmentId: number,
  inIndex: (index: IndexFile) => readonly T[],
  inRows: () => readonly T[],
): readonly T[] {
  if (!folder.hasRows(segmentId)) return [];
  try {
    return indexed(folder, segmentId, inIndex) ?? inRows();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  }
}

/** `undefined` without a sound index. */
function indexed<T>(folder: Folder, segmentId: number, read: (index: IndexFile) => T): T | undefined {
  if (!folder.disk.exists(folder.index(segmentId))) return undefined;
  let index: IndexFile | undefined;
  try {
    index = new IndexFile(folder.index(segmentId), folder.disk);
    index.verify(['accounts', 'accountStarts']);
    return read(index);
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return undefined;
  } finally {
    index?.close();
  }
}

/** Of each account, the index has the ordinals by the time that they were sent. */
function heldByIndex(index: IndexFile): readonly HeldOf[] {
  const [starts, order] = [index.uint32('accountStarts'), index.uint32('order')];
  return Array.from(index.float64('accounts'), (account, i) => {
    const own = order.subarray(starts[i], starts[i + 1]);
    return {
      account,
      messages: own.length,
      newestSentAt: index.times(own.at(-1) ?? 0, 1)[0] ?? -Infinity,
      firstOrdinal: own.reduce((a, b) => Math.min(a, b), Infinity),
    };
  });
}

function counted(folder: Folder, segmentId: number): readonly HeldOf[] {
  const rows = openRows(folder, segmentId);
  try {
    return rows.accounts();
  } finally {
    rows.close();
  }
}
