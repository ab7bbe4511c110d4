import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import type { Filter } from '../domain/filter.ts';
import type { AccountId, Binding } from '../domain/message.ts';
import type { Bookmark } from '../store/store.ts';
import { type ApiError, invalid } from './errors.ts';

/** What a walk is bound to: the account and key binding that ask, and the filter as it was asked. */
export type Walk = { readonly account: AccountId; readonly binding: Binding; readonly filter: Filter };

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const cursorCharsMax = 4096;
const algorithm = 'aes-256-gcm';

/**
 * Turns the store's bookmarks into cursors and back. A cursor is sealed, not only signed: a bookmark may tell how much
 * the store holds of everybody. Its nonce is made from what it seals, so that one page always has the same bytes.
 */
export class Cursors {
  readonly #sealingKey: Uint8Array;
  readonly #nonceKey: Uint8Array;

  /** `secret` must outlive the process for cursors to do so. */
  constructor(secret: Uint8Array) {
    this.#sealingKey = new Uint8Array(hkdfSync('sha256', secret, '', 'sentlog cursor sealing', 32));
    this.#nonceKey = new Uint8Array(hkdfSync('sha256', secret, '', 'sentlog cursor nonce', 32));
  }

  seal(bookmark: Bookmark, walk: Walk): string {
    const bound = fingerprint(walk);
    const nonce = createHmac('sha256', this.#nonceKey)
      .update(JSON.stringify([bound, bookmark]))
      .digest()
      .subarray(0, nonceBytes);
    const cipher = createCipheriv(algorithm, this.#sealingKey, nonce, { authTagLength: tagBytes });
    cipher.setAAD(Buffer.from(bound));
    const sealed = [Buffer.of(version), nonce, cipher.update(bookmark, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(sealed).toString('base64url');
  }

  /** An `ApiError` 400 for anything but a cursor that was sealed for this very walk. */
  open(cursor: string, walk: Walk): Bookmark {
    const bytes = Buffer.from(cursor.slice(0, cursorCharsMax), 'base64url');
    // The decoder passes over what is not base64url: only what it would write itself is a cursor of ours.
    const genuine = bytes.toString('base64url') === cursor && bytes[0] === version;
    const sealed = genuine ? this.#unseal(bytes, walk) : undefined;
    if (sealed === undefined) throw invalidCursor();
    return sealed;
  }

  #unseal(bytes: Buffer, walk: Walk): Bookmark | undefined {
    const nonceEnd = 1 + nonceBytes;
    const tagStart = bytes.length - tagBytes;
    if (tagStart < nonceEnd) return undefined;
    const nonce = bytes.subarray(1, nonceEnd);
    const decipher = createDecipheriv(algorithm, this.#sealingKey, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(fingerprint(walk)));
    decipher.setAuthTag(bytes.subarray(tagStart));
    const opened = decipher.update(bytes.subarray(nonceEnd, tagStart));
    try {
      return Buffer.concat([opened, decipher.final()]).toString('utf8');
    } catch {
      // The only way this fails is that the seal does not fit.
      return undefined;
    }
  }
}

export function invalidCursor(): ApiError {
  return invalid('cursor', 'is damaged, or belongs to another request: use it with the filters it was given for');
}

/** Equal for equal walks, whatever the order in which their parameters came. */
function fingerprint({ account, binding, filter }: Walk): string {
  const conditions = Object.entries(filter)
    .map(([name, value]) => [name, typeof value === 'object' ? value.toSorted() : value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return JSON.stringify([version, account, binding.applicationId ?? null, binding.entityId ?? null, conditions]);
}
