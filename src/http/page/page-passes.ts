import { createHash } from 'node:crypto';
import type { EpochMs } from '../../domain/message.ts';
import { Seal } from '../seal.ts';

/** How long somebody may look at the page before it asks for another. */
const passMs = 12 * 3_600_000;

/**
 * What the page shows that it is the page: a text that only a server of this log can make, for the one session or key
 * that somebody has signed in with, and for a time. It proves nobody; it only says which budget a call is counted in.
 */
export class PagePasses {
  readonly #seal: Seal;
  readonly #now: () => EpochMs;

  /** `secret` is that of all servers over one log. */
  constructor(secret: Uint8Array, now: () => EpochMs) {
    this.#seal = new Seal(secret, 'page pass');
    this.#now = now;
  }

  issue(authorization: string): { readonly pass: string; readonly expiresInMs: number } {
    return { pass: this.#seal.seal(String(this.#now() + passMs), holderOf(authorization)), expiresInMs: passMs };
  }

  isGood(pass: string, authorization: string): boolean {
    const until = this.#seal.open(pass, holderOf(authorization));
    return until !== undefined && Number(until) > this.#now();
  }
}

function holderOf(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64');
}
