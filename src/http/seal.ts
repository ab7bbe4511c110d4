import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const algorithm = 'aes-256-gcm';
const sealedCharsMax = 4096;
/** What is sealed is padded to a multiple of this: the length of a bookmark tells how much the store has seen. */
const paddedBytes = 32;
const padding = '\0';

/**
 * Hands a text out in a form that only we can read, and only for what it was made for. Its nonce is made from what it
 * seals, so that the same text always has the same form.
 */
export class Seal {
  readonly #sealingKey: Uint8Array;
  readonly #nonceKey: Uint8Array;

  /** `secret` must outlive the process for what is sealed to do so. */
  constructor(secret: Uint8Array, purpose: string) {
    this.#sealingKey = new Uint8Array(hkdfSync('sha256', secret, '', `sentlog ${purpose} sealing`, 32));
    this.#nonceKey = new Uint8Array(hkdfSync('sha256', secret, '', `sentlog ${purpose} nonce`, 32));
  }

  /** Printable ASCII, for a printable text; it opens for an equal `bound` only. */
  seal(text: string, bound: string): string {
    const padded = text.padEnd(Math.ceil(text.length / paddedBytes) * paddedBytes, padding);
    const nonce = createHmac('sha256', this.#nonceKey)
      .update(JSON.stringify([bound, text]))
      .digest()
      .subarray(0, nonceBytes);
    const cipher = createCipheriv(algorithm, this.#sealingKey, nonce, { authTagLength: tagBytes });
    cipher.setAAD(Buffer.from(bound));
    const sealed = [Buffer.of(version), nonce, cipher.update(padded, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(sealed).toString('base64url');
  }

  /** `undefined` for anything but what was sealed with this very `bound`. */
  open(sealed: string, bound: string): string | undefined {
    const bytes = Buffer.from(sealed.slice(0, sealedCharsMax), 'base64url');
    const tagStart = bytes.length - tagBytes;
    const nonceEnd = 1 + nonceBytes;
    // The decoder passes over what is not base64url: only what it would write itself is ours.
    if (bytes.toString('base64url') !== sealed || bytes[0] !== version || tagStart < nonceEnd) return undefined;
    const nonce = bytes.subarray(1, nonceEnd);
    const decipher = createDecipheriv(algorithm, this.#sealingKey, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(bound));
    decipher.setAuthTag(bytes.subarray(tagStart));
    const opened = decipher.update(bytes.subarray(nonceEnd, tagStart));
    try {
      const padded = Buffer.concat([opened, decipher.final()]).toString('utf8');
      const end = padded.indexOf(padding);
      return end < 0 ? padded : padded.slice(0, end);
    } catch {
      // The only way this fails is that the seal does not fit.
      return undefined;
    }
  }
}
