import type { EpochMs } from '../domain/message.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { parseAuthorization } from './authorization-header.ts';
import { PasswordVerifier } from './passwords.ts';
import { RowCache } from './row-cache.ts';
import type { CredentialRows, Grant, StoredKey, StoredSession, StoredToken, StoredUser } from './rows.ts';
import { hashSecret, isToken, type KeyParts, matchesHash, newToken, parseClient, parseKey } from './secrets.ts';
import { type Use, Uses } from './uses.ts';

export type CredentialOptions = {
  readonly now: () => EpochMs;
  readonly tokenTtlMs: number;
  readonly sessionTtlMs: number;
};

const cachedKeysMax = 10_000;
const cachedUsersMax = 1000;
const cachedTokensMax = 10_000;
/** Characters of a user name or password that are worth looking at. */
const credentialCharsMax = 1024;

/** Who is calling, and what proved it. */
type Proven = {
  readonly principal: Principal;
  readonly by: Use['of'];
  readonly name: NonNullable<Principal['by']>;
};

/** Stands in for the hash of a key that is not there, so that both take the same steps. */
const absentHash = new Uint8Array(32);

/** Proves callers by rows that other processes may change meanwhile; it closes them when it is closed. */
export class Credentials implements Authenticator {
  readonly #rows: CredentialRows;
  readonly #options: CredentialOptions;
  readonly #passwords: PasswordVerifier;
  readonly #keys: RowCache<StoredKey>;
  readonly #users: RowCache<StoredUser>;
  readonly #tokens: RowCache<StoredToken>;
  readonly #sessions: RowCache<StoredSession>;
  readonly #uses: Uses;

  constructor(rows: CredentialRows, options: CredentialOptions) {
    this.#rows = rows;
    this.#options = options;
    this.#passwords = new PasswordVerifier(options.now);
    this.#uses = new Uses(uses => rows.used(uses));
    this.#keys = new RowCache(cachedKeysMax, id => rows.key(id));
    this.#users = new RowCache(cachedUsersMax, name => rows.user(name));
    this.#tokens = new RowCache(cachedTokensMax, hash => rows.token(Buffer.from(hash, 'hex')));
    this.#sessions = new RowCache(cachedTokensMax, hash => rows.session(Buffer.from(hash, 'hex')));
  }

  async authenticate(authorization: string, asker?: string): Promise<Principal | undefined> {
    const proven = await this.#prove(authorization, asker);
    if (proven !== undefined && asker !== undefined) this.#uses.count(proven.by, this.#options.now());
    return proven && { ...proven.principal, by: proven.name };
  }

  async #prove(authorization: string, asker: string | undefined): Promise<Proven | undefined> {
    const claim = parseAuthorization(authorization);
    switch (claim?.kind) {
      case 'app': {
        const parts = parseKey(claim.key);
        const key = parts && (await this.#proveKey(parts));
        return key && byKey(key, parts.id);
      }
      case 'basic': {
        const user = await this.#proveUser(claim.username, claim.password, asker);
        return user && { principal: user.principal, by: { user: user.id }, name: { user: claim.username } };
      }
      case 'bearer':
        return this.#proveToken(claim.token);
      case 'ibsso':
        return this.#proveSession(claim.token);
      default:
        return undefined;
    }
  }

  async issueToken(
    clientId: string,
    clientSecret: string,
    asker = '',
  ): Promise<{ accessToken: string; expiresInS: number } | undefined> {
    const parts = parseClient(clientId, clientSecret);
    const key = parts && (await this.#proveKey(parts));
    const now = this.#options.now();
    const accessToken = newToken();
    const expiresAt = Math.min(
      now + this.#options.tokenTtlMs,
      key === undefined ? Number.POSITIVE_INFINITY : endOf(key),
    );
    const grant =
      parts !== undefined && key !== undefined
        ? ({ kind: 'access_token', tokenHash: hashSecret(accessToken), keyId: parts.id, expiresAt } as const)
        : await this.#grantOfUser(clientId, clientSecret, asker, accessToken, expiresAt);
    const kept = grant !== undefined && (await this.#rows.keep(grant, now));
    return kept ? { accessToken, expiresInS: Math.floor((expiresAt - now) / 1000) } : undefined;
  }

  async createSession(username: string, password: string, asker = ''): Promise<{ token: string } | undefined> {
    const user = await this.#proveUser(username, password, asker);
    if (user === undefined) return undefined;
    const now = this.#options.now();
    const token = newToken();
    const expiresAt = now + this.#options.sessionTtlMs;
    const kept = await this.#rows.keep(
      { kind: 'session', tokenHash: hashSecret(token), userId: user.id, expiresAt },
      now,
    );
    return kept ? { token } : undefined;
  }

  async endSession(token: string): Promise<boolean> {
    if ((await this.#proveSession(token)) === undefined) return false;
    const tokenHash = hashSecret(token);
    const ended = await this.#rows.endSession(tokenHash);
    this.#sessions.forget(hex(tokenHash));
    return ended;
  }

  async ready(): Promise<void> {
    // No key has this id: it is the look that counts.
    await this.#rows.key('');
  }

  /** Finishes what was asked for. */
  async close(): Promise<void> {
    await this.#uses.close();
    await this.#rows.close();
  }

  async #proveKey(parts: KeyParts): Promise<StoredKey | undefined> {
    const isCached = this.#keys.has(parts.id);
    const key = await this.#keys.get(parts.id);
    const matches = matchesHash(parts.secret, key?.secretHash ?? absentHash);
    if (key !== undefined && matches && this.#options.now() < endOf(key)) return key;
    // One that is not there has just been looked for in the rows: its refusal must not be told by its time.
    if (isCached) await this.#rows.key(parts.id);
    return undefined;
  }

  /** An access token of a user is kept as a session is, by a hash that is not a session's: it is one kind alone. */
  async #grantOfUser(
    username: string,
    password: string,
    asker: string,
    accessToken: string,
    expiresAt: EpochMs,
  ): Promise<Grant | undefined> {
    const user = await this.#proveUser(username, password, asker);
    return user && { kind: 'session', tokenHash: userTokenHash(accessToken), userId: user.id, expiresAt };
  }

  async #proveUser(username: string, password: string, asker?: string): Promise<StoredUser | undefined> {
    if (username.length > credentialCharsMax || password.length > credentialCharsMax) return undefined;
    // No user has such a name, and not every place where rows are kept can be asked for it.
    if (username.includes('\0')) return undefined;
    const isCached = this.#users.has(username);
    const user = await this.#users.get(username);
    // Who was let in before learns nothing by how soon he is shut out, and is to be at once.
    if (user === undefined && asker === undefined) return undefined;
    if (await this.#passwords.verify(username, password, user?.password, asker ?? '')) return user;
    // As for a key.
    if (isCached) await this.#rows.user(username);
    return undefined;
  }

  async #proveToken(token: string): Promise<Proven | undefined> {
    if (!isToken(token)) return undefined;
    const found = await this.#tokens.get(hex(hashSecret(token)));
    if (found === undefined) return this.#proveGrant(userTokenHash(token));
    if (this.#options.now() >= found.expiresAt) return undefined;
    const key = await this.#keys.get(found.keyId);
    if (key === undefined || this.#options.now() >= endOf(key)) return undefined;
    return byKey(key, found.keyId);
  }

  async #proveSession(token: string): Promise<Proven | undefined> {
    return isToken(token) ? this.#proveGrant(hashSecret(token)) : undefined;
  }

  async #proveGrant(tokenHash: Uint8Array): Promise<Proven | undefined> {
    const session = await this.#sessions.get(hex(tokenHash));
    if (session === undefined || this.#options.now() >= session.expiresAt) return undefined;
    const { principal, userId, username } = session;
    return { principal, by: { user: userId }, name: { user: username } };
  }
}

function byKey({ principal }: StoredKey, id: string): Proven {
  return { principal, by: { key: id }, name: { key: id } };
}

function userTokenHash(accessToken: string): Uint8Array {
  return hashSecret(`Bearer ${accessToken}`);
}

/** A revocation is not compared with the clock, which may be set back. */
function endOf({ expiresAt, revokedAt }: StoredKey): EpochMs {
  return revokedAt === undefined ? (expiresAt ?? Number.POSITIVE_INFINITY) : 0;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
