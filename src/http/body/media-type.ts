import { ApiError } from '../errors.ts';

const parameterPattern = /^\s*([a-z0-9-]+)\s*=\s*"?([^";]*)"?\s*$/i;

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

function isUtf8Parameter(parameter: string): boolean {
  const [, name = '', value = ''] = parameterPattern.exec(parameter) ?? [];
  return name.toLowerCase() !== 'charset' || ['utf-8', 'utf8', 'us-ascii'].includes(value.trim().toLowerCase());
}

/** Whether a body is compressed; an `ApiError` 415 for a way that is not understood. */
export function isGzipped(contentEncoding: string | undefined): boolean {
  const encoding = (contentEncoding ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return false;
  if (encoding === 'gzip' || encoding === 'x-gzip') return true;
  throw new ApiError('E415', { violations: [{ property: 'Content-Encoding', violation: 'must be gzip or identity' }] });
}
