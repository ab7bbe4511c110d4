import { hash, randomInt, timingSafeEqual } from 'node:crypto';
import type { AccountId } from '../domain/message.ts';
import { limits } from '../limits.ts';

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const keyIdChars = 12;
/** 190 bits: too many to guess, so a plain SHA-256 of it may be stored. */
const keySecretChars = 32;
const tokenChars = 43;

const keyPattern = new RegExp(`^sentlog_([${base62}]{${keyIdChars}})_([${base62}]{${keySecretChars}})$`);
const keyIdPattern = new RegExp(`^(?:sentlog_)?([${base62}]{${keyIdChars}})$`);
const keySecretPattern = new RegExp(`^[${base62}]{${keySecretChars}}$`);
const tokenPattern = new RegExp(`^[${base62}]{${tokenChars}}$`);

/** The two parts of `sentlog_<id>_<secret>`: the id may be shown and logged, the secret is shown once and never kept. */
export type KeyParts = { readonly id: string; readonly secret: string };

/** Ids that older versions counted up lie below. */
const accountIdMin = 2 ** 32;

/**
 * An account's id is left to chance, so that it never comes again, also where the accounts were lost, or restored as
 * they were before it was made: what is in the log of an account that is gone is nobody's.
 */
export function newAccountId(): AccountId {
  return randomInt(accountIdMin, limits.accountIdEnd);
}

export function newKey(): KeyParts {
  return { id: randomText(keyIdChars), secret: randomText(keySecretChars) };
}

export function formatKey({ id, secret }: KeyParts): string {
  return `sentlog_${id}_${secret}`;
}

export function parseKey(text: string): KeyParts | undefined {
  const [, id, secret] = keyPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** The key id in `<id>`, `sentlog_<id>` or, for a command line where a whole key was pasted, the key itself. */
export function parseKeyId(text: string): string | undefined {
  return keyIdPattern.exec(text)?.[1] ?? parseKey(text)?.id;
}

/** OAuth 2 client credentials: a key's id (also as `sentlog_<id>`) with its secret, or with the whole key. */
export function parseClient(clientId: string, clientSecret: string): KeyParts | undefined {
  const id = keyIdPattern.exec(clientId)?.[1];
  if (id === undefined) return undefined;
  if (keySecretPattern.test(clientSecret)) return { id, secret: clientSecret };
  const key = parseKey(clientSecret);
  return key?.id === id ? key : undefined;
}

/** A session or access token: nothing but chance, so that it says nothing and cannot be guessed. */
export function newToken(): string {
  return randomText(tokenChars);
}

export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

export function hashSecret(secret: string): Uint8Array {
  return hash('sha256', secret, 'buffer');
}

/** Takes the same time wherever the two differ. */
export function matchesHash(secret: string, expected: Uint8Array): boolean {
  return timingSafeEqual(hashSecret(secret), expected);
}

function randomText(chars: number): string {
  let text = '';
  for (let at = 0; at < chars; at++) text += base62.charAt(randomInt(base62.length));
  return text;
}
