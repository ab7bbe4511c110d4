import { isRecord, parseJson, type SentlogError, UnexpectedAnswer, violationsOf } from './errors.ts';
import type { AccessToken, Log, LogsPage, Message, RecordResult, Rejection, Violation } from './types.ts';

/** The fields of a log are taken at the server's word, but for the one that names it. */
export function isLog(value: unknown): value is Log {
  return isRecord(value) && typeof value.messageId === 'string';
}

function isMessage(value: unknown): value is Message {
  return isLog(value) && 'timeline' in value && Array.isArray(value.timeline);
}

export function readPage(text: string): LogsPage {
  const body = parseJson(text);
  if (!isRecord(body) || !Array.isArray(body.results) || !body.results.every(isLog)) throw new UnexpectedAnswer('logs');
  const { results, searchedSince } = body;
  return { results, ...readCursor(body.cursor), ...(typeof searchedSince === 'string' && { searchedSince }) };
}

function readCursor(cursor: unknown): Pick<LogsPage, 'cursor'> {
  if (!isRecord(cursor)) return {};
  const { limit, nextCursor } = cursor;
  if (typeof limit !== 'number') throw new UnexpectedAnswer('a cursor');
  return { cursor: { limit, ...(typeof nextCursor === 'string' && { nextCursor }) } };
}

export function readMessage(text: string): Message {
  const body = parseJson(text);
  if (!isMessage(body)) throw new UnexpectedAnswer('a message');
  return body;
}

export function readRecordResult(text: string): RecordResult {
  const body = parseJson(text);
  if (!isRecord(body) || !Array.isArray(body.rejected)) throw new UnexpectedAnswer('the outcome of recording');
  const { recorded, updated, unchanged, waiting, flawed, rejectedCount } = body;
  if (typeof recorded !== 'number' || typeof updated !== 'number' || typeof unchanged !== 'number')
    throw new UnexpectedAnswer('the outcome of recording');
  return {
    recorded,
    updated,
    unchanged,
    ...(typeof waiting === 'number' && { waiting }),
    ...(typeof flawed === 'number' && { flawed }),
    rejected: body.rejected.map(readRejection),
    ...(typeof rejectedCount === 'number' && { rejectedCount }),
  };
}

function readRejection(value: unknown): Rejection {
  if (!isRecord(value) || typeof value.index !== 'number') throw new UnexpectedAnswer('a rejected record');
  const { index, messageId, violations } = value;
  return { index, ...(typeof messageId === 'string' && { messageId }), violations: violationsOf(violations) };
}

/**
 * The outcome that stands in a 400 because none of the body's `records` was good; `undefined` when it is a 400 of
 * another kind. The server tells the reasons of the first ones only.
 */
export function allRejected(error: SentlogError, records: number): RecordResult | undefined {
  if (error.status !== 400 || error.violations.length === 0) return undefined;
  const byIndex = new Map<number, Violation[]>();
  for (const { property, violation } of error.violations) {
    const [, index, path] = /^results\[(\d+)\]\.?(.*)$/.exec(property) ?? [];
    if (index === undefined || path === undefined) return undefined;
    const violations = byIndex.get(Number(index)) ?? [];
    violations.push({ property: path, violation });
    byIndex.set(Number(index), violations);
  }
  const rejected = [...byIndex].map(([index, violations]) => ({ index, violations }));
  return { recorded: 0, updated: 0, unchanged: 0, rejected, rejectedCount: records };
}

export function readSession(text: string): string {
  const body = parseJson(text);
  if (!isRecord(body) || typeof body.token !== 'string') throw new UnexpectedAnswer('a session');
  return body.token;
}

export function readToken(text: string): AccessToken {
  const body = parseJson(text);
  if (!isRecord(body) || typeof body.access_token !== 'string' || typeof body.expires_in !== 'number')
    throw new UnexpectedAnswer('an access token');
  return { accessToken: body.access_token, expiresInMs: body.expires_in * 1000 };
}
