import type { AccountId, EpochMs } from '../domain/message.ts';
import { Unusable } from '../failures.ts';
import { limits } from '../limits.ts';
import type { Secrets } from '../secrets.ts';
import { baseOf, checkedBase } from './address.ts';
import { windowMs } from './pace.ts';
import { keyOwner, type Mirror, MirrorError, type MirrorRows } from './rows.ts';
import { type Webhook, webhookUrl } from './subscriptions.ts';

export type MirrorRequest = {
  readonly name: string;
  readonly account: AccountId;
  readonly from: string;
  readonly key: string;
  readonly requestsPerMinute?: number;
  readonly sinceMs?: number;
};

export const requestsPerMinuteDefault = 60;
const nameCharsMax = 64;

/**
 * Mirrors, by the rules for them: what the commands change, also while servers run them. Every method rejects with
 * `MirrorError` for what the operator can put right, and with `Unusable` when keys cannot be sealed or opened. Closing
 * it closes the rows.
 */
export class Mirrors {
  readonly #rows: MirrorRows;
  readonly #secrets: Secrets;
  readonly #now: () => EpochMs;

  constructor(rows: MirrorRows, secrets: Secrets, now: () => EpochMs) {
    this.#rows = rows;
    this.#secrets = secrets;
    this.#now = now;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  async add(request: MirrorRequest): Promise<Mirror> {
    const { name, account, from, key, requestsPerMinute = requestsPerMinuteDefault, sinceMs = windowMs } = request;
    checkName(name);
    checkKey(key);
    checkRequests(requestsPerMinute);
    if (sinceMs > windowMs)
      throw new MirrorError('the other side keeps 48 hours: no more can be read', { of: 'since' });
    const mirror = { name, account, from: checkedBase(from), requestsPerMinute, sinceMs, createdAt: this.#now() };
    const made = await this.#rows.add(mirror, this.#secrets.seal(key, keyOwner(name)));
    if (made === undefined) throw new MirrorError(`there is already a mirror "${name}"`, { of: 'name' });
    return made;
  }

  /** Adds it, or brings what is there to what is asked for. */
  async ensure(request: MirrorRequest): Promise<Mirror> {
    const there = (await this.list()).find(one => one.name === request.name);
    if (there === undefined) return this.add(request);
    if (there.account !== request.account)
      throw new MirrorError(`the mirror "${there.name}" is of another account: remove it, or choose another name`);
    const { requestsPerMinute = there.requestsPerMinute } = request;
    checkRequests(requestsPerMinute);
    // The key goes there already: where an older version let it go in the clear, that does not end with an update.
    const from = baseOf(request.from) === there.from ? there.from : checkedBase(request.from);
    const isSame = this.flawOfKey(there) === undefined && this.key(there) === request.key && there.from === from;
    if (!isSame || there.requestsPerMinute !== requestsPerMinute)
      await this.#rows.change(there.id, {
        from,
        requestsPerMinute,
        sealedKey: this.#secrets.seal(request.key, keyOwner(there.name)),
      });
    // A mirror that rests because its key was refused goes on with another one.
    if (!isSame && there.pause !== undefined) await this.#rows.pause(there.id, undefined);
    return this.mirror(there.name);
  }

  /** By name. */
  list(): Promise<readonly Mirror[]> {
    return this.#rows.mirrors();
  }

  /** Of one account alone, where it is given: to it, those of others are not there. */
  async mirror(name: string, account?: AccountId): Promise<Mirror> {
    const found = (await this.list()).find(
      one => one.name === name && (account === undefined || one.account === account),
    );
    if (found === undefined) throw new MirrorError(`there is no mirror "${name}"`);
    return found;
  }

  async pause(name: string, reason: string): Promise<void> {
    const { id, pause } = await this.mirror(name);
    if (pause === undefined) await this.#rows.pause(id, { reason, at: this.#now() });
  }

  /** Lets it go on, with another key if one is given. */
  async resume(name: string, key?: string): Promise<void> {
    const { id } = await this.mirror(name);
    if (key !== undefined) {
      checkKey(key);
      await this.#rows.change(id, { sealedKey: this.#secrets.seal(key, keyOwner(name)) });
    }
    await this.#rows.pause(id, undefined);
  }

  /** What it kept in the log stays there. */
  async remove(name: string): Promise<void> {
    await this.#rows.remove((await this.mirror(name)).id);
  }

  /** The key to the other side. */
  key({ name, sealedKey }: Mirror): string {
    return this.#secrets.open(sealedKey, keyOwner(name));
  }

  /** Why the other side cannot be asked with the key that is kept, if it cannot. */
  flawOfKey(mirror: Mirror): string | undefined {
    try {
      this.key(mirror);
      return undefined;
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      return error.message;
    }
  }

  /** Whether keys can be opened here at all: a command may have been given no secret, and a server has one. */
  get hasSecrets(): boolean {
    return this.#secrets.areGiven;
  }

  /** What proves a webhook: the end of its path, and the password of Basic credentials. The first of each is told to others. */
  webhookSecrets({ name }: Pick<Mirror, 'name'>): {
    readonly paths: readonly string[];
    readonly passwords: readonly string[];
  } {
    return {
      paths: this.#secrets.derived(`webhook path of ${name}`),
      passwords: this.#secrets.derived(`webhook password of ${name}`),
    };
  }

  /** Where the webhooks of a mirror arrive at `server`, and what proves them. */
  webhook(name: string, server: string): Webhook {
    const { paths, passwords } = this.webhookSecrets({ name });
    const [[path], [password]] = [paths, passwords];
    if (path === undefined || password === undefined)
      throw new MirrorError('SENTLOG_SECRET is not set: what proves a webhook follows from it');
    return { url: webhookUrl(server, name, path), user: name, password };
  }

  /** Seals anew what was sealed under an older secret; how many. */
  async renew(): Promise<number> {
    const older = (await this.list()).filter(
      one => !this.#secrets.isCurrent(one.sealedKey) && this.flawOfKey(one) === undefined,
    );
    for (const one of older)
      await this.#rows.change(one.id, { sealedKey: this.#secrets.seal(this.key(one), keyOwner(one.name)) });
    return older.length;
  }
}

function checkName(name: string): void {
  if (!/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i.test(name) || name.length > nameCharsMax)
    throw new MirrorError(
      `the name of a mirror has 1 to ${nameCharsMax} letters, digits, dots, dashes and underscores: "${name}" is none`,
      { of: 'name' },
    );
}

/** What a header can carry. */
function checkKey(key: string): void {
  if (!/^[\x21-\x7e]{1,1024}$/.test(key))
    throw new MirrorError('a key is one line of printable characters without spaces', { of: 'key' });
}

function checkRequests(requestsPerMinute: number): void {
  if (
    !Number.isSafeInteger(requestsPerMinute) ||
    requestsPerMinute < 1 ||
    requestsPerMinute > limits.mirrorRequestsPerMinuteMax
  )
    throw new MirrorError(`requests a minute are a whole number from 1 to ${limits.mirrorRequestsPerMinuteMax}`, {
      of: 'requestsPerMinute',
    });
}
