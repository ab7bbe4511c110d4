import type { FastifyReply, FastifyRequest } from 'fastify';
import { allows, type Principal, type Scope } from '../../accounts/authenticator.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { PagePasses } from '../page/page-passes.ts';
import { Guesses } from '../rate-limit/guesses.ts';
import { type Allowance, Budget, clientNetwork, tellAllowance, tooManyRequests } from '../rate-limit/rate-limit.ts';
import { MemoryRequestCounter } from '../rate-limit/request-counter.ts';

/** Which of an account's budgets a call is counted in. */
type BudgetName = 'logs' | 'reads' | 'writes' | 'page';

type AdmissionDeps = Pick<ServerDeps, 'authenticator' | 'rateLimits' | 'requestCounter'> & {
  readonly passes: PagePasses;
};

export type Access = { readonly scope: Scope; readonly budget: Exclude<BudgetName, 'page'> };

const passHeader = 'x-sentlog-page';

const challenge = ['App', 'Basic', 'Bearer', 'IBSSO'].map(scheme => `${scheme} realm="sentlog"`).join(', ');

/** Kinds of credentials that people choose, and that can therefore be guessed. */
const guessable = /^basic /i;

/**
 * Lets a call in, or says why not, without any work of the store: authenticate, then the scope, then the account's
 * budget. What fails to authenticate is counted against the client's address alone.
 */
export class Admission {
  readonly #deps: AdmissionDeps;
  readonly #budgets: Readonly<Record<BudgetName, Budget>>;
  readonly #failures: Budget;
  readonly #guesses = new Guesses();

  constructor(deps: AdmissionDeps) {
    const { requestCounter = new MemoryRequestCounter() } = deps;
    this.#deps = deps;
    this.#budgets = {
      logs: new Budget('logs', requestCounter),
      reads: new Budget('reads', requestCounter),
      writes: new Budget('writes', requestCounter),
      page: new Budget('page', requestCounter),
    };
    this.#failures = new Budget('failures', requestCounter);
  }

  async admit(request: FastifyRequest, reply: FastifyReply, { scope, budget: own }: Access): Promise<Principal> {
    const principal = await this.#authenticate(request, reply);
    const budget = own !== 'writes' && this.#isFromPage(request) ? 'page' : own;
    const limit = this.#limit(principal, budget);
    const key = String(principal.account.id);
    if (!allows(principal, scope)) {
      if (limit !== undefined) tellAllowance(reply, await this.#budgets[budget].look(key, limit));
      throw new ApiError('E403');
    }
    if (limit === undefined) return principal;
    const allowance = await this.#budgets[budget].spend(key, limit);
    tellAllowance(reply, allowance);
    if (allowance.exceeded) throw tooManyRequests(allowance);
    return principal;
  }

  /**
   * Runs an attempt to log in, which gives `undefined` when it fails. An address that has failed too often is refused
   * before anything is checked, and what is under way counts: many at once are no more guesses than one after the other.
   */
  async attempt<T>(request: FastifyRequest, reply: FastifyReply, login: () => Promise<T | undefined>): Promise<T> {
    return this.#guesses.run(
      clientNetwork(request.ip),
      () => this.#lookAtFailures(request),
      allowance => refuseWhenExceeded(allowance, reply),
      () => this.prove(request, reply, login),
    );
  }

  /** As `attempt`, for what cannot be guessed: it is looked at whatever has failed from that address. */
  async prove<T>(request: FastifyRequest, reply: FastifyReply, look: () => Promise<T | undefined>): Promise<T> {
    return (await look()) ?? this.#failed(request, reply);
  }

  /**
   * After too many failures passwords are no longer checked, since they can be guessed. Keys and tokens cannot: a good
   * one is served on, so that one client with an old key does not lock out all that share its address.
   */
  async #authenticate(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
    const { authorization } = request.headers;
    if (authorization === undefined) {
      tellAllowance(reply, await this.#lookAtFailures(request));
      throw unauthenticated();
    }
    const look = () => this.#deps.authenticator.authenticate(authorization, clientNetwork(request.ip));
    return guessable.test(authorization) ? this.attempt(request, reply, look) : this.prove(request, reply, look);
  }

  async #failed(request: FastifyRequest, reply: FastifyReply): Promise<never> {
    const { failedAuthPerMinute } = this.#deps.rateLimits;
    const allowance = await this.#failures.spend(clientNetwork(request.ip), failedAuthPerMinute);
    tellAllowance(reply, allowance);
    throw allowance.exceeded ? tooManyRequests(allowance) : unauthenticated();
  }

  #lookAtFailures(request: FastifyRequest): Promise<Allowance> {
    return this.#failures.look(clientNetwork(request.ip), this.#deps.rateLimits.failedAuthPerMinute);
  }

  /** Somebody who looks at the page must not use up what the account's programs live on. */
  #isFromPage({ headers }: FastifyRequest): boolean {
    const pass = headers[passHeader];
    return typeof pass === 'string' && this.#deps.passes.isGood(pass, headers.authorization ?? '');
  }

  #limit({ account }: Principal, budget: BudgetName): number | undefined {
    const { logsPerMinute, readsPerMinute, pagePerMinute, writesPerMinute } = this.#deps.rateLimits;
    switch (budget) {
      case 'logs':
        return account.requestsPerMinute ?? logsPerMinute;
      case 'reads':
        return readsPerMinute;
      case 'page':
        return pagePerMinute;
      case 'writes':
        return writesPerMinute;
    }
  }
}

function refuseWhenExceeded(allowance: Allowance, reply: FastifyReply): void {
  if (!allowance.exceeded) return;
  tellAllowance(reply, allowance);
  throw tooManyRequests(allowance);
}

export function unauthenticated(): ApiError {
  return new ApiError('E401', { headers: { 'www-authenticate': challenge } });
}
