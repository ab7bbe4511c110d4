import type { AccountId, EpochMs } from '../domain/message.ts';
import { webhookUrlFlaw } from '../domain/webhook-url.ts';
import type { Secrets } from '../secrets.ts';
import { Known } from './known.ts';
import { SenderError } from './rows.ts';

/** Where the reports of an account are pushed when a message names no address; its secret stays sealed. */
export type ReportPlace = {
  readonly account: AccountId;
  readonly deliveryUrl?: string;
  readonly seenUrl?: string;
  readonly contentType: 'application/json' | 'application/xml';
  readonly sealedSecret?: string;
  readonly changedAt: EpochMs;
};

/** Where they are kept; several processes may change them at once. */
export interface ReportPlaceRows {
  /** In the place of what was there of this account. */
  putPlace(place: ReportPlace): Promise<void>;
  places(): Promise<readonly ReportPlace[]>;
  /** `false` when there was none. */
  removePlace(account: AccountId): Promise<boolean>;
}

export type ReportPlaceRequest = Omit<ReportPlace, 'sealedSecret' | 'changedAt'> & {
  /** Pushes are signed with it, those to addresses of single messages too. */
  readonly secret?: string;
};

/** Rejects with `SenderError` for what the operator can put right, and with `Unusable` when no secret can be sealed. */
export class ReportPlaces {
  readonly #rows: ReportPlaceRows;
  readonly #secrets: Secrets;
  readonly #now: () => EpochMs;
  readonly #known: Known<readonly ReportPlace[]>;

  constructor(rows: ReportPlaceRows, secrets: Secrets, now: () => EpochMs) {
    this.#rows = rows;
    this.#secrets = secrets;
    this.#now = now;
    this.#known = new Known(() => rows.places());
  }

  async set({ secret, ...place }: ReportPlaceRequest): Promise<void> {
    const { account, deliveryUrl, seenUrl } = place;
    if (deliveryUrl === undefined && seenUrl === undefined && secret === undefined)
      throw new SenderError('give an address for delivery reports, for seen reports, or a secret to sign them with');
    for (const [of, url] of Object.entries({ deliveryUrl, seenUrl })) if (url !== undefined) checkUrl(of, url);
    if (secret !== undefined && !/^[\x21-\x7e]{16,2048}$/.test(secret))
      throw new SenderError('a secret to sign with has 16 to 2048 ASCII characters, and no spaces', { of: 'secret' });
    await this.#rows.putPlace({
      ...place,
      ...(secret !== undefined && { sealedSecret: this.#secrets.seal(secret, ownerOf(account)) }),
      changedAt: this.#now(),
    });
    this.#known.forget();
  }

  async remove(account: AccountId): Promise<void> {
    if (!(await this.#rows.removePlace(account)))
      throw new SenderError('reports of this account are not pushed', { of: 'account' });
    this.#known.forget();
  }

  list(): Promise<readonly ReportPlace[]> {
    return this.#rows.places();
  }

  /** For a server, which asks all the time: no older than a second. */
  known(): Promise<readonly ReportPlace[]> {
    return this.#known.value();
  }

  secretOf({ account, sealedSecret }: ReportPlace): string | undefined {
    return sealedSecret === undefined ? undefined : this.#secrets.open(sealedSecret, ownerOf(account));
  }
}

function ownerOf(account: AccountId): string {
  return `reports ${account}`;
}

function checkUrl(of: string, text: string): void {
  const flaw = webhookUrlFlaw(text);
  if (flaw !== undefined) throw new SenderError(`the address of reports ${flaw}`, { of });
}
