import { type DeliveryError, deliveryErrorByKey, type Status, statusByKey } from '../domain/registry.ts';

/** What a code says beyond the registry's entry for its key. */
type OwnWords = Partial<
  Pick<Status & DeliveryError, 'id' | 'name' | 'description' | 'action' | 'permanent' | 'foreignGroup' | 'furtherJson'>
>;

/** The short names are on every row that has any. */
type Words = {
  readonly s?: OwnWords;
  readonly e?: OwnWords;
  /** Further fields of the log itself. */
  readonly x?: string;
  /** As version 0.1.0 wrote them over SQLite and over PostgreSQL: it knew registered codes alone. */
  readonly statusDescription?: string;
  readonly statusAction?: string;
  readonly errorDescription?: string;
  readonly status?: string;
  readonly action?: string;
  readonly error?: string;
};

/** What may have words of its own. */
export type Worded = {
  readonly status?: Status | undefined;
  readonly error?: DeliveryError | undefined;
  readonly extraJson?: string | undefined;
};

/** JSON of what the codes' keys do not tell, and of further fields; `undefined` where they tell all, as nearly always. */
export function wordsOf({ status, error, extraJson: x }: Worded): string | undefined {
  const s = status && own(status, statusByKey(status.key));
  const e = error && own(error, deliveryErrorByKey(error.key));
  if (s === undefined && e === undefined && x === undefined) return undefined;
  const words: Words = { ...(s !== undefined && { s }), ...(e !== undefined && { e }), ...(x !== undefined && { x }) };
  return JSON.stringify(words);
}

/** Each field of a code that its registered entry has otherwise, or not. */
function own(code: Status | DeliveryError, entry: Status | DeliveryError): OwnWords | undefined {
  if (code === entry) return undefined;
  const known: Readonly<Record<string, unknown>> = entry;
  const words = Object.fromEntries(Object.entries(code).filter(([field, value]) => known[field] !== value));
  return Object.keys(words).length === 0 ? undefined : words;
}

/** The status of a stored key, with the words that stand beside it. */
export function statusWith(key: number, wordsText: string | null | undefined): Status {
  const status = statusByKey(key);
  if (wordsText === null || wordsText === undefined) return status;
  const words: Words = JSON.parse(wordsText);
  const description = words.statusDescription ?? words.status;
  const action = words.statusAction ?? words.action;
  if (description === undefined && action === undefined && words.s === undefined) return status;
  return {
    ...status,
    ...(description !== undefined && { description }),
    ...(action !== undefined && { action }),
    ...words.s,
  };
}

/** As `statusWith`. */
export function errorWith(key: number, wordsText: string | null | undefined): DeliveryError {
  const error = deliveryErrorByKey(key);
  if (wordsText === null || wordsText === undefined) return error;
  const words: Words = JSON.parse(wordsText);
  const description = words.errorDescription ?? words.error;
  if (description === undefined && words.e === undefined) return error;
  return { ...error, ...(description !== undefined && { description }), ...words.e };
}

/** Behind this stands in words what they say of the error; nowhere else is it in them. */
export const errorBegins = '"e":{';

/**
 * Of these, one stands behind `errorBegins` where the error is called so, or has this number, and none elsewhere: words
 * are as `JSON.stringify` writes them, with a backslash before each quote inside a text.
 */
export function errorMarks(name: 'errorName' | 'errorId', value: string): readonly string[] {
  return name === 'errorName' ? [`"name":${JSON.stringify(value)}`] : [`"id":${value},`, `"id":${value}}`];
}

/** Of these, each stands behind `errorBegins` where the error has a name, or a number, and nowhere else. */
export const ownErrorMarks = ['"name":', '"id":'] as const;

/** Stands there where the error came with the name of a group that is not known; with `name`, where it came with this one. */
export function foreignGroupMark(name?: string): string {
  return `"groupName":${name === undefined ? '' : JSON.stringify(name)}`;
}

/** The further fields of a log, with the words of its codes. */
export function extraIn(wordsText: string | null | undefined): string | undefined {
  if (wordsText === null || wordsText === undefined) return undefined;
  const words: Words = JSON.parse(wordsText);
  return words.x;
}
