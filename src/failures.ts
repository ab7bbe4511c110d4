/**
 * Something cannot be served or kept now, and may be again later: 503. `message` is for the operator's log, never for
 * a caller.
 */
export class Unavailable extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 1000, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Unavailable';
    this.retryAfterMs = retryAfterMs;
  }
}

/** What the program was told to work on cannot be used as it is. `message` is one line that tells the operator why. */
export class Unusable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Unusable';
  }
}

/** Values that are not taken as they are, whenever they are tried. `message` is for the operator's log. */
export class WrongValues extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WrongValues';
  }
}

/**
 * A request of the operator or of who manages an account that cannot be done as it is; `message` is one line that says why.
 * `of` is what it is about, by its name in the request or in the rows: the command line tells the flag that gave it.
 */
export class Refused extends Error {
  readonly of: string | undefined;

  constructor(message: string, { of, ...options }: ErrorOptions & { readonly of?: string } = {}) {
    super(message, options);
    this.name = 'Refused';
    this.of = of;
  }
}

/** What a failure says of itself, for the operator's log. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What else than `segments/` tells of a log: what is left of it would have all of the rest told as lost. */
export const emptyLogAdvice = 'move segments/, damaged/, ledger*, log.json* and waiting.db* away to begin an empty log';

/**
 * SQLITE_ERROR, SQLITE_CORRUPT and SQLITE_NOTADB: a database is not what was written to it. The first is what a file gives in
 * which a table of ours is missing: our own statements have no faults.
 */
export const damagedFileCode = 11;
const damageCodes: readonly number[] = [1, damagedFileCode, 26];

export function isDamagedFile(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && damageCodes.includes(Number(error.errcode) & 0xff);
}

/** SQLITE_READONLY: also of a database that was opened while nothing could be written, whatever is possible since. */
const readOnlyCode = 8;
/** SQLITE_BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN and PROTOCOL. */
const passingCodes: ReadonlySet<number> = new Set([5, 6, 7, readOnlyCode, 10, 13, 14, 15]);

/** Whether a database cannot be used now, for what the disk or others do: that may pass. */
export function isFileOutage(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && passingCodes.has(Number(error.errcode) & 0xff);
}

/** Whether a database was opened to be read alone: it has to be opened again. */
export function isReadOnlyFile(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === readOnlyCode;
}

/** SQLITE_IOERR_READ and SQLITE_IOERR_CORRUPTFS. */
const unreadCodes: ReadonlySet<unknown> = new Set([266, 8458]);

/** Whether the disk did not give what stands in a file, for a bad sector say: it is not told whether it ever will. */
export function isUnread(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if ('syscall' in error) return error.syscall === 'read' && 'code' in error && error.code === 'EIO';
  return 'errcode' in error && unreadCodes.has(error.errcode);
}

/** What to do about a file that keeps a server from starting so. */
export const unreadAdvice =
  'start again once the disk gives it; if it never does, copy the file with ddrescue, which leaves zeros for what cannot ' +
  'be read, and put the copy in its place: what it lacks is told then';

/** In a data folder, which databases were made there, a name a line: one that is named and gone is missed. */
export const madeListName = 'databases';

/** Why a file cannot be used and, where it is damaged, what to do about it; `listPath` may name the file. */
export function unusableText(path: string, error: unknown, listPath?: string): string {
  const away = listPath === undefined ? 'move it away' : `move it away and remove its line from ${listPath}`;
  const restore = `: restore it from a backup, or ${away} to begin without what it holds`;
  const advice = isDamagedFile(error) ? restore : isUnread(error) ? `: ${unreadAdvice}` : '';
  return `cannot use ${path}: ${error instanceof Error ? error.message : error}${advice}`;
}
