import { IsArray, type TSchema } from 'typebox';
import { errorBodySchema } from '../../wire/log-schemas.ts';
import { type ErrorCode, errorTable } from '../errors.ts';

export const json = 'application/json';
export const jsonContent = (schema: object) => ({ [json]: { schema } });

const readScopes = ['messenger:logs:read', 'messenger:manage'];
const writeScopes = ['messenger:logs:write', 'messenger:manage'];
const sendScopes = ['message:send', 'messenger:message:send', 'messenger:manage'];

/** What may come of any call at all. */
const everywhere: readonly ErrorCode[] = ['E400', 'E414', 'E431', 'E500', 'E503'];
export const whereProven: readonly ErrorCode[] = ['E401', 'E403', 'E429'];
export const withBody: readonly ErrorCode[] = ['E408', 'E413', 'E415'];

const requestId = { 'X-Request-Id': headerRef('RequestId') };
const limited = {
  'RateLimit-Limit': headerRef('RateLimitLimit'),
  'RateLimit-Remaining': headerRef('RateLimitRemaining'),
  'RateLimit-Reset': headerRef('RateLimitReset'),
};

function headerRef(name: string): object {
  return { $ref: `#/components/headers/${name}` };
}

export const headers = {
  RequestId: {
    description: 'Of the caller where it is a sane one; it stands in the log of the server.',
    schema: { type: 'string' },
  },
  RateLimitLimit: { description: 'Calls that the budget has a minute.', schema: { type: 'integer', format: 'int64' } },
  RateLimitRemaining: { description: 'Calls that are left of it.', schema: { type: 'integer', format: 'int64' } },
  RateLimitReset: { description: 'Seconds until it is whole again.', schema: { type: 'integer', format: 'int64' } },
  RetryAfter: { description: 'Seconds to wait.', schema: { type: 'integer', format: 'int64' } },
  WwwAuthenticate: { description: 'The kinds of credentials that are taken.', schema: { type: 'string' } },
};

const ownHeaders: Partial<Record<ErrorCode, object>> = {
  E401: { 'WWW-Authenticate': headerRef('WwwAuthenticate') },
  E429: { 'Retry-After': headerRef('RetryAfter') },
  E503: { 'Retry-After': headerRef('RetryAfter') },
};

/** An answer of a call that is counted, or of one that everybody may make. */
export function answer(description: string, content?: object, isCounted = true): object {
  return { description, headers: { ...requestId, ...(isCounted && limited) }, ...(content && { content }) };
}

/** The errors that are named, and those of every call. In JSON, or in XML for who asks for that. */
export function errors(...codes: readonly ErrorCode[]): object {
  const named = [...new Set([...everywhere, ...codes])].toSorted();
  return Object.fromEntries(named.map(code => [errorTable[code].status, { $ref: `#/components/responses/${code}` }]));
}

export function errorResponses(): Readonly<Record<string, object>> {
  // A method that a path has not is not described there.
  const described = Object.entries(errorTable).filter(([code]) => code !== 'E405');
  return Object.fromEntries(
    described.map(([code, { description }]) => [
      code,
      {
        description,
        headers: {
          ...requestId,
          // Where the call is counted.
          ...limited,
          ...Object.entries(ownHeaders).find(([own]) => own === code)?.[1],
        },
        content: { ...jsonContent(errorBodySchema), 'application/xml': { schema: errorBodySchema } },
      },
    ]),
  );
}

/** Any one of the four kinds of credentials will do, and of a token any one of the scopes. */
export function security(scopes: readonly string[]): object[] {
  return [{ app: [] }, { basic: [] }, ...scopes.map(scope => ({ bearer: [scope] })), { ibsso: [] }];
}

export const mayRead = security(readScopes);
export const mayWrite = security(writeScopes);
export const maySend = security(sendScopes);

export function securitySchemes(): object {
  const scopes = {
    'messenger:logs:read': 'Reads logs.',
    'messenger:logs:write': 'Records messages and reports.',
    'messenger:message:send': 'Sends messages.',
    'message:send': 'Sends messages, by any channel.',
    'messenger:manage': 'All of these.',
  };
  const header = (description: string) => ({ type: 'apiKey', in: 'header', name: 'Authorization', description });
  return {
    app: header('`App <API key>`'),
    basic: { type: 'http', scheme: 'basic' },
    bearer: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: '/auth/1/oauth2/token', scopes } } },
    ibsso: header('`IBSSO <session token>`'),
  };
}

export function queryParameters(parameters: Readonly<Record<string, TSchema>>): object[] {
  return Object.entries(parameters).map(([name, schema]) => ({
    name,
    in: 'query',
    ...('description' in schema && { description: schema.description }),
    schema,
    ...(IsArray(schema) && { style: 'form', explode: true }),
  }));
}
