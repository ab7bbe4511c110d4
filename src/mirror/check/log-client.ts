import { limits } from '../../limits.ts';
import { isPlainObject } from '../../wire/record-flaws.ts';
import { MirrorError } from '../rows.ts';
import { describeError, errorBytesMax, reasonOf, retryAfter, textOf } from '../upstream.ts';

/** A message as a log's answer has it. */
export type AnsweredLog = Readonly<Record<string, unknown>> & { readonly messageId: string; readonly sentAt: string };

/** Query parameters of `GET /messenger/1/logs`. */
export type Asked = Readonly<Record<string, string>>;
export type Answered = { readonly results: readonly AnsweredLog[]; readonly next?: string };
/** Asks a log one question. Rejects with `MirrorError` when there is no answer in the end, and at once when it is told to stop. */
export type AskLog = (asked: Asked, signal?: AbortSignal) => Promise<Answered>;

export type LogClientOptions = {
  /** As messages call it. */
  readonly name: string;
  readonly url: string;
  readonly key: string;
  readonly fetch: typeof fetch;
  readonly wait: (ms: number) => Promise<void>;
  /** Resolves when the next request may be made. */
  readonly turn?: () => Promise<void>;
};

const triesMax = 8;
const pauseMs = 2000;

/** A client that asks again where the answer is that it should, or where there is none. */
export function askLog({ name, url, key, fetch, wait, turn }: LogClientOptions): AskLog {
  const once = async (asked: Asked, signal?: AbortSignal): Promise<Answered | Missed> => {
    await turn?.();
    const deadline = AbortSignal.timeout(limits.upstreamAnswerMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}/messenger/1/logs?${new URLSearchParams(asked)}`, {
        headers: { authorization: `App ${key}`, accept: 'application/json' },
        redirect: 'manual',
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      });
      const isAnswer = response.status === 200;
      text = await textOf(response, isAnswer ? limits.upstreamAnswerBytesMax : errorBytesMax);
      if (isAnswer) return answerIn(text);
    } catch (error) {
      signal?.throwIfAborted();
      return { afterMs: pauseMs, reason: reasonOf(error) };
    }
    const reason = `${response.status} ${describeError(text)}`.trim();
    if (response.status !== 429 && response.status < 500) throw new MirrorError(`${name} refuses to answer: ${reason}`);
    const afterMs = retryAfter(response.headers);
    return { afterMs: afterMs === undefined ? pauseMs : Math.max(1000, afterMs), reason };
  };
  return async (asked, signal) => {
    let reason = '';
    for (let tries = 0; tries < triesMax; tries++) {
      const answer = await once(asked, signal);
      if ('results' in answer) return answer;
      reason = answer.reason;
      await wait(answer.afterMs);
    }
    throw new MirrorError(`${name} does not answer: ${reason}`);
  };
}

type Missed = { readonly afterMs: number; readonly reason: string };

/** Throws for a text that is no answer of a log. */
export function answerIn(text: string): Answered {
  const answer: unknown = JSON.parse(text);
  if (!isPlainObject(answer) || !Array.isArray(answer.results)) throw new Error('the answer has no results');
  const results = answer.results.filter(isAnsweredLog);
  if (results.length < answer.results.length) throw new Error('the answer has messages without an id or a time');
  const next = isPlainObject(answer.cursor) ? answer.cursor.nextCursor : undefined;
  return { results, ...(typeof next === 'string' && next !== '' && { next }) };
}

function isAnsweredLog(value: unknown): value is AnsweredLog {
  return isPlainObject(value) && typeof value.messageId === 'string' && typeof value.sentAt === 'string';
}
