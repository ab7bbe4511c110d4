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
