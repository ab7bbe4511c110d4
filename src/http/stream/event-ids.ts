import { randomBytes } from 'node:crypto';
import type { AccountId } from '../../domain/message.ts';
import type { Bookmark } from '../../store/store.ts';
import { Seal } from '../seal.ts';

/** A place in an account's changes that a listener has come to. */
export type EventPlace = {
  readonly id: string;
  readonly place: Bookmark;
  /** This process gave it, and has therefore come to it itself. */
  readonly own: boolean;
};

/** Turns places in the store's changes into event ids and back; sealed, since a place may tell of other accounts. */
export class EventIds {
  readonly #seal: Seal;
  readonly #instance = randomBytes(6).toString('base64url');

  /** `secret` must outlive the process for ids to do so. */
  constructor(secret: Uint8Array) {
    this.#seal = new Seal(secret, 'event id');
  }

  seal(place: Bookmark, account: AccountId): string {
    return this.#seal.seal(`${this.#instance} ${place}`, String(account));
  }

  /** `undefined` for anything but an id that was sealed for this account. */
  open(id: string, account: AccountId): EventPlace | undefined {
    const text = this.#seal.open(id, String(account));
    if (text === undefined) return undefined;
    const space = text.indexOf(' ');
    return { id, place: text.slice(space + 1), own: text.slice(0, space) === this.#instance };
  }
}
