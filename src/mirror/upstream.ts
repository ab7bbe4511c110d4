import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { formatDateTime } from '../wire/date-time.ts';
import { elementSources, fieldSources, hasMoreValuesThan } from '../wire/json-source.ts';
import { isPlainObject } from '../wire/record-flaws.ts';
import type { Failure } from './advance.ts';
import type { Question } from './plan.ts';
import { writtenId } from './statuses.ts';

/** Messages as they are written in an answer. */
export type Rows = { readonly results: readonly string[]; readonly hasCursor: boolean; readonly next?: string };

/** `date` is the other side's clock, to the second, where it said. */
export type Heard = { readonly date?: EpochMs; readonly heardAt: EpochMs } & (
  | { readonly rows: Rows; readonly failure?: never }
  | { readonly rows?: never; readonly failure: Failure }
);

/** Asks the other side one question; never rejects, except when it is told to stop. */
export type Ask = (question: Question, signal: AbortSignal) => Promise<Heard>;

export type UpstreamOptions = {
  readonly from: string;
  /** The secret of the key, without `App`. */
  readonly key: string;
  readonly fetch: typeof fetch;
  readonly clock: () => EpochMs;
};

/** A client of `GET /messenger/1/logs` of another log. Of the other side's calls it knows no other. */
export function askUpstream({ from, key, fetch, clock }: UpstreamOptions): Ask {
  return async (question, signal) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.upstreamAnswerMs)]);
    let heard: Pick<Heard, 'date' | 'heardAt'> = { heardAt: clock() };
    try {
      const response = await fetch(`${from}/messenger/1/logs?${query(question)}`, {
        headers: { authorization: `App ${key}`, accept: 'application/json' },
        redirect: 'manual',
        signal: deadline,
      });
      heard = { heardAt: clock(), ...dated(response.headers.get('date')) };
      if (response.status === 200) return { ...heard, ...(await rowsOf(response)) };
      const failure = await failureOf(response);
      return { ...heard, failure };
    } catch (error) {
      if (signal.aborted) throw error;
      return { ...heard, failure: { kind: 'unavailable', reason: reasonOf(error) } };
    }
  };
}

export function query({ sentSince, sentUntil, generalStatus, messageIds, cursor }: Question): URLSearchParams {
  const asked = new URLSearchParams({ limit: String(limits.pageLogsMax) });
  if (messageIds !== undefined) asked.set('messageId', messageIds.map(writtenId).join(','));
  else asked.set('useCursor', 'true');
  if (cursor !== undefined) asked.set('cursor', cursor);
  if (sentSince !== undefined) asked.set('sentSince', formatDateTime(sentSince));
  if (sentUntil !== undefined) asked.set('sentUntil', formatDateTime(sentUntil));
  if (generalStatus !== undefined) asked.set('generalStatus', generalStatus);
  return asked;
}

function dated(date: string | null): Pick<Heard, 'date'> {
  const at = Date.parse(date ?? '');
  return Number.isNaN(at) ? {} : { date: at };
}

async function rowsOf(response: Response): Promise<{ rows: Rows } | { failure: Failure }> {
  const text = await textOf(response, limits.upstreamAnswerBytesMax);
  // What a value takes does not follow from its length: parsed as a whole, a list of empty lists would take gigabytes.
  if (hasMoreValuesThan(limits.upstreamAnswerValuesMax, text))
    return {
      failure: { kind: 'unavailable', reason: `the answer has more than ${limits.upstreamAnswerValuesMax} values` },
    };
  const answer: unknown = JSON.parse(text);
  if (typeof answer !== 'object' || answer === null || !('results' in answer) || !Array.isArray(answer.results))
    return { failure: { kind: 'unavailable', reason: 'the answer has no results' } };
  if (answer.results.length > limits.upstreamRowsMax)
    return { failure: { kind: 'unavailable', reason: `the answer has more than ${limits.upstreamRowsMax} messages` } };
  const cursor = 'cursor' in answer && typeof answer.cursor === 'object' ? answer.cursor : undefined;
  const next = cursor && 'nextCursor' in cursor && typeof cursor.nextCursor === 'string' ? cursor.nextCursor : '';
  const results = elementSources(fieldSources(text).get('results')?.text ?? '[]').map(source => source.text);
  // A cursor that no request could carry is none.
  const isTooLong = next.length > limits.upstreamCursorCharsMax;
  return { rows: { results, hasCursor: Boolean(cursor) && !isTooLong, ...(next !== '' && !isTooLong && { next }) } };
}

/** A cursor or a list that is not taken, gone or too long: it can be asked for otherwise. */
const questionRefusals: ReadonlySet<number> = new Set([400, 410, 413, 414, 416, 422, 431]);

/** Of an answer that tells of an error. */
export const errorBytesMax = 64 * 1024;
const reasonCharsMax = 300;

async function failureOf(response: Response): Promise<Failure> {
  const { status } = response;
  if (status === 429) {
    await response.body?.cancel();
    const retryAfterMs = retryAfter(response.headers);
    return { kind: 'limited', ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }
  const said = describeError(await textOf(response, errorBytesMax).catch(() => ''));
  const reason = `${status}${said === '' ? '' : `: ${said}`}`;
  if (status === 401 || status === 403)
    return { kind: 'refused', reason: `the other side refuses the key (${reason})` };
  if (questionRefusals.has(status))
    return { kind: 'badQuestion', reason: `the other side refuses the question (${reason})` };
  return { kind: 'unavailable', reason: `the other side answered ${reason}` };
}

/** Seconds, or a date by the other side's clock, which stands beside it: what a mirror waits at most is the most of it. */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const { date: theirNow = Date.now() } = dated(headers.get('date'));
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - theirNow;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, limits.upstreamPauseMsMax) : undefined;
}

/** What an error of the vendor says, on one line. Its Subscriptions API has errors of another form. */
export function describeError(body: string): string {
  try {
    const error: unknown = JSON.parse(body);
    const { description, errorMessage, requestError } = objectOf(error);
    const { text, validationErrors } = objectOf(objectOf(requestError).serviceException);
    const words = [description, errorMessage, text].find(one => typeof one === 'string') ?? '';
    const flaws = Object.entries(objectOf(validationErrors)).map(([field, why]) => `, ${field}: ${why}`);
    // It may end in a terminal, which nobody there is to steer.
    return `${words}${flaws.join('')}`.replace(/[\s\p{C}]+/gu, ' ').slice(0, reasonCharsMax);
  } catch {
    return '';
  }
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> => (isPlainObject(value) ? value : {});

/** A body that is longer than it may be is as good as one that never ends. */
export async function textOf(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Why there is no answer, without what the answer says. */
export function reasonOf(error: unknown, answerMs: number = limits.upstreamAnswerMs): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no whole answer within ${answerMs / 1000} s`;
  if (error instanceof SyntaxError) return 'the answer is no whole JSON';
  // Only what `fetch` itself rejects with is of the connection.
  if (!(error instanceof TypeError)) return error.message;
  const cause = error.cause instanceof Error ? error.cause.message : '';
  return `the other side cannot be reached: ${cause === '' ? error.message : cause}`;
}
