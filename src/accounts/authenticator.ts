import type { AccountId, Binding } from '../domain/message.ts';

/** What a credential may do. `messenger:manage` includes the others; `message:send` sends by any channel. */
export const scopes = [
  'messenger:logs:read',
  'messenger:logs:write',
  'messenger:message:send',
  'message:send',
  'messenger:manage',
] as const;
export type Scope = (typeof scopes)[number];

/** Who is calling, once it is proven. */
export type Principal = {
  readonly account: { readonly id: AccountId; readonly name: string; readonly requestsPerMinute?: number };
  readonly scopes: readonly Scope[];
  readonly binding: Binding;
  /** The key, by its id, or the user, by name, that proved it; absent where nothing is proven. */
  readonly by?: { readonly key: string } | { readonly user: string };
};

export function allows(principal: Principal, scope: Scope): boolean {
  const { scopes } = principal;
  const isBySending = scope === 'messenger:message:send' && scopes.includes('message:send');
  return scopes.includes(scope) || isBySending || scopes.includes('messenger:manage');
}

/**
 * Proves who is calling. Every refusal is `undefined`, whatever was wrong: an unknown name and a wrong secret must
 * not be told apart, by their answer or by its time. A revoked or expired credential is refused within a second.
 *
 * Calls reject with `Unavailable` when nothing can be proven or kept now.
 */
export interface Authenticator {
  /**
   * From the value of an `Authorization` header: `App`, `Basic`, `Bearer` or `IBSSO`. Passwords take long to prove, and
   * those who ask for it take turns: `asker` tells them apart. Without it somebody who was let in is only looked at again,
   * which is no use of a credential, and takes no time when there is none any more.
   */
  authenticate(authorization: string, asker?: string): Promise<Principal | undefined>;
  /**
   * OAuth 2 client credentials: the client id is a key's public part and the client secret its secret, or they are a user
   * name and its password. `asker` as for `authenticate`.
   */
  issueToken(
    clientId: string,
    clientSecret: string,
    asker?: string,
  ): Promise<{ accessToken: string; expiresInS: number } | undefined>;
  /** A session for a user name and password. */
  createSession(username: string, password: string, asker?: string): Promise<{ token: string } | undefined>;
  /** Ends the session of an `IBSSO` token; `false` when there is none. */
  endSession(token: string): Promise<boolean>;
  /** Resolves when callers can be proven now, and rejects with `Unavailable` when nobody can. */
  ready(): Promise<void>;
}
