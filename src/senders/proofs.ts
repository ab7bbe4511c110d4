import type { AccountId } from '../domain/message.ts';
import { Unusable } from '../failures.ts';
import type { SenderPage } from './rows.ts';

/** Whose proof it is when a webhook with events of a page is signed with this secret. */
export type Proof = { readonly account: AccountId; readonly appSecret: string };

type Open = (account: AccountId, page: string, sealed: string) => string;

/** The secrets that prove webhooks, page by page: each is opened once for as long as its sender has it. */
export class Proofs {
  readonly #open: Open;
  readonly #unopened: (reason: string) => void;
  #senders: readonly SenderPage[] = [];
  #byPage: ReadonlyMap<string, readonly Proof[]> = new Map();
  /** By what is kept, with whose it is; `undefined` is what cannot be opened. */
  #opened = new Map<string, string | undefined>();

  constructor(open: Open, unopened: (reason: string) => void) {
    this.#open = open;
    this.#unopened = unopened;
  }

  of(senders: readonly SenderPage[]): ReadonlyMap<string, readonly Proof[]> {
    if (senders === this.#senders) return this.#byPage;
    const before = this.#opened;
    const opened = new Map<string, string | undefined>();
    const byPage = new Map<string, Proof[]>();
    for (const { account, page, sealedAppSecrets } of senders)
      for (const sealed of sealedAppSecrets) {
        const key = JSON.stringify([account, page, sealed]);
        const appSecret = before.has(key) ? before.get(key) : this.#tried(account, page, sealed);
        opened.set(key, appSecret);
        if (appSecret === undefined) continue;
        const those = byPage.get(page);
        if (those === undefined) byPage.set(page, [{ account, appSecret }]);
        else those.push({ account, appSecret });
      }
    this.#senders = senders;
    this.#opened = opened;
    this.#byPage = byPage;
    return byPage;
  }

  /** One that cannot be opened is its sender's trouble, and nobody else's. */
  #tried(account: AccountId, page: string, sealed: string): string | undefined {
    try {
      return this.#open(account, page, sealed);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      this.#unopened(error.message);
      return undefined;
    }
  }
}
