import { isUtf8 } from 'node:buffer';
import type { Static, TSchema } from 'typebox';
import { Check } from 'typebox/value';
import type { Principal } from '../../accounts/authenticator.ts';
import { AccountsError } from '../../accounts/rows.ts';
import type { AccountId, Violation } from '../../domain/message.ts';
import { Unusable } from '../../failures.ts';
import { MirrorError } from '../../mirror/rows.ts';
import { SenderError } from '../../senders/rows.ts';
import { checked } from '../../wire/checked.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import { mediaType } from '../body/media-type.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

const bodyBytesMax = 16 * 1024;

/** A call of somebody who may change what the account has. */
export type Managing = {
  readonly account: AccountId;
  readonly accountName: string;
  /** The key or user that the call was made with. */
  readonly by: Principal['by'];
  /** The body, when it fits the schema; an `ApiError` 400 with every violation otherwise. */
  readonly body: <S extends TSchema>(schema: S) => Promise<Static<S>>;
  /** The part of the path that stands for `:name`. */
  readonly named: (name: string) => string;
};

export type ManagingDeps = Pick<ServerDeps, 'timeouts'> & { readonly closing: Closing };

/**
 * A route that manages what one account has, for its keys with `messenger:manage` that are bound to nothing: a bound key
 * would get beyond its binding by what it makes. What the operator can put right is a 400 with its reason.
 */
export function managed(
  method: Route['method'],
  path: string,
  { timeouts, closing }: ManagingDeps,
  work: (managing: Managing) => Promise<object | undefined>,
): Route {
  const answer = async ({ principal, request, lost }: Call): Promise<string | undefined> => {
    sound(parseEmptyQuery(rawQuery(request)));
    if (Object.keys(principal.binding).length > 0) throw new ApiError('E403');
    const bytes = () => readBody(request.raw, bodyBytesMax, bodyTimes(timeouts, closing.over, lost));
    try {
      const told = await work({
        account: principal.account.id,
        accountName: principal.account.name,
        by: principal.by,
        body: async schema => {
          mediaType(request.headers['content-type'], ['application/json']);
          return fitting(schema, parsed(await bytes()));
        },
        named: name => pathPart(request.params, name),
      });
      return told === undefined ? undefined : JSON.stringify(told);
    } catch (error) {
      throw tellable(error);
    }
  };
  return { method, path, access: { scope: 'messenger:manage', budget: 'reads' }, answer };
}

function parsed(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // The parser's own words would repeat the body, and with it a key.
    throw invalid('body', 'is not JSON');
  }
}

function fitting<S extends TSchema>(schema: S, value: unknown): Static<S> {
  const violations: Violation[] = [];
  const found = checked(schema, value, '', violations);
  if (violations.length > 0 || !Check(schema, found)) throw new ApiError('E400', { violations });
  return found;
}

function pathPart(params: unknown, name: string): string {
  const part: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, name) : undefined;
  return typeof part === 'string' ? part : '';
}

const properties = [
  [MirrorError, 'mirror'],
  [SenderError, 'sender'],
  [AccountsError, 'account'],
  [Unusable, 'server'],
] as const;

function tellable(error: unknown): unknown {
  const property = properties.find(([kind]) => error instanceof kind)?.[1];
  return property === undefined || !(error instanceof Error) ? error : invalid(property, error.message);
}
