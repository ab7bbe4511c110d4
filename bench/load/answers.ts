import { isDeepStrictEqual } from 'node:util';

type Fields = Readonly<Record<string, unknown>>;

/** How many records of a batch were new messages, and how many were taken as reports. */
export function outcomeOf(body: Buffer): { readonly recorded: number; readonly reported: number } {
  const { recorded, updated, unchanged } = fields(body);
  if (typeof recorded !== 'number' || typeof updated !== 'number' || typeof unchanged !== 'number')
    throw new TypeError(`no outcome: ${body}`);
  return { recorded, reported: updated + unchanged };
}

export function answeredLogs(body: Buffer): number {
  const { results } = fields(body);
  if (!Array.isArray(results)) throw new TypeError('the answer has no results');
  return results.length;
}

export function nextCursor(body: Buffer): string | undefined {
  const { cursor } = fields(body);
  if (!isFields(cursor)) throw new TypeError('the answer has no cursor');
  return typeof cursor.nextCursor === 'string' ? cursor.nextCursor : undefined;
}

/** The answer without what may differ from one store to another: cursors, and when a record came in. */
export function comparable(body: Buffer): string {
  const { cursor: _, ...answer } = fields(body);
  if (isDeepStrictEqual(answer, {})) throw new TypeError('the answer is empty');
  return JSON.stringify(answer, (key, value: unknown) => (key === 'receivedAt' ? undefined : value));
}

function fields(body: Buffer): Fields {
  const parsed: unknown = JSON.parse(body.toString());
  if (!isFields(parsed)) throw new TypeError('the answer is no object');
  return parsed;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
