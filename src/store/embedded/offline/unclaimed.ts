import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import { Folder, FolderLock } from '../files/folder.ts';
import { othersLog } from '../log/log-file.ts';
import { accountsHeldIn, firstReceivedAt, type HeldAccount } from './held-accounts.ts';

type Made = { readonly id: AccountId; readonly createdAt: EpochMs };

/**
 * A log that nothing says of whose it is, as version 0.1.0 wrote it, is opened for the accounts beside it unless they
 * cannot be its own: none of those that it has messages of is among them, or one was made after it had recorded. Throws
 * `StoreUnusable`.
 */
export function refuseOtherAccounts(dataDir: string, made: readonly Made[]): void {
  const lock = new FolderLock(dataDir);
  try {
    const folder = new Folder(dataDir);
    const held = accountsHeldIn(folder);
    const ids = new Set(made.map(({ id }) => id));
    const isNobodys = held.length > 0 && !held.some(({ id }) => ids.has(id));
    if (isNobodys || isOneMadeLater(folder, held, made)) throw new StoreUnusable(othersLog(dataDir));
  } finally {
    lock.release();
  }
}

/** Whether one of these accounts was made after the log had recorded a message of it: then it is not the same account. */
export function isOneMadeLater(folder: Folder, held: readonly HeldAccount[], made: readonly Made[]): boolean {
  const madeAt = new Map(made.map(({ id, createdAt }) => [id, createdAt]));
  const known = held.filter(({ id }) => madeAt.has(id));
  // The clock may have been put back meanwhile.
  return [...firstReceivedAt(folder, known)].some(
    ([id, firstAt]) => (madeAt.get(id) ?? 0) > firstAt + limits.clockLeapMs,
  );
}
