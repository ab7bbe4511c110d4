/** What an `Authorization` header claims; nothing of it is proven yet. */
export type Claim =
  | { readonly kind: 'app'; readonly key: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'ibsso'; readonly token: string };

const headerPattern = /^([A-Za-z]+) +([A-Za-z0-9._~+/=-]+)$/;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `undefined` for anything but one of the four kinds, well formed. Only the scheme's letter case is free. */
export function parseAuthorization(header: string): Claim | undefined {
  const [, scheme, value] = headerPattern.exec(header) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  switch (scheme.toLowerCase()) {
    case 'app':
      return { kind: 'app', key: value };
    case 'basic':
      return parseBasic(value);
    case 'bearer':
      return { kind: 'bearer', token: value };
    case 'ibsso':
      return { kind: 'ibsso', token: value };
    default:
      return undefined;
  }
}

function parseBasic(value: string): Claim | undefined {
  if (!base64Pattern.test(value)) return undefined;
  const bytes = Buffer.from(value, 'base64');
  // Many clients write Latin-1 unless they are told otherwise: Java's okhttp, Python's requests.
  const pair = decodeUtf8(bytes) ?? bytes.toString('latin1');
  const colon = pair.indexOf(':');
  if (colon < 1) return undefined;
  return { kind: 'basic', username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
