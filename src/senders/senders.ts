import type { AccountId, EpochMs, Price } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { Secrets } from '../secrets.ts';
import { Known } from './known.ts';
import { Proofs } from './proofs.ts';
import { SenderError, type SenderPage, type SenderRows } from './rows.ts';

export type SenderRequest = {
  readonly account: AccountId;
  readonly page: string;
  readonly name?: string;
  readonly price?: Price;
  /** Nothing is sent over a page that never had one: it is only watched. */
  readonly token?: string;
  /** `false` alone ends watching: what comes over the page from then on is not kept. */
  readonly isWatched?: boolean;
  readonly appSecret: string;
};

/** What Meta is called with. */
export type PageKeys = { readonly token: string; readonly appSecret: string };

/** During a change of an app's secret, webhooks are signed with the old one and the new one. */
const appSecretsMax = 2;

const strangePauseMs = 1000;

/**
 * The pages that accounts send over, by the rules for them: what the commands change, also while a server runs. Every
 * method rejects with `SenderError` for what the operator can put right, and with `Unusable` when secrets cannot be
 * sealed or opened. Closing it closes the rows.
 */
export class Senders {
  readonly #rows: SenderRows;
  readonly #secrets: Secrets;
  readonly #now: () => EpochMs;
  readonly #known: Known<readonly SenderPage[]>;
  readonly #proofs: Proofs;
  #strangeAt = Number.NEGATIVE_INFINITY;
  readonly #keys = new WeakMap<SenderPage, PageKeys>();
  #found: { readonly senders: readonly SenderPage[]; readonly byKey: ReadonlyMap<string, SenderPage> } = {
    senders: [],
    byKey: new Map(),
  };

  /** `unopened` is told once of each secret that webhooks cannot be proven by, since it cannot be opened. */
  constructor(rows: SenderRows, secrets: Secrets, now: () => EpochMs, unopened: (reason: string) => void = () => {}) {
    this.#rows = rows;
    this.#secrets = secrets;
    this.#now = now;
    this.#known = new Known(() => rows.senders());
    this.#proofs = new Proofs((account, page, sealed) => this.#appSecret(account, page, sealed), unopened);
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  /**
   * Adds a page, or changes it: what is not given stays as it was, and the app's secret before is still good for webhooks.
   * Resolves with the page as it is then.
   */
  async add(request: SenderRequest): Promise<SenderPage> {
    const { account, page, token, appSecret } = request;
    if (request.name !== undefined) checkName(request.name);
    if (!/^\d{1,64}$/.test(page))
      throw new SenderError(`"${page}" is not the id of a page: it is digits`, { of: 'page' });
    if (token !== undefined) checkKey('token', 'token', token);
    checkKey('appSecret', 'app secret', appSecret);
    if (request.price !== undefined) checkPrice(request.price);
    const before = (await this.list()).find(one => one.account === account && one.page === page);
    const { name = before?.name, price = before?.price, isWatched = before?.isWatched ?? false } = request;
    const sealedToken =
      token === undefined ? before?.sealedToken : this.#secrets.seal(token, ownerOf(account, page, 'token'));
    if (sealedToken === undefined && !isWatched) throw new SenderError(`give the token of page ${page}, or watch it`);
    const sealed = this.#secrets.seal(appSecret, ownerOf(account, page, 'app secret'));
    const others = (before?.sealedAppSecrets ?? []).filter(one => this.#appSecret(account, page, one) !== appSecret);
    const sender: SenderPage = {
      account,
      page,
      ...(name !== undefined && { name }),
      ...(price !== undefined && { price }),
      ...(sealedToken !== undefined && { sealedToken }),
      isWatched,
      sealedAppSecrets: [sealed, ...others].slice(0, appSecretsMax),
      changedAt: Math.max(this.#now(), (before?.changedAt ?? 0) + 1),
    };
    await this.#rows.put(sender);
    this.#known.forget();
    return sender;
  }

  async remove(account: AccountId, page: string): Promise<void> {
    if (!(await this.#rows.remove(account, page))) throw new SenderError(`there is no sender ${page}`, { of: 'page' });
    this.#known.forget();
  }

  list(): Promise<readonly SenderPage[]> {
    return this.#rows.senders();
  }

  /** For a server, which asks with every message: no older than a second. */
  known(): Promise<readonly SenderPage[]> {
    return this.#known.value();
  }

  /** As `known`. */
  async find(account: AccountId, page: string): Promise<SenderPage | undefined> {
    const senders = await this.known();
    if (this.#found.senders !== senders)
      this.#found = { senders, byKey: new Map(senders.map(one => [`${one.account} ${one.page}`, one])) };
    return this.#found.byKey.get(`${account} ${page}`);
  }

  /** The same object as long as the sender is: opening them is work. */
  keys(sender: SenderPage): PageKeys {
    let keys = this.#keys.get(sender);
    if (keys === undefined) {
      keys = this.#openedKeys(sender);
      this.#keys.set(sender, keys);
    }
    return keys;
  }

  #openedKeys({ account, page, sealedToken, sealedAppSecrets }: SenderPage): PageKeys {
    const [newest] = sealedAppSecrets;
    if (sealedToken === undefined) throw new SenderError(`the sender ${page} has no token: it is only watched`);
    if (newest === undefined) throw new SenderError(`the sender ${page} has no app secret: add it again`);
    return {
      token: this.#secrets.open(sealedToken, ownerOf(account, page, 'token')),
      appSecret: this.#appSecret(account, page, newest),
    };
  }

  /** Which accounts watch each page that is watched. */
  async watchers(): Promise<ReadonlyMap<string, readonly AccountId[]>> {
    const watched = Map.groupBy(
      (await this.known()).filter(one => one.isWatched),
      one => one.page,
    );
    return new Map([...watched].map(([page, those]) => [page, those.map(one => one.account)]));
  }

  /**
   * Of the pages that a webhook names, the accounts whose own secret for the page it is signed with; no other secret is
   * tried. Secrets of one app are one: it may serve several pages, of several accounts.
   */
  async signed(
    pages: readonly string[],
    isSignedWith: (secret: string) => boolean,
  ): Promise<ReadonlyMap<string, readonly AccountId[]>> {
    const byPage = this.#proofs.of(await this.known());
    const those = pages.flatMap(page => (byPage.get(page) ?? []).map(one => ({ ...one, page })));
    for (const [secret, signers] of Map.groupBy(those, one => one.appSecret)) {
      if (isSignedWith(secret))
        return new Map(
          [...Map.groupBy(signers, one => one.page)].map(([page, some]) => [page, some.map(one => one.account)]),
        );
      // Each is a walk through the body: others have their turn in between.
      await new Promise(setImmediate);
    }
    return new Map();
  }

  /**
   * Whether a webhook that names only pages that nobody here has is signed with a secret of somebody: another page of the
   * app, or the sample page of Meta's tests. It proves nothing of any page. Each secret is tried, so somebody who guesses
   * is not looked at again for a second.
   */
  async signedElsewhere(pages: readonly string[], isSignedWith: (secret: string) => boolean): Promise<boolean> {
    if (pages.length === 0) return false;
    const isAnyOurs = (senders: readonly SenderPage[]) => senders.some(one => pages.includes(one.page));
    if (isAnyOurs(await this.known())) return false;
    const now = this.#now();
    if (Math.abs(now - this.#strangeAt) < strangePauseMs) return false;
    this.#strangeAt = now;
    // What another process added just now is ours as well: it must be sent again, and not be taken for another's.
    this.#known.forget();
    const senders = await this.known();
    if (isAnyOurs(senders)) {
      this.#strangeAt = Number.NEGATIVE_INFINITY;
      return false;
    }
    const byPage = this.#proofs.of(senders);
    const secrets = new Set([...byPage.values()].flatMap(those => those.map(one => one.appSecret)));
    for (const secret of [...secrets].slice(0, limits.strangeWebhookSecretsMax)) {
      if (isSignedWith(secret)) {
        this.#strangeAt = Number.NEGATIVE_INFINITY;
        return true;
      }
      await new Promise(setImmediate);
    }
    return false;
  }

  #appSecret(account: AccountId, page: string, sealed: string): string {
    return this.#secrets.open(sealed, ownerOf(account, page, 'app secret'));
  }
}

function ownerOf(account: AccountId, page: string, what: 'token' | 'app secret'): string {
  return `sender ${account} ${page} ${what}`;
}

function checkKey(of: string, what: string, key: string): void {
  if (!/^[\x21-\x7e]{1,2048}$/.test(key))
    throw new SenderError(`the ${what} is not one: it has up to 2048 ASCII characters, and no spaces`, { of });
}

/** It goes to terminals and pages. */
function checkName(name: string): void {
  const max = limits.idCharsMax;
  if (name.trim() === '' || name.length > max || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name))
    throw new SenderError(`a name of a page has up to ${max} characters, and no control characters among them`, {
      of: 'name',
    });
}

function checkPrice({ pricePerMessage, currency }: Price): void {
  if (!(pricePerMessage >= 0 && pricePerMessage <= limits.pricePerMessageMax))
    throw new SenderError(`a price is a number from 0 to ${limits.pricePerMessageMax}`, { of: 'price' });
  if (!/^[A-Z]{3}$/.test(currency)) throw new SenderError('a currency is three capital letters', { of: 'currency' });
}
