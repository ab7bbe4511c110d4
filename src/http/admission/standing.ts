import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { allows, type Principal, type Scope } from '../../accounts/authenticator.ts';
import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import type { ServerDeps } from '../deps.ts';
import { unauthenticated } from './admission.ts';

type Deps = Pick<ServerDeps, 'authenticator' | 'logger'>;
type Admitted = { readonly principal: Principal; readonly request: FastifyRequest; readonly reply: FastifyReply };

/**
 * Proves callers again while their call goes on: a body may come, and an answer leave, for as long as the caller likes, and
 * who was shut out meanwhile is shut out of them too. Each is proven for itself, so none waits for the check of another.
 */
export class Standing {
  readonly #deps: Deps;
  /** What those who read are shut out by, until their refusal leaves. */
  readonly #read = new WeakMap<FastifyRequest, AbortSignal>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Until its answer has left. Aborts, with an `ApiError` 401, when the credential no longer lets its caller in as it did. An
   * answer that is leaving is cut short then, so that whoever reads it sees that: megabytes may have left for a reader who
   * is slow, and what he has not got yet is not his any more.
   */
  watch({ principal, request, reply: { raw: response } }: Admitted, scope: Scope): AbortSignal {
    const { authorization = '' } = request.headers;
    const lost = new AbortController();
    if (response.closed) return lost.signal;
    if (isReading(request)) this.#read.set(request, lost.signal);
    let isOver = false;
    const look = async () => {
      if (!(await this.#proven(authorization, principal, scope))) {
        lost.abort(unauthenticated());
        if (response.headersSent && response.statusCode < 400) response.socket?.resetAndDestroy();
      } else if (!isOver) timer = later(look);
    };
    let timer = later(look);
    response.once('close', () => {
      isOver = true;
      clearTimeout(timer);
    });
    return lost.signal;
  }

  /**
   * The last that is asked before an answer leaves, when nothing of it is to be made any more: throws the `ApiError` 401 where
   * its caller was shut out meanwhile. One that flows ends with it. What has been changed by then is told.
   */
  letOut(request: FastifyRequest, answer: unknown): void {
    const lost = this.#read.get(request);
    if (lost === undefined) return;
    if (lost.aborted) this.#read.delete(request);
    if (answer instanceof Readable) destroyWith(lost, answer);
    lost.throwIfAborted();
  }

  async #proven(authorization: string, before: Principal, scope: Scope): Promise<boolean> {
    try {
      const now = await this.#deps.authenticator.authenticate(authorization);
      if (now === undefined || !allows(now, scope)) return false;
      return now.account.id === before.account.id && isDeepStrictEqual(now.binding, before.binding);
    } catch (error) {
      // Whether a credential is still good cannot be told now: it stands until that is known.
      if (!(error instanceof Unavailable))
        this.#deps.logger.error({ err: error }, 'the credential of a call was not checked');
      return true;
    }
  }
}

function isReading({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

function destroyWith(lost: AbortSignal, answer: Readable): void {
  const destroy = () => answer.destroy(lost.reason);
  if (lost.aborted) return void destroy();
  lost.addEventListener('abort', destroy, { once: true });
  answer.once('close', () => lost.removeEventListener('abort', destroy));
}

function later(look: () => Promise<void>): NodeJS.Timeout {
  return setTimeout(look, limits.credentialCheckMs).unref();
}
