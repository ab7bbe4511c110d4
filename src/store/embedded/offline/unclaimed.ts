import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import type { Folder } from '../files/folder.ts';
import { laterLog, othersLog, seedOf, unprovenLog } from '../log/log-file.ts';
import { accountsHeldIn, firstReceivedAt, type HeldAccount } from './held-accounts.ts';

/** Accounts beside a log, and what their file has noted of the log that they were last opened with. */
export type Beside = {
  readonly made: readonly { readonly id: AccountId; readonly createdAt: EpochMs }[];
  readonly notedSeed: number | undefined;
};

/**
 * A log that nothing says of whose it is, as version 0.1.0 wrote it, is opened for the accounts beside it only if they have
 * noted that they are its own. Others may have the same ids: version 0.1.0 counted them from 1. Throws `StoreUnusable`.
 */
export function refuseUnproven(folder: Folder, beside: Beside): void {
  const doubt = doubtOf(folder, accountsHeldIn(folder), beside);
  const told = { others: othersLog, later: laterLog, unproven: unprovenLog };
  if (doubt !== undefined) throw new StoreUnusable(told[doubt](folder.dataDir));
}

/**
 * `others`: they cannot be, since the log has messages of none of them, or is not the log that they noted. `later`: the log
 * has messages of one before it was made, so they can only be if the clock was ahead then.
 */
export type Doubt = 'others' | 'later' | 'unproven';

/** Why accounts beside such a log are not known to be its own. A log without messages is anybody's. */
export function doubtOf(folder: Folder, held: readonly HeldAccount[], { made, notedSeed }: Beside): Doubt | undefined {
  if (held.length === 0) return undefined;
  const ids = new Set(made.map(({ id }) => id));
  const seed = seedOf(folder.dataDir, folder.disk);
  const isNoted = seed !== undefined && notedSeed !== undefined;
  if (!held.some(({ id }) => ids.has(id)) || (isNoted && seed !== notedSeed)) return 'others';
  if (isOneMadeLater(folder, held, made)) return 'later';
  return isNoted ? undefined : 'unproven';
}

/** Whether one of these accounts was made after the log had recorded a message of it: then it is not the same account. */
function isOneMadeLater(folder: Folder, held: readonly HeldAccount[], made: Beside['made']): boolean {
  const madeAt = new Map(made.map(({ id, createdAt }) => [id, createdAt]));
  const known = held.filter(({ id }) => madeAt.has(id));
  // The clock may have been put back meanwhile.
  return [...firstReceivedAt(folder, known)].some(
    ([id, firstAt]) => (madeAt.get(id) ?? 0) > firstAt + limits.clockLeapMs,
  );
}
