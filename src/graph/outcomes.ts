import { type DeliveryError, deliveryErrorNamed } from '../domain/registry.ts';
import { codeRows, type Effect, retriesMax } from './error-codes.ts';

/** What came back from Graph. */
export type GraphAnswer =
  | {
      readonly kind: 'response';
      readonly httpStatus: number;
      /** As it came: a gateway may answer with a page. */
      readonly text: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** No byte of the request can have arrived. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** The request may have arrived; its answer did not. */
  | { readonly kind: 'lost'; readonly reason: string };

/** What became of one try to send. */
export type Outcome =
  | { readonly kind: 'sent'; readonly mid: string; readonly psid?: string }
  /** Taken, and there is no message of which a receipt could come. */
  | { readonly kind: 'done' }
  | { readonly kind: 'unknown'; readonly reason: string }
  | {
      readonly kind: 'failed';
      readonly effect: Exclude<Effect, 'unknown'>;
      readonly error: DeliveryError;
      /** How many times it is tried again before the failure counts; what Graph holds up, as long as it is valid. */
      readonly retries: number;
      /** For the operator's log. */
      readonly reason: string;
    };

const providerInternal = deliveryErrorNamed('EC_PROVIDER_INTERNAL_ERROR');
const providerTimeout = deliveryErrorNamed('EC_PROVIDER_TIMEOUT');
const tooMany = deliveryErrorNamed('EC_TOO_MANY_REQUESTS');
const unknownUser = deliveryErrorNamed('EC_UNKNOWN_USER');
const unknownError = deliveryErrorNamed('EC_UNKNOWN_ERROR');

const rows = codeRows.map(([code, subcode, error, effect, retries = 0]) => {
  const [from, to] = typeof code === 'number' ? [code, code] : code;
  return { from, to, subcode, error: deliveryErrorNamed(error), effect, retries };
});

/** Judges by code and subcode, never by the HTTP status or the words: both differ for the same error. */
export function outcomeOf(answer: GraphAnswer): Outcome {
  switch (answer.kind) {
    case 'unreachable':
      return failed('outage', providerTimeout, 0, answer.reason);
    case 'lost':
      return { kind: 'unknown', reason: answer.reason };
    case 'response':
      return outcomeOfResponse(answer.httpStatus, answer.text);
  }
}

function outcomeOfResponse(httpStatus: number, text: string): Outcome {
  const body = parsedObject(text);
  const error = objectIn(body, 'error');
  if (error !== undefined) return outcomeOfError(error, httpStatus);
  const mid = textIn(body, 'message_id');
  const psid = textIn(body, 'recipient_id') ?? textIn(body, 'recipient');
  if (mid !== undefined) return { kind: 'sent', mid, ...(psid !== undefined && { psid }) };
  if (httpStatus >= 200 && httpStatus < 300) {
    // A sender action is answered without a message; anything else that says 200 without one may have been sent.
    if (psid !== undefined) return { kind: 'done' };
    return { kind: 'unknown', reason: `HTTP ${httpStatus} without a message id` };
  }
  const reason = `HTTP ${httpStatus} without an error of Graph's`;
  if (httpStatus === 429) return failed('throttled', tooMany, 0, reason);
  if (isGatewayGivingUp(httpStatus)) return { kind: 'unknown', reason };
  if (httpStatus >= 500) return failed('outage', providerInternal, 0, reason);
  return failed('permanent', unknownError, 0, reason);
}

/** It may have passed the request on before. */
function isGatewayGivingUp(httpStatus: number): boolean {
  return httpStatus === 502 || httpStatus === 504;
}

function outcomeOfError(error: object, httpStatus: number): Outcome {
  const code = numberIn(error, 'code');
  const subcode = numberIn(error, 'error_subcode');
  const reason = `Graph error ${code ?? 'without a code'}${subcode === undefined ? '' : `/${subcode}`}`;
  const row = rows.find(
    one => code !== undefined && code >= one.from && code <= one.to && (one.subcode === '*' || one.subcode === subcode),
  );
  if (code === 100 && subcode === undefined && /no matching user|invalid fbid/i.test(textIn(error, 'message') ?? ''))
    return failed('permanent', unknownUser, 0, reason);
  if (row !== undefined) {
    if (row.effect === 'unknown') return { kind: 'unknown', reason };
    return failed(row.effect, row.error, row.retries, reason);
  }
  if (httpStatus === 429) return failed('throttled', tooMany, 0, reason);
  // Errors of Graph's have a code: this one is a gateway's.
  if (code === undefined && isGatewayGivingUp(httpStatus)) return { kind: 'unknown', reason };
  if (httpStatus >= 500 || Reflect.get(error, 'is_transient') === true)
    return failed('service', providerInternal, retriesMax, reason);
  return failed('retry', unknownError, 1, reason);
}

function failed(effect: Exclude<Effect, 'unknown'>, error: DeliveryError, retries: number, reason: string): Outcome {
  return { kind: 'failed', effect, error, retries, reason };
}

function parsedObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function objectIn(value: object | undefined, name: string): object | undefined {
  const inner: unknown = value === undefined ? undefined : Reflect.get(value, name);
  return typeof inner === 'object' && inner !== null ? inner : undefined;
}

function textIn(value: object | undefined, name: string): string | undefined {
  const inner: unknown = value === undefined ? undefined : Reflect.get(value, name);
  return typeof inner === 'string' && inner !== '' ? inner : undefined;
}

function numberIn(value: object, name: string): number | undefined {
  const inner: unknown = Reflect.get(value, name);
  return typeof inner === 'number' ? inner : undefined;
}
