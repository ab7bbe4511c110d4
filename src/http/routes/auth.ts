import { isUtf8 } from 'node:buffer';
import { parseAuthorization } from '../../accounts/authorization-header.ts';
import type { Violation } from '../../domain/message.ts';
import type { Parsed } from '../../wire/parsed.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { QueryReader } from '../../wire/query/query-reader.ts';
import { checkOf } from '../../wire/schema-check.ts';
import { type Admission, unauthenticated } from '../admission/admission.ts';
import { bodyTimes, readBody } from '../body/body.ts';
import { mediaType } from '../body/media-type.ts';
import type { Closing } from '../closing.ts';
import type { ServerDeps } from '../deps.ts';
import { credentialCharsMax, credentialSchema, loginSchema, tokenRequestSchema } from '../document/auth-schemas.ts';
import { ApiError, invalid } from '../errors.ts';
import { clientNetwork } from '../rate-limit/rate-limit.ts';
import { type OpenCall, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'authenticator' | 'timeouts'> & { readonly closing: Closing };

const bodyBytesMax = 16 * 1024;
const loginCheck = checkOf(loginSchema);
const credentialCheck = checkOf(credentialSchema);
const tokenParameters = new Map(
  Object.keys(tokenRequestSchema.properties).map(name => [name, { many: false }] as const),
);

/** `POST /auth/1/oauth2/token`, `POST` and `DELETE /auth/1/session` */
export function authRoutes(deps: Deps, admission: Admission): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/auth/1/oauth2/token',
      answer: (call: OpenCall) => token(call, deps, admission),
    },
    {
      method: 'POST',
      path: '/auth/1/session',
      answer: (call: OpenCall) => login(call, deps, admission),
    },
    {
      method: 'DELETE',
      path: '/auth/1/session',
      answer: (call: OpenCall) => logout(call, deps, admission),
    },
  ];
}

type ClientCredentials = { readonly id: string; readonly secret: string };

async function token({ request, reply }: OpenCall, deps: Deps, admission: Admission): Promise<string> {
  const asked = sound(await readClient({ request, reply }, deps));
  const issue = async (): Promise<{ accessToken: string; expiresInS: number } | undefined> => {
    for (const { id, secret } of asked) {
      const issued = await deps.authenticator.issueToken(id, secret, clientNetwork(request.ip));
      if (issued !== undefined) return issued;
    }
    return undefined;
  };
  const issued = await admission.attempt(request, reply, issue);
  return JSON.stringify({ access_token: issued.accessToken, token_type: 'Bearer', expires_in: issued.expiresInS });
}

/**
 * What a token is asked for with: fields of a form, or of the query where the vendor's SDK has them, or HTTP Basic
 * (RFC 6749, 2.3.1), which counts where neither has a secret.
 */
async function readClient(call: OpenCall, deps: Deps): Promise<Parsed<readonly ClientCredentials[]>> {
  const { headers } = call.request;
  const query = new QueryReader(rawQuery(call.request), tokenParameters);
  const body = await text(call, deps);
  if (body !== '') mediaType(headers['content-type'], ['application/x-www-form-urlencoded']);
  const form = new URLSearchParams(body);
  const violations: Violation[] = [...query.violations];
  const basic = basicClients(headers.authorization);
  const isGiven = (name: string) => form.has(name) || query.has(name);
  const field = (name: string): string => {
    const [value = '', ...others] = [...form.getAll(name), ...query.all(name)];
    if (others.length > 0) violations.push({ property: name, violation: 'must be given only once' });
    else if (value === '') violations.push({ property: name, violation: 'is required' });
    else if (!credentialCheck.Check(value)) violations.push({ property: name, violation: 'is too long' });
    return value;
  };
  const clients =
    isGiven('client_secret') || basic === undefined
      ? [{ id: field('client_id'), secret: field('client_secret') }]
      : isGiven('client_id')
        ? named(basic, field('client_id'))
        : basic;
  if (clients.length === 0)
    violations.push({ property: 'client_id', violation: 'is another one than in the Authorization header' });
  const grantType = field('grant_type');
  if (grantType !== '' && grantType !== 'client_credentials')
    violations.push({ property: 'grant_type', violation: 'must be client_credentials' });
  return violations.length > 0 ? { violations } : { value: clients };
}

/** Many clients that prove themselves by the header say who they are in the form too. */
function named(clients: readonly ClientCredentials[], name: string): readonly ClientCredentials[] {
  return clients.filter(({ id }) => name === '' || id === name);
}

/** As RFC 6749 writes them into the header, each part encoded as in a form; then as they stand, for who does not. */
function basicClients(authorization: string | undefined): readonly ClientCredentials[] | undefined {
  const claim = authorization === undefined ? undefined : parseAuthorization(authorization);
  if (claim?.kind !== 'basic') return undefined;
  const plain = { id: claim.username, secret: claim.password };
  const decode = (part: string) => new URLSearchParams(`part=${part.replaceAll('&', '%26')}`).get('part') ?? '';
  const decoded = { id: decode(plain.id), secret: decode(plain.secret) };
  return decoded.id === plain.id && decoded.secret === plain.secret ? [plain] : [decoded, plain];
}

async function login({ request, reply }: OpenCall, deps: Deps, admission: Admission): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  mediaType(request.headers['content-type'], ['application/json']);
  const body = parseJson(await text({ request, reply }, deps));
  if (!loginCheck.Check(body)) throw new ApiError('E400', { violations: loginViolations(body) });
  const { username, password } = body;
  const session = await admission.attempt(request, reply, () =>
    deps.authenticator.createSession(username, password, clientNetwork(request.ip)),
  );
  return JSON.stringify({ token: session.token });
}

async function logout({ request, reply }: OpenCall, deps: Deps, admission: Admission): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const [, sessionToken] = /^IBSSO +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (sessionToken === undefined) throw unauthenticated();
  await admission.prove(request, reply, async () =>
    (await deps.authenticator.endSession(sessionToken)) ? true : undefined,
  );
  return '';
}

async function text({ request }: OpenCall, { timeouts, closing }: Deps): Promise<string> {
  const bytes = await readBody(request.raw, bodyBytesMax, bodyTimes(timeouts, closing.over));
  if (!isUtf8(bytes)) throw invalid('body', 'is not UTF-8');
  return bytes.toString();
}

/** The parser's own words would repeat the body, and with it a password, in the answer. */
function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid('body', 'is not JSON');
    throw error;
  }
}

function loginViolations(body: unknown): Violation[] {
  const given = new Map(typeof body === 'object' && body !== null ? Object.entries(body) : []);
  return ['username', 'password']
    .filter(property => !credentialCheck.Check(given.get(property)))
    .map(property => ({ property, violation: `must be a text of 1 to ${credentialCharsMax} characters` }));
}
