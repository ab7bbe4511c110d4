import type { IncomingMessage } from 'node:http';
import { ApiError, ClientGone, invalid, unavailable } from '../errors.ts';
import type { Timeouts } from '../parts.ts';
import { type Unzipped, unzipped } from './gunzip.ts';
import { isGzipped } from './media-type.ts';

export type BodyTimes = {
  /** Between two pieces of the body: a 408 after that. */
  readonly idleMs: number;
  /** For the whole body: a 408 after that. */
  readonly totalMs?: number;
  /** A pause after which `undefined` is given, so that the reader can act on what it has. */
  readonly pauseMs?: number;
  /** Give the body up when one is aborted: with its reason when that is an `ApiError`, else a 503. */
  readonly cuts: readonly AbortSignal[];
};

/** For a body that is read whole before anything is done with it. */
export function bodyTimes({ bodyIdleMs, bodyMs }: Timeouts, ...cuts: readonly AbortSignal[]): BodyTimes {
  return { idleMs: bodyIdleMs, totalMs: bodyMs, cuts };
}

const cutRetryMs = 1000;

/**
 * The pieces of a body as they come, decompressed; the next is only taken from the connection when it is asked for.
 * Whatever ends it, the connection stays whole, so that an answer can be given.
 */
export async function* bodyPieces(request: IncomingMessage, times: BodyTimes): AsyncGenerator<Buffer | undefined> {
  const { source, ended, release } = decoded(request);
  const pieces: AsyncIterator<unknown> = source.iterator({ destroyOnReturn: false });
  const { idleMs, pauseMs = idleMs } = times;
  const patience = new Patience(times.cuts);
  const deadline = times.totalMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + times.totalMs;
  try {
    for (;;) {
      const next = pieces.next();
      let result = await patience.wait(next, pauseMs);
      if (result === undefined && pauseMs < idleMs) {
        yield undefined;
        result = await patience.wait(next, idleMs - pauseMs);
      }
      if (result === undefined || performance.now() > deadline) throw tooSlow(next);
      if (result.done === true) {
        if (ended !== undefined && !(await patience.wait(ended, idleMs))) throw tooSlow(ended);
        return;
      }
      if (!Buffer.isBuffer(result.value)) throw new TypeError('a body gave something other than bytes');
      yield result.value;
    }
  } catch (error) {
    throw bodyError(error, request);
  } finally {
    // Not waited for: where a piece was given up on, it ends only with the connection.
    pieces.return?.().catch(() => {});
    patience.end();
    release();
  }
}

/** A whole body of at most `bytesMax`; an `ApiError` 413 beyond, with what to do `instead`. `hold` hears of what will be kept. */
export async function readBody(
  request: IncomingMessage,
  bytesMax: number,
  times: BodyTimes,
  hold: (bytes: number) => void = () => {},
  instead = '',
): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bytesMax) throw tooLarge(bytesMax, instead);
  // Before anything is read: of bodies that come together, those that there is room for are not refused half-way.
  hold(announced);
  const whole = await wholeBody(request, announced, times);
  if (whole !== undefined) return whole;
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of bodyPieces(request, times)) {
    if (piece === undefined) continue;
    bytes += piece.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax, instead);
    hold(Math.max(0, Math.min(piece.length, bytes - announced)));
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}

/**
 * The body that came together with its head, as short ones do; `undefined` where there is anything to wait for or to unzip. To
 * wait for pieces, each in time, takes a tenth of what a request of one record does.
 */
async function wholeBody(request: IncomingMessage, announced: number, times: BodyTimes): Promise<Buffer | undefined> {
  // The parser gives it right after the head, before the next turn of promises.
  await undefined;
  const isThere = announced > 0 && request.readableLength === announced && !request.destroyed;
  if (!isThere || isGzipped(request.headers['content-encoding'])) return undefined;
  if (times.cuts.some(({ aborted }) => aborted)) return undefined;
  // Without its length only the first of its pieces would be given.
  const body: unknown = request.read(announced);
  if (!Buffer.isBuffer(body) || body.length !== announced)
    throw new TypeError('a body gave something other than bytes');
  // What is left is its end, which is to be heard before another request comes over the connection.
  request.resume();
  return body;
}

function decoded(request: IncomingMessage): Omit<Unzipped, 'ended'> & Partial<Unzipped> {
  if (isGzipped(request.headers['content-encoding'])) return unzipped(request);
  return { source: request, release: () => {} };
}

/**
 * Waits for one promise after the other until a signal is aborted. Nothing of a wait outlasts it: a race against one
 * promise for the whole of a body would keep every piece of it. Several signals are listened to one by one: to make one of
 * them (`AbortSignal.any`) takes a tenth of what a request of one record does.
 */
class Patience {
  readonly #cuts: readonly AbortSignal[];
  readonly #abort = () => {
    const cut = this.#cuts.find(({ aborted }) => aborted);
    if (cut !== undefined) this.#giveUp(reasonOf(cut));
  };
  #giveUp: (reason: Error) => void = () => {};

  constructor(cuts: readonly AbortSignal[]) {
    this.#cuts = cuts;
    for (const cut of cuts) cut.addEventListener('abort', this.#abort);
  }

  /** `undefined` when the promise takes longer. An `ApiError` 503 when the signal is aborted before. */
  async wait<T>(promise: Promise<T>, durationMs: number): Promise<T | undefined> {
    const { promise: waited, resolve, reject } = Promise.withResolvers<T | undefined>();
    const timer = setTimeout(() => resolve(undefined), durationMs);
    this.#giveUp = reject;
    promise.then(resolve, reject);
    this.#abort();
    try {
      return await waited;
    } finally {
      clearTimeout(timer);
      this.#giveUp = () => {};
    }
  }

  end(): void {
    for (const cut of this.#cuts) cut.removeEventListener('abort', this.#abort);
  }
}

function reasonOf({ reason }: AbortSignal): ApiError {
  return reason instanceof ApiError ? reason : unavailable(cutRetryMs, reason);
}

function tooSlow(abandoned: Promise<unknown>): ApiError {
  // Nobody waits for it any more, and the connection's end will reject it.
  abandoned.catch(() => {});
  return new ApiError('E408', { headers: { connection: 'close' } });
}

function tooLarge(bytesMax: number, instead: string): ApiError {
  const violation = `must be at most ${bytesMax} bytes${instead}`;
  return new ApiError('E413', { violations: [{ property: 'body', violation }] });
}

function bodyError(error: unknown, request: IncomingMessage): unknown {
  if (error instanceof ApiError || error instanceof ClientGone || !(error instanceof Error)) return error;
  if (request.destroyed && !request.complete) return new ClientGone(error);
  const code = 'code' in error ? String(error.code) : '';
  return code.startsWith('Z_') ? invalid('body', 'is not sound gzip') : error;
}
