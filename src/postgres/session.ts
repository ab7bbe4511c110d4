import type { Row } from './cells.ts';

export type Value = string | number | boolean | null | Buffer;

/**
 * A statement whose plan a connection keeps when it has a name. Of those that are `isOneOfMany` it keeps the plans of some,
 * used last: no two of these may have the same name.
 */
export type Statement = { readonly text: string; readonly name?: string; readonly isOneOfMany?: boolean };

/** Runs statements one after the other; each failure of the server or the connection is `Unavailable`. */
export type Session = {
  query(statement: Statement | string, values?: readonly Value[]): Promise<readonly Row[]>;
  /** Statements without values, in one message; gives the command that the server says it ran. */
  run(text: string): Promise<string>;
};

/**
 * A session while its transaction is open. What is given to `send` and `copy` runs before whatever is asked afterwards,
 * and nobody waits for it: when it fails, so does the transaction, with that failure.
 */
export type Transaction = Session & {
  send(statement: Statement, values: readonly Value[]): void;
  /**
   * Runs a statement and ends the transaction by the same message: who stops before its answer comes holds nothing. Nothing
   * may be asked after it.
   */
  last(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>;
  /** Runs a `COPY … FROM STDIN` with these bytes. */
  copy(text: string, rows: Uint8Array): void;
};
