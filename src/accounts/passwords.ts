import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '../domain/message.ts';
import { Turns } from '../turns.ts';

/** Cost of one password check: 16 MiB and some 150 ms of one core. Stored with each hash, so that it may rise. */
type ScryptCost = { readonly log2N: number; readonly r: number; readonly p: number };
const presentCost: ScryptCost = { log2N: 14, r: 8, p: 5 };

const saltBytes = 16;
const hashBytes = 32;

/** Checks at once: each holds a thread of the pool that file access needs too, and its memory. */
const checksAtOnceMax = 2;
const checksWaitingMax = 64;
const verifiedMax = 1000;
const verifiedForMs = 5 * 60_000;

/** `$scrypt$ln=14,r=8,p=5$<salt>$<hash>`, the PHC string form. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  return storedForm(presentCost, salt, await derive(password, salt, presentCost));
}

function storedForm({ log2N, r, p }: ScryptCost, salt: Buffer, hashed: Buffer): string {
  return `$scrypt$ln=${log2N},r=${r},p=${p}$${salt.toString('base64')}$${hashed.toString('base64')}`;
}

type Verified = { readonly fingerprint: Buffer; readonly stored: string; readonly until: EpochMs };

/**
 * Checks passwords against their stored hashes, and remembers for a while what it found right, so that a client that
 * sends its password with every request pays for scrypt once. What it remembers is a hash keyed with a number of this
 * process, held together with the stored hash: a changed password is never taken for the old one.
 */
export class PasswordVerifier {
  readonly #now: () => EpochMs;
  readonly #fingerprintKey = randomBytes(32);
  readonly #verified = new Map<string, Verified>();
  readonly #running = new Map<string, Promise<boolean>>();
  /** Stands in for the hash of a user that is not there; nothing matches it. */
  readonly #absent = storedForm(presentCost, randomBytes(saltBytes), randomBytes(hashBytes));
  readonly #turns = new Turns<string>(checksAtOnceMax, {
    waitingMax: checksWaitingMax,
    refusal: 'too many passwords to check at once',
  });

  constructor(now: () => EpochMs) {
    this.#now = now;
  }

  /**
   * `stored` is `undefined` when there is no such user: that costs what a wrong password costs, and is `false`. Checks
   * wait for each other, and their askers take turns.
   * Rejects with `Unavailable` when too many checks wait already.
   */
  async verify(username: string, password: string, stored: string | undefined, asker: string): Promise<boolean> {
    const fingerprint = this.#fingerprint(password);
    if (stored !== undefined && this.#isVerified(username, fingerprint, stored)) return true;
    const check = JSON.stringify([username, fingerprint.toString('base64'), stored]);
    const running = this.#running.get(check);
    if (running !== undefined) return running;
    const started = this.#turns
      .run(asker, () => this.#check(username, password, fingerprint, stored))
      .finally(() => this.#running.delete(check));
    this.#running.set(check, started);
    return started;
  }

  #isVerified(username: string, fingerprint: Buffer, stored: string): boolean {
    const known = this.#verified.get(username);
    if (known === undefined || known.stored !== stored || known.until <= this.#now()) return false;
    if (!timingSafeEqual(known.fingerprint, fingerprint)) return false;
    // What is in use, by a stream say, is never checked behind others again.
    this.#remember(username, fingerprint, stored);
    return true;
  }

  async #check(username: string, password: string, fingerprint: Buffer, stored: string | undefined): Promise<boolean> {
    const matches = await matchesPassword(password, stored ?? this.#absent);
    if (!matches || stored === undefined) return false;
    this.#remember(username, fingerprint, stored);
    return true;
  }

  #remember(username: string, fingerprint: Buffer, stored: string): void {
    const verified = { fingerprint, stored, until: this.#now() + verifiedForMs };
    this.#verified.delete(username);
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined && this.#verified.size >= verifiedMax) this.#verified.delete(oldest);
    this.#verified.set(username, verified);
  }

  #fingerprint(password: string): Buffer {
    return createHmac('sha256', this.#fingerprintKey).update(password).digest();
  }
}

const storedPattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)$/;

async function matchesPassword(password: string, stored: string): Promise<boolean> {
  const [, log2N, r, p, salt, expected] = storedPattern.exec(stored) ?? [];
  if (salt === undefined || expected === undefined)
    throw new Error('a stored password is not in the form it was stored in');
  const cost = { log2N: Number(log2N), r: Number(r), p: Number(p) };
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), cost), Buffer.from(expected, 'base64'));
}

/** Normalised, so that an accented letter typed on another keyboard is the same password. */
function derive(password: string, salt: Uint8Array, { log2N, r, p }: ScryptCost): Promise<Buffer> {
  const cost = { N: 2 ** log2N, r, p, maxmem: 2 * 128 * r * 2 ** log2N + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hashBytes, cost, (error, hashed) =>
      error === null ? resolve(hashed) : reject(error),
    );
  });
}
