import type { Row } from './cells.ts';

export type Value = string | number | boolean | null | Buffer;

/** A statement whose plan a connection keeps when it has a name. */
export type Statement = { readonly text: string; readonly name?: string };

/** Runs statements one after the other; each failure of the server or the connection is `Unavailable`. */
export type Session = {
  query(statement: Statement | string, values?: readonly Value[]): Promise<readonly Row[]>;
  /** Statements without values, in one message; gives the command that the server says it ran. */
  run(text: string): Promise<string>;
};
