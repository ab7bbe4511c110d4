import type { FastifyReply, FastifyRequest } from 'fastify';
import { allows } from '../../accounts/authenticator.ts';
import { parseEmptyQuery } from '../../wire/filter-query.ts';
import { accepts, addVary } from '../compression.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { PageFile, PageFiles } from '../page-files.ts';
import type { PagePasses } from '../page-passes.ts';
import { type Call, pathOf, type Route, rawQuery, sound } from '../route.ts';

type OpenCall = Omit<Call, 'principal'>;

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
  'page' | 'sending' | 'emulator' | 'managedAccounts' | 'managedMirrors' | 'managedSenders' | 'retentionOf'
> & {
  readonly passes: PagePasses;
};

/**
 * `GET /`, `/icon.svg` and `/assets/…`: the page, open to everybody, who then signs in. `POST /page/pass`: what the page
 * asks for then, once in a while, so that looking has a budget of its own; it also says what there is to be offered.
 */
export function pageRoutes(deps: Deps): readonly Route[] {
  const { page } = deps;
  const pass: Route = {
    method: 'POST',
    path: '/page/pass',
    access: { scope: 'messenger:logs:read', budget: 'reads' },
    answer: (call: Call) => issue(call, deps),
  };
  if (page === undefined) return [{ method: 'GET', path: '/', answer: async () => notBuilt() }, pass];
  return [...files(page), pass];
}

async function issue({ principal, request }: Call, deps: Deps): Promise<string> {
  sound(parseEmptyQuery(rawQuery(request)));
  const { pass, expiresInMs } = deps.passes.issue(request.headers.authorization ?? '');
  const manages = allows(principal, 'messenger:manage') && Object.keys(principal.binding).length === 0;
  const offers = {
    access: manages && deps.managedAccounts !== undefined,
    sources: manages && deps.managedMirrors !== undefined,
    senders: manages && deps.managedSenders !== undefined,
    sending: deps.sending !== undefined && allows(principal, 'messenger:message:send'),
    emulator: deps.emulator !== undefined && allows(principal, 'messenger:manage'),
  };
  const { id, name: account } = principal.account;
  // How far back the page may ask, in seconds as well.
  const retention = deps.retentionOf(id) / 1000;
  return JSON.stringify({ pass, expiresIn: expiresInMs / 1000, account, retention, offers });
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
