import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../accounts/authenticator.ts';
import type { Parsed } from '../wire/parsed.ts';
import type { Access } from './admission/admission.ts';
import { ApiError } from './errors.ts';

/** A call that was let in. `lost` aborts, with an `ApiError` 401, when its credential no longer lets it in. */
export type Call = {
  readonly principal: Principal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly lost: AbortSignal;
};
/** A call that anybody may make. */
export type OpenCall = Omit<Call, 'principal' | 'lost'>;

/** What a route answers with. */
export type Answer = Buffer | string | Readable | undefined;

/**
 * One line of the API's table. A route with `access` is answered only after its caller was let in; the others are
 * open to everybody. A text is JSON unless the route has set another type; an empty one is a
 * 200 without a body, and nothing a 204, or the 304 that the route has set.
 */
export type Route = { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string } & (
  | {
      readonly access: Access;
      /** Whether it looks itself whether its caller may still be answered. */
      readonly isWatched?: true;
      readonly answer: (call: Call) => Promise<Answer>;
    }
  | { readonly access?: never; readonly answer: (call: OpenCall) => Promise<Answer> }
);

export const jsonType = 'application/json; charset=utf-8';
export const eventStreamType = 'text/event-stream; charset=utf-8';

/** What stands before the `?`, with one slash where several follow each other and none at its end. */
export function pathOf(request: FastifyRequest): string {
  const [path = ''] = request.url.split('?', 1);
  const single = path.replaceAll(/\/{2,}/g, '/');
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}

/** What stands behind the `?`, as it came. */
export function rawQuery(request: FastifyRequest): string {
  const mark = request.url.indexOf('?');
  return mark < 0 ? '' : request.url.slice(mark + 1);
}

/** The value that was parsed; an `ApiError` 400 with all its violations otherwise. */
export function sound<T>(parsed: Parsed<T>): T {
  if (parsed.violations !== undefined) throw new ApiError('E400', { violations: parsed.violations });
  return parsed.value;
}
