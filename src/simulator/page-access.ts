import { createHmac, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { EpochMs } from '../domain/message.ts';
import type { GraphError } from './destinations.ts';
import type { Fields } from './form.ts';

export type AccessTerms = {
  /** Pages by their token; any token is good for any page when absent. */
  readonly tokens?: Readonly<Record<string, string>>;
  /** Proofs are checked with it, and webhooks signed. */
  readonly appSecret: string;
  /** A call without `appsecret_proof` is refused. */
  readonly requiresProof: boolean;
};

/** The page of a token where none was named. */
const onlyPage = '100000000000001';
const proofAgeSecondsMax = 300;
/** Of so many tokens the proof is kept: a program calls with the same ones again and again. */
const proofsMax = 1000;

/** Whether a call may send over a page, as Graph decides it. */
export class PageAccess {
  readonly #terms: AccessTerms;
  readonly #revoked = new Set<string>();
  readonly #proofs = new LRUCache<string, Buffer>({ max: proofsMax });

  constructor(terms: AccessTerms) {
    this.#terms = terms;
  }

  revoke(token: string): void {
    this.#revoked.add(token);
  }

  reset(): void {
    this.#revoked.clear();
  }

  /** The page that is meant, or why the call is refused. `me` is the page that owns the token. */
  pageFor(named: string, fields: Fields, authorization: string | undefined, now: EpochMs): string | GraphError {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? textOf(fields.access_token);
    if (token === undefined)
      return { code: 2500, message: 'An active access token must be used to query information.', httpStatus: 400 };
    const owned = this.#terms.tokens === undefined ? undefined : this.#terms.tokens[token];
    if (this.#revoked.has(token) || (this.#terms.tokens !== undefined && owned === undefined))
      return { code: 190, subcode: 460, message: 'Error validating access token.', httpStatus: 401 };
    const flaw = this.#proofFlaw(token, fields, now);
    if (flaw !== undefined) return flaw;
    const page = named === 'me' ? (owned ?? onlyPage) : named;
    if (owned !== undefined && owned !== page)
      return { code: 100, subcode: 33, message: `Unsupported post request. Object with ID '${page}' does not exist` };
    return page;
  }

  #proofFlaw(token: string, fields: Fields, now: EpochMs): GraphError | undefined {
    const proof = textOf(fields.appsecret_proof);
    const time = textOf(fields.appsecret_time);
    if (proof === undefined)
      return this.#terms.requiresProof
        ? { code: 100, message: 'API calls from the server require an appsecret_proof argument' }
        : undefined;
    const wrong = { code: 100, message: 'Invalid appsecret_proof provided in the API argument' };
    if (time !== undefined && Math.abs(now / 1000 - Number(time)) > proofAgeSecondsMax) return wrong;
    const expected = this.#proofOf(time === undefined ? token : `${token}|${time}`);
    const given = Buffer.from(proof, 'hex');
    return given.length === expected.length && timingSafeEqual(given, expected) ? undefined : wrong;
  }

  #proofOf(text: string): Buffer {
    const known = this.#proofs.get(text);
    if (known !== undefined) return known;
    const proof = createHmac('sha256', this.#terms.appSecret).update(text).digest();
    this.#proofs.set(text, proof);
    return proof;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
