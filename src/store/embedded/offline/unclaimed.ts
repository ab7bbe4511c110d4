import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import { isDamage } from '../files/damage.ts';
import { Folder, FolderLock } from '../files/folder.ts';
import { othersLog } from '../log/log-file.ts';
import { openRows } from './folder-log.ts';
import { accountsHeldIn } from './held-accounts.ts';

type Made = { readonly id: AccountId; readonly createdAt: EpochMs };

/**
 * A log that nothing says of whose it is, as version 0.1.0 wrote it, is opened for the accounts beside it unless they
 * cannot be its own: none of those that it has messages of is among them, or one was made after it had recorded. Looks
 * at a message of each account. Throws `StoreUnusable`.
 */
export function refuseOtherAccounts(dataDir: string, made: readonly Made[]): void {
  const lock = new FolderLock(dataDir);
  try {
    const folder = new Folder(dataDir);
    const held = accountsHeldIn(folder);
    const madeAt = new Map(made.map(({ id, createdAt }) => [id, createdAt]));
    const known = held.flatMap(({ id }) => (madeAt.has(id) ? [id] : []));
    if (held.length > 0 && known.length === 0) throw new StoreUnusable(othersLog(dataDir));
    for (const id of known) {
      const firstAt = firstReceivedAt(folder, id);
      // The clock may have been put back meanwhile.
      if (firstAt !== undefined && (madeAt.get(id) ?? 0) > firstAt + limits.clockLeapMs)
        throw new StoreUnusable(othersLog(dataDir));
    }
  } finally {
    lock.release();
  }
}

/** When the first message that is left of an account was recorded; damaged segments are passed over. */
function firstReceivedAt(folder: Folder, account: AccountId): EpochMs | undefined {
  for (const segmentId of folder.segmentIds()) {
    if (!folder.hasRows(segmentId)) continue;
    try {
      const rows = openRows(folder, segmentId);
      try {
        const [first] = rows.messagesOf(account, 0, Number.MAX_SAFE_INTEGER, 1);
        if (first !== undefined) return first[3];
      } finally {
        rows.close();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}
