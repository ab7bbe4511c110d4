import { type RetryOptions, SentlogClient } from '../../../src/client/index.ts';
import { accountOf, begin, end, type Offers, type Pass, pageInit, passHeader, resumed } from './page-pass.ts';

/** The calls of the page, made in the name of whoever has signed in. */
export type Api = {
  readonly client: SentlogClient;
  /** The same calls, tried again in this way where the client tries again. */
  readonly withRetry: (retry: RetryOptions) => SentlogClient;
  /** What the server has for whoever has signed in. */
  readonly offers: Offers;
  /** Whose log it is, and how far back it goes. */
  readonly account: string;
  readonly retentionMs: number;
  readonly signOut: () => Promise<void>;
};

function apiOf(first: Pass): Api {
  let pass = first;
  const pageFetch: typeof fetch = async (input, init) => {
    if (performance.now() > pass.untilMs) pass = (await resumed().catch(() => undefined)) ?? pass;
    const headers = new Headers(init?.headers);
    headers.set(passHeader, pass.text);
    return fetch(input, { ...init, ...pageInit, headers });
  };
  const clientOf = (retry?: RetryOptions) =>
    new SentlogClient({ baseUrl: location.origin, fetch: pageFetch, ...(retry !== undefined && { retry }) });
  const { offers, account, retentionMs } = first;
  return { client: clientOf(), withRetry: clientOf, offers, account, retentionMs, signOut: end };
}

/** Rejects as every call does when the key is wrong. */
export async function apiWithKey(key: string): Promise<Api> {
  return apiOf(await begin(`App ${key}`));
}

/** The account of a key, without signing in by it. Rejects as every call does when the key is wrong. */
export async function accountOfKey(key: string): Promise<string> {
  return accountOf(`App ${key}`);
}

/** Rejects as every call does when the user name or the password is wrong. */
export async function apiWithPassword(username: string, password: string): Promise<Api> {
  const anonymous = new SentlogClient({
    baseUrl: location.origin,
    fetch: (input, init) => fetch(input, { ...init, ...pageInit }),
  });
  return apiOf(await begin(`IBSSO ${await anonymous.createSession(username, password)}`));
}

/** Whoever was signed in before the page was loaded. */
export async function apiOfBefore(): Promise<Api | undefined> {
  const pass = await resumed();
  return pass && apiOf(pass);
}
