import type { AccountId, EpochMs, Price } from '../domain/message.ts';
import { Refused } from '../failures.ts';

/** Something the operator can put right; `message` is one line that says what. */
export class SenderError extends Refused {
  override name = 'SenderError';
}

/** A page that an account sends over, or watches, as it may be shown: its token and secrets stay sealed. */
export type SenderPage = {
  readonly account: AccountId;
  /** Meta's id of the page: the `sender` of its messages. */
  readonly page: string;
  readonly name?: string;
  readonly price?: Price;
  /** Nothing is sent over a page without one. */
  readonly sealedToken?: string;
  /** What others send over it is kept as well. */
  readonly isWatched: boolean;
  /** Of the page's app, newest first: webhooks are signed with one of them. */
  readonly sealedAppSecrets: readonly string[];
  readonly changedAt: EpochMs;
};

/** Where senders are kept; several processes may change them at once. It keeps what it is given. */
export interface SenderRows {
  /** In the place of what was there of this account and page. */
  put(sender: SenderPage): Promise<void>;
  senders(): Promise<readonly SenderPage[]>;
  /** `false` when there was none. */
  remove(account: AccountId, page: string): Promise<boolean>;
  close(): Promise<void>;
}
