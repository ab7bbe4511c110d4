import type { FastifyReply, FastifyRequest } from 'fastify';
import { addVary } from './answer/compression.ts';
import { ApiError } from './errors.ts';
import { pathOf, type Route } from './route.ts';

const preflightSeconds = '600';
const acceptedHeaders = 'Authorization, Content-Type, Content-Encoding, X-Request-Id, Last-Event-ID';
const readableHeaders = 'RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id';

/** `OPTIONS *` asks about the server as a whole (RFC 9110, 9.3.7). */
const wholeServer = '*';

type KnownPath = { readonly path: string; readonly pattern: RegExp; readonly methods: readonly string[] };

/** Answers what the table of routes has no line for: `OPTIONS`, other methods of a known path, unknown paths. */
export class OtherMethods {
  readonly #paths: readonly KnownPath[];
  /** Those that some path knows. */
  readonly #methods: readonly string[];
  readonly #origins: ReadonlySet<string>;

  constructor(routes: readonly Route[], corsOrigins: readonly string[]) {
    this.#paths = [...Map.groupBy(routes, route => route.path)].map(([path, those]) => ({
      path,
      pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
      methods: allowed(those.map(route => route.method)),
    }));
    this.#methods = [...new Set(this.#paths.flatMap(({ methods }) => methods))];
    this.#origins = new Set(corsOrigins);
  }

  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const path = pathOf(request);
    const known = this.#paths.find(({ pattern }) => pattern.test(path));
    const methods = path === wholeServer ? this.#methods : known?.methods;
    if (methods === undefined) throw new ApiError('E404');
    const allow = methods.join(', ');
    if (request.method !== 'OPTIONS')
      throw new ApiError('E405', { headers: { allow }, ...(known && { path: known.path }) });
    reply.header('allow', allow);
    if (reply.hasHeader('access-control-allow-origin')) {
      reply.header('access-control-allow-methods', allow);
      reply.header('access-control-allow-headers', acceptedHeaders);
      reply.header('access-control-max-age', preflightSeconds);
    }
    return reply.code(204).send();
  }

  /** Lets the page of a named origin read the answer. Without named origins no answer mentions CORS. */
  allowOrigin(request: FastifyRequest, reply: FastifyReply): void {
    if (this.#origins.size === 0) return;
    addVary(reply, 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !this.#origins.has(origin)) return;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', readableHeaders);
  }
}

function allowed(methods: readonly string[]): readonly string[] {
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'];
}
