/** Advisory locks of this program in a database, by which its processes take turns. */
const locks = {
  migration: 1,
  partitions: 2,
  dropping: 3,
  generation: 4,
  sums: 5,
  spreading: 6,
  knowsLayouts: 7,
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
