import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { Unusable } from './failures.ts';

/** The setting that names the secrets, for messages to the operator. */
const settingName = 'SENTLOG_SECRET';

const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
const keyBytes = 32;
const idBytes = 6;

const sealedPattern = /^sealed1\.([\w-]{8})\.([\w-]+)$/;

type Key = { readonly id: string; readonly bytes: Uint8Array };

/**
 * Seals what others entrusted to us (keys of their accounts, tokens) so that it can be kept: AES-256-GCM under a key
 * that is derived from a secret of the operator. A sealed text names the key it was sealed under, and is bound to its
 * owner: it opens for that one only, so that a row copied to another place is of no use there.
 *
 * The first secret seals; each opens what was sealed under it. To change the secret, put a new one first, seal again
 * what `isCurrent` denies, and take the old one away.
 */
export class Secrets {
  readonly #keys: readonly Key[];

  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map(derivedKey);
  }

  /** Whether anything can be sealed at all. */
  get areGiven(): boolean {
    return this.#keys.length > 0;
  }

  /** `owner` says whose it is and what it is for, such as `mirror 3 key`. Throws `Unusable` when no secret is given. */
  seal(plain: string, owner: string): string {
    const [key] = this.#keys;
    if (key === undefined)
      throw new Unusable(
        `${settingName} is not set: what others entrust to sentlog is kept encrypted under it (openssl rand -base64 32 makes one)`,
      );
    const iv = randomBytes(ivBytes);
    const sealing = createCipheriv(cipher, key.bytes, iv, { authTagLength: tagBytes }).setAAD(boundTo(owner, key));
    const body = Buffer.concat([iv, sealing.update(plain, 'utf8'), sealing.final(), sealing.getAuthTag()]);
    return `sealed1.${key.id}.${body.toString('base64url')}`;
  }

  /** Throws `Unusable` when the secret it was sealed under is not given, or the text is not what `seal` made for this owner. */
  open(sealed: string, owner: string): string {
    const [, id, text = ''] = sealedPattern.exec(sealed) ?? [];
    const body = Buffer.from(text, 'base64url');
    if (id === undefined || body.length < ivBytes + tagBytes) throw damaged(owner);
    const key = this.#keys.find(one => one.id === id);
    if (key === undefined)
      throw new Unusable(
        this.areGiven
          ? `${owner} was sealed under another secret than ${settingName} names: name that one too, after a comma`
          : `${settingName} is not set: ${owner} is kept encrypted under it`,
      );
    const opening = createDecipheriv(cipher, key.bytes, body.subarray(0, ivBytes), { authTagLength: tagBytes })
      .setAAD(boundTo(owner, key))
      .setAuthTag(body.subarray(-tagBytes));
    try {
      return Buffer.concat([opening.update(body.subarray(ivBytes, -tagBytes)), opening.final()]).toString('utf8');
    } catch {
      throw damaged(owner);
    }
  }

  /**
   * Secrets of our own that follow from those of the operator, for one purpose each, such as `webhook of m`: nothing of them
   * is kept. The first is to be told to others; each is good while its secret is named.
   */
  derived(purpose: string): readonly string[] {
    return this.#keys.map(({ bytes }) => createHmac('sha256', bytes).update(`derived ${purpose}`).digest('base64url'));
  }

  /** Whether it was sealed under the first secret; otherwise it should be sealed anew. */
  isCurrent(sealed: string): boolean {
    return this.#keys[0] !== undefined && sealedPattern.exec(sealed)?.[1] === this.#keys[0].id;
  }
}

/** The id tells two secrets apart and nothing of either. */
function derivedKey(secret: string): Key {
  const bytes = (info: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `sentlog ${info}`, length));
  return { id: bytes('key id', idBytes).toString('base64url'), bytes: bytes('sealing key', keyBytes) };
}

function boundTo(owner: string, { id }: Key): Buffer {
  return Buffer.from(`sealed1\0${id}\0${owner}`);
}

function damaged(owner: string): Unusable {
  return new Unusable(`what is kept as ${owner} is damaged, or was not sealed for it`);
}
