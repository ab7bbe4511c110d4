import type { FastifyReply, FastifyRequest } from 'fastify';
import { isOperators } from '../../accounts/accounts.ts';
import { allows, type Principal } from '../../accounts/authenticator.ts';
import { parseEmptyQuery } from '../../wire/query/filter-query.ts';
import { accepts, addVary } from '../answer/compression.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { PageFile, PageFiles } from '../page/page-files.ts';
import type { PagePasses } from '../page/page-passes.ts';
import type { PageSessions } from '../page/page-sessions.ts';
import { type Call, type OpenCall, pathOf, type Route, rawQuery, sound } from '../route.ts';

/**
 * No script but the page's own, nothing from another host but a picture that somebody asks to see, nothing framed. What
 * a hostile message might smuggle in is not run.
 */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' https:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const yearS = 31_536_000;

type Deps = Pick<
  ServerDeps,
  | 'page'
  | 'authenticator'
  | 'sending'
  | 'emulator'
  | 'managedAccounts'
  | 'managedMirrors'
  | 'managedSenders'
  | 'retentionOf'
  | 'compatibleRetentionMs'
> & {
  readonly passes: PagePasses;
  readonly sessions: PageSessions;
};

const access = { scope: 'messenger:logs:read', budget: 'reads' } as const;

/**
 * `GET /`, `/icon.svg` and `/assets/…`: the page, open to everybody, who then signs in. `POST /page/session` signs in with
 * the credential that the call carries, `GET` tells who is signed in, `DELETE` signs out. Both ways in give the pass that
 * the page's calls show, so that looking has a budget of its own, and what there is to be offered. `POST /page/pass` is the
 * pass alone, for whoever brings a credential with each call.
 */
export function pageRoutes(deps: Deps): readonly Route[] {
  const { page } = deps;
  const session: readonly Route[] = [
    { method: 'POST', path: '/page/pass', access, answer: async call => issue(call.principal, bearer(call), deps) },
    { method: 'POST', path: '/page/session', access, answer: call => signIn(call, deps) },
    { method: 'GET', path: '/page/session', answer: call => signedIn(call, deps) },
    { method: 'DELETE', path: '/page/session', answer: call => signOut(call, deps) },
  ];
  if (page === undefined) return [{ method: 'GET', path: '/', answer: async () => notBuilt() }, ...session];
  return [...files(page), ...session];
}

function bearer({ request }: OpenCall): string {
  sound(parseEmptyQuery(rawQuery(request)));
  return request.headers.authorization ?? '';
}

async function signIn(call: Call, { sessions, ...deps }: Deps): Promise<string> {
  const authorization = bearer(call);
  sessions.begin(authorization, call.request, call.reply);
  return issue(call.principal, authorization, { ...deps, sessions });
}

/** Nothing when nobody is, or the credential is good no more: whoever asks is a page that has just been opened. */
async function signedIn({ request, reply }: OpenCall, deps: Deps): Promise<string | undefined> {
  sound(parseEmptyQuery(rawQuery(request)));
  const authorization = deps.sessions.kept(request);
  if (authorization === undefined) return undefined;
  const principal = await deps.authenticator.authenticate(authorization);
  if (principal !== undefined && allows(principal, access.scope)) return issue(principal, authorization, deps);
  deps.sessions.end(request, reply);
  return undefined;
}

async function signOut({ request, reply }: OpenCall, { sessions, authenticator }: Deps): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const [, token] = /^IBSSO (\S+)$/.exec(sessions.kept(request) ?? '') ?? [];
  if (token !== undefined) await authenticator.endSession(token);
  sessions.end(request, reply);
  return '';
}

function issue(principal: Principal, authorization: string, deps: Deps): string {
  const { pass, expiresInMs } = deps.passes.issue(authorization);
  const isBound = Object.keys(principal.binding).length > 0;
  const manages = allows(principal, 'messenger:manage') && !isBound;
  const offers = {
    access: manages && deps.managedAccounts !== undefined,
    accounts: manages && deps.managedAccounts !== undefined && isOperators(principal.account.name),
    sources: manages && deps.managedMirrors !== undefined,
    senders: manages && deps.managedSenders !== undefined,
    sending: deps.sending !== undefined && allows(principal, 'messenger:message:send'),
    emulator: manages && deps.emulator !== undefined,
  };
  const { id, name: account } = principal.account;
  // How far back the page may ask, and how far `GET /messenger/1/logs` goes, in seconds as well.
  const retention = deps.retentionOf(id) / 1000;
  const logsRetention = Math.min(retention, (deps.compatibleRetentionMs ?? Number.POSITIVE_INFINITY) / 1000);
  const expiresIn = expiresInMs / 1000;
  return JSON.stringify({ pass, expiresIn, account, isBound, retention, logsRetention, offers });
}

function files(page: PageFiles): readonly Route[] {
  const fixed = [...page.keys()].filter(path => !page.get(path)?.hashed);
  return [
    ...fixed.map((path): Route => ({ method: 'GET', path, answer: call => file(call, page, path) })),
    {
      method: 'GET',
      path: '/assets/:name',
      answer: (call: OpenCall) => file(call, page, pathOf(call.request)),
    },
  ];
}

/** The page at a server's address, signed in by a key that leaves no browser: what stands behind `#` is never sent. */
export function signInLink(url: string, key: string): string {
  return `${url}/#key=${encodeURIComponent(key)}`;
}

function notBuilt(): never {
  const violation = 'has not been built: `npm start` builds it, and so does `npm run build:page`';
  throw new ApiError('E404', { violations: [{ property: 'page', violation }] });
}

async function file({ request, reply }: OpenCall, page: PageFiles, path: string): Promise<Buffer | undefined> {
  const found = page.get(path);
  if (found === undefined) throw new ApiError('E404');
  const form = bestForm(found, request);
  if (found.forms.length > 1) addVary(reply, 'Accept-Encoding');
  if (form.encoding !== undefined) reply.header('content-encoding', form.encoding);
  tellAbout(found, reply);
  reply.header('etag', form.tag);
  if (!holds(request, form.tag)) return form.bytes;
  reply.code(304);
  return undefined;
}

function tellAbout({ type, hashed }: PageFile, reply: FastifyReply): void {
  reply.type(type);
  reply.header('cache-control', hashed ? `public, max-age=${yearS}, immutable` : 'no-cache');
  reply.header('content-security-policy', pagePolicy);
  reply.header('referrer-policy', 'no-referrer');
  reply.header('cross-origin-opener-policy', 'same-origin');
}

function bestForm({ forms }: PageFile, { headers }: FastifyRequest): PageFile['forms'][number] {
  const best = forms.find(({ encoding }) => encoding === undefined || accepts(headers['accept-encoding'], encoding));
  if (best === undefined) throw new Error('a file of the page has lost its plain form');
  return best;
}

/** Whether the caller has this form already. */
function holds({ headers }: FastifyRequest, tag: string): boolean {
  const tags = headers['if-none-match']?.split(',').map(one => one.trim().replace(/^W\//, '')) ?? [];
  return tags.includes(tag) || tags.includes('*');
}
