import { type Authorization, type RetryOptions, SentlogClient } from '../../../src/client/index.ts';
import { type Offers, passFor } from './page-pass.ts';

const bareFetch: typeof fetch = (input, init) =>
  fetch(input, { ...init, cache: 'no-store', credentials: 'omit', redirect: 'error' });

/** Tells the server that somebody is looking: looking has a rate limit of its own. */
const pageFetch: typeof fetch = async (input, init) => {
  const headers = new Headers(init?.headers);
  const pass = await passFor(headers.get('authorization'));
  if (pass !== undefined) headers.set('x-sentlog-page', pass.text);
  return bareFetch(input, { ...init, headers });
};

function clientOf(options: { readonly authorization?: Authorization; readonly retry?: RetryOptions } = {}) {
  return new SentlogClient({ ...options, baseUrl: location.origin, fetch: pageFetch });
}

/** The calls of the page, made in the name of whoever has signed in. */
export type Api = {
  readonly client: SentlogClient;
  /** The same calls, tried again in this way where the client tries again. */
  readonly withRetry: (retry: RetryOptions) => SentlogClient;
  /** What the server has for whoever has signed in; `undefined` when that cannot be known now. */
  readonly offers: () => Promise<Offers | undefined>;
  /** Ends the session; a key has none to end. */
  readonly signOut: () => Promise<void>;
};

function apiOf(authorization: { readonly app: string } | { readonly ibsso: string }): Api {
  const client = clientOf({ authorization });
  const header = 'app' in authorization ? `App ${authorization.app}` : `IBSSO ${authorization.ibsso}`;
  return {
    client,
    withRetry: retry => clientOf({ authorization, retry }),
    offers: async () => (await passFor(header))?.offers,
    signOut: async () => ('ibsso' in authorization ? client.endSession() : undefined),
  };
}

export function apiWithKey(key: string): Api {
  return apiOf({ app: key });
}

/** Rejects as every call does when the user name or the password is wrong. */
export async function apiWithPassword(username: string, password: string): Promise<Api> {
  return apiOf({ ibsso: await clientOf().createSession(username, password) });
}
