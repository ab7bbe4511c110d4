import { type DeliveryError, deliveryErrorByKey, type Status, statusByKey } from '../../domain/registry.ts';

/** What a sender's own status or error says beyond the registry. */
type Words = { readonly status?: string; readonly action?: string; readonly error?: string };

/** JSON of what the codes' keys do not tell; `undefined` for the registry's own words, which nearly all have. */
export function wordsOf(status: Status | undefined, error: DeliveryError | undefined): string | undefined {
  const words: Words = {
    ...(status !== undefined &&
      status.description !== statusByKey(status.key).description && { status: status.description }),
    ...(status?.action !== undefined && { action: status.action }),
    ...(error !== undefined &&
      error.description !== deliveryErrorByKey(error.key).description && { error: error.description }),
  };
  return Object.keys(words).length === 0 ? undefined : JSON.stringify(words);
}

export function statusOf(key: number, wordsText: string | undefined): Status {
  const status = statusByKey(key);
  if (wordsText === undefined) return status;
  const words: Words = JSON.parse(wordsText);
  return {
    ...status,
    ...(words.status !== undefined && { description: words.status }),
    ...(words.action !== undefined && { action: words.action }),
  };
}

export function errorOf(key: number, wordsText: string | undefined): DeliveryError {
  const error = deliveryErrorByKey(key);
  if (wordsText === undefined) return error;
  const words: Words = JSON.parse(wordsText);
  return words.error === undefined ? error : { ...error, description: words.error };
}
