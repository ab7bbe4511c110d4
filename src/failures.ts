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

/** SQLITE_CORRUPT and SQLITE_NOTADB: a database is not what was written to it. */
export const damagedFileCode = 11;
const damageCodes: readonly number[] = [damagedFileCode, 26];

export function isDamagedFile(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && damageCodes.includes(Number(error.errcode) & 0xff);
}

/** Why a file cannot be used and, where it is damaged, what to do about it. */
export function unusableText(path: string, error: unknown): string {
  const advice = isDamagedFile(error)
    ? ': restore it from a backup, or move it away to begin without what it holds'
    : '';
  return `cannot use ${path}: ${error instanceof Error ? error.message : error}${advice}`;
}
