import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { FastifyRequest } from 'fastify';
import { allows, type Principal, type Scope } from '../../accounts/authenticator.ts';
import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import type { ServerDeps } from '../deps.ts';
import { unauthenticated } from './admission.ts';

type Deps = Pick<ServerDeps, 'authenticator' | 'logger'>;

/** A call whose credential is watched while it goes on. */
export type Stand = {
  /** Aborts, with an `ApiError` 401, when the credential no longer lets its caller in as it did. */
  readonly lost: AbortSignal;
  readonly end: () => void;
};

/**
 * Proves callers again while their call goes on: uploads and exports may last for hours, and who was shut out meanwhile
 * is shut out of them too. Each is proven for itself, so none waits for the check of another.
 */
export class Standing {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Until `end`. */
  watch({ headers }: FastifyRequest, principal: Principal, scope: Scope): Stand {
    const { authorization = '' } = headers;
    const lost = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const look = async () => {
      const now = await this.#proven(authorization, principal, scope);
      if (!now) lost.abort(unauthenticated());
      else if (timer !== undefined) timer = setTimeout(look, limits.credentialCheckMs).unref();
    };
    timer = setTimeout(look, limits.credentialCheckMs).unref();
    const end = () => {
      clearTimeout(timer);
      timer = undefined;
    };
    return { lost: lost.signal, end };
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

/**
 * Cuts an answer short when its caller is shut out, so that whoever reads it sees that. Megabytes may have left for a reader
 * who is slow, when all of the stream has been read too: what he has not got yet is not his any more.
 */
export function cutWith(stream: Readable, response: ServerResponse, { lost, end }: Stand): void {
  const cut = () => {
    stream.destroy(lost.reason);
    response.socket?.resetAndDestroy();
  };
  const over = () => {
    lost.removeEventListener('abort', cut);
    end();
  };
  if (response.closed) return over();
  lost.addEventListener('abort', cut, { once: true });
  response.once('close', over);
}
