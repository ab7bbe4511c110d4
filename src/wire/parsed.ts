import type { Violation } from '../domain/message.ts';

/** What came of reading something from outside: the value, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly value: T; readonly violations?: never }
  | { readonly value?: never; readonly violations: readonly Violation[] };

/** Violations told of one query, or of one record; a body made of nothing else must not make an answer without end. */
export const violationsToldMax = 100;
