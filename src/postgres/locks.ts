/** Advisory locks of this program in a database, by which its processes take turns. */
const locks = {
  migration: 1,
  partitions: 2,
  dropping: 3,
  generation: 4,
  sums: 5,
  spreading: 6,
  knowsLayouts: 7,
  telling: 8,
  sealing: 9,
  // 10 and 11 are held by those that know no folded keys, or blocks of before migration 37, which they would read otherwise.
  knowsBlocks: 12,
} as const;
export type LockName = keyof typeof locks;

/** Keeps them apart from those of other programs in the same database. */
const lockSpace = 0x5e17106;

/** The arguments of an advisory lock function. */
export function lockKey(name: LockName): string {
  return `${lockSpace}, ${locks[name]}`;
}

/** Whether a row of `pg_locks` is this advisory lock of its database. */
export function isLock(row: string, name: LockName): string {
  return `${row}.classid = ${lockSpace} AND ${row}.objid = ${locks[name]}`;
}

/** Those of accounts stand apart from the others. */
const accountSpace = lockSpace + 1;

/**
 * The arguments of the lock that whatever records for an account holds, shared with all others that do. Numbers of
 * accounts are longer than those of locks: two accounts may have one lock.
 */
export function accountLockKey(account: number): string {
  return `${accountSpace}, ${(account % 2 ** 32) | 0}`;
}

/** Those of processes that send, too. */
const claimerSpace = lockSpace + 2;

/** The arguments of the lock of what a process claims, by its name, which `name` gives in the statement. */
export function claimerLockKey(name: string): string {
  return `${claimerSpace}, hashtext(${name})`;
}

/** Whether a row of `pg_locks` is the lock of an account: of this one, or of any. */
export function isAccountLock(row: string, account?: number): string {
  const own = account === undefined ? '' : ` AND ${row}.objid = ${(account % 2 ** 32) >>> 0}`;
  return `${row}.classid = ${accountSpace}${own}`;
}
