import { ApiError } from '../errors.ts';

/** The media type of a body, in lower case; an `ApiError` 415 unless it is one of `accepted`, in UTF-8. */
export function mediaType<const T extends string>(contentType: string | undefined, accepted: readonly T[]): T {
  const [type = '', ...parameters] = (contentType ?? '').split(';');
  const found = accepted.find(one => one === type.trim().toLowerCase());
  if (found === undefined || !parameters.every(isUtf8Parameter))
    throw new ApiError('E415', {
      violations: [{ property: 'Content-Type', violation: `must be ${accepted.join(' or ')}, in UTF-8` }],
    });
  return found;
}

/** Taken apart by hand: a header may be long, and a pattern with blanks everywhere tries all ways to share them out. */
function isUtf8Parameter(parameter: string): boolean {
  const at = parameter.indexOf('=');
  if (at < 0 || parameter.slice(0, at).trim().toLowerCase() !== 'charset') return true;
  const value = parameter.slice(at + 1).trim();
  return ['utf-8', 'utf8', 'us-ascii'].includes(unquoted(value).toLowerCase());
}

function unquoted(value: string): string {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1).trim() : value;
}

/** Whether a body is compressed; an `ApiError` 415 for a way that is not understood. */
export function isGzipped(contentEncoding: string | undefined): boolean {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return false;
  if (encoding === 'gzip' || encoding === 'x-gzip') return true;
  throw new ApiError('E415', { violations: [{ property: 'Content-Encoding', violation: 'must be gzip or identity' }] });
}
