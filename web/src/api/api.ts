import { type RetryOptions, SentlogClient } from '../../../src/client/index.ts';
import { ownCalls } from './own-calls.ts';
import { accountOf, begin, end, type Offers, type Pass, pageInit, resumed } from './page-pass.ts';

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
  /** Why calls are refused as those of nobody, in words. */
  readonly whyEnded: () => string;
  readonly signOut: () => Promise<void>;
};

function apiOf(first: Pass): Api {
  const calls = ownCalls(first);
  const clientOf = (retry?: RetryOptions) =>
    new SentlogClient({ baseUrl: location.origin, fetch: calls.fetch, ...(retry !== undefined && { retry }) });
  const { offers, account, retentionMs } = first;
  const { whyEnded } = calls;
  return { client: clientOf(), withRetry: clientOf, offers, account, retentionMs, whyEnded, signOut: end };
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
