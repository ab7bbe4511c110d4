import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EpochMs } from '../../domain/message.ts';
import { Seal } from '../seal.ts';
import type { PagePasses } from './page-passes.ts';

/** How long somebody stays signed in at most; what the credential itself allows holds as well. */
const sessionMs = 12 * 3_600_000;

const passHeader = 'x-sentlog-page';

/**
 * Who is signed in on the page: their credential, sealed in a cookie that no script can read and no other site's page has
 * sent along. By itself it opens nothing: a call also shows the pass, which only a page of this very origin can know, and
 * only in a header, which no form of another one can set. So nothing secret is kept where scripts can read it, and a
 * reload stays signed in.
 */
export class PageSessions {
  readonly #seal: Seal;
  readonly #passes: PagePasses;
  readonly #now: () => EpochMs;
  /** Servers on other ports of one host share their cookies. */
  readonly #name: string;

  /** `secret` is that of all servers over one log. */
  constructor(secret: Uint8Array, passes: PagePasses, now: () => EpochMs) {
    this.#seal = new Seal(secret, 'page session');
    this.#passes = passes;
    this.#now = now;
    this.#name = `sentlog-${createHash('sha256').update('cookie').update(secret).digest('hex').slice(0, 8)}`;
  }

  /** Keeps a credential, as an `Authorization` header has it, in the browser that is answered. */
  begin(authorization: string, request: FastifyRequest, reply: FastifyReply): void {
    const value = this.#seal.seal(`${this.#now() + sessionMs} ${authorization}`, this.#name);
    this.#tell(value, sessionMs / 1000, request, reply);
  }

  end(request: FastifyRequest, reply: FastifyReply): void {
    this.#tell('', 0, request, reply);
  }

  /** The credential in the cookie, for a call that may come from a page of this origin alone: its header says so. */
  kept({ headers }: FastifyRequest): string | undefined {
    const site = headers['sec-fetch-site'];
    if (headers[passHeader] === undefined || (site !== undefined && site !== 'same-origin')) return undefined;
    const pairs = headers.cookie?.split(';').map(pair => pair.trim().split('=', 2)) ?? [];
    const [, value] = pairs.find(([name]) => name === this.#name) ?? [];
    const [, until, authorization] = /^(\d+) (.+)$/.exec(this.#seal.open(value ?? '', this.#name) ?? '') ?? [];
    return Number(until) > this.#now() ? authorization : undefined;
  }

  /** Lets a call of the page that shows its pass go on as if it had brought the credential itself. */
  resume(request: FastifyRequest): void {
    const { headers } = request;
    const pass = headers[passHeader];
    if (headers.authorization !== undefined || typeof pass !== 'string') return;
    const authorization = this.kept(request);
    if (authorization !== undefined && this.#passes.isGood(pass, authorization)) headers.authorization = authorization;
  }

  #tell(value: string, seconds: number, request: FastifyRequest, reply: FastifyReply): void {
    const secure = request.protocol === 'https' ? '; Secure' : '';
    reply.header(
      'set-cookie',
      `${this.#name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`,
    );
  }
}
