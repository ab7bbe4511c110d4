import { hashSecret, matchesHash } from '../../accounts/secrets.ts';
import { type StoreStats, StoreUnavailable } from '../../store/store.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { openApiDocument } from '../openapi.ts';
import { type Call, jsonType, type Route } from '../route.ts';
import { readyOf } from '../sending-metrics.ts';

type Deps = Pick<ServerDeps, 'store' | 'metrics' | 'metricsTokens' | 'version' | 'mirrors' | 'sending' | 'heldSweep'>;

const writeRetryMs = 5000;

/** Health, metrics and the OpenAPI document: open to everybody who reaches the port, but for metrics that need a token. */
export function operationRoutes(deps: Deps): readonly Route[] {
  const document = Buffer.from(JSON.stringify(openApiDocument(deps.version)));
  return [
    { method: 'GET', path: '/health/live', answer: async () => '{"status":"live"}' },
    { method: 'GET', path: '/health/ready', answer: () => ready(deps) },
    { method: 'GET', path: '/metrics', answer: (call: Omit<Call, 'principal'>) => metrics(call, deps) },
    {
      method: 'GET',
      path: '/openapi.json',
      answer: async ({ reply }: Omit<Call, 'principal'>) => {
        reply.type(jsonType);
        return document;
      },
    },
  ];
}

/**
 * Whether this process can read and record. That nothing can be recorded now, what is damaged, which parts of the log cannot
 * be served, and a sweep that waits is said. Why, in the words of a database or a disk, is for the operator's log alone:
 * everybody who reaches the port reads this.
 */
async function ready({ store, sending, heldSweep }: Deps): Promise<string> {
  const { writeFailure, damaged, away } = await statsOrNotReady(store);
  const held = heldSweep?.();
  if (writeFailure !== undefined) throw notReady('cannot record: the store takes no records now', writeFailure);
  return JSON.stringify({
    status: 'ready',
    damaged: damaged.map(({ name, reason }) => ({ name, reason })),
    ...(away !== undefined && { away: away.map(({ name }) => ({ name })) }),
    ...(held !== undefined && { heldSweep: { ...held, until: new Date(held.until).toISOString() } }),
    ...(sending !== undefined && readyOf(sending.paused(), await sending.figures?.())),
  });
}

async function statsOrNotReady(store: ServerDeps['store']): Promise<StoreStats> {
  try {
    return await store.stats();
  } catch (error) {
    throw error instanceof StoreUnavailable ? notReady('cannot serve: the store cannot be reached now', error) : error;
  }
}

function notReady(violation: string, cause: unknown): ApiError {
  return new ApiError('E503', {
    violations: [{ property: 'store', violation }],
    headers: { 'retry-after': String(writeRetryMs / 1000) },
    cause,
  });
}

async function metrics(
  { request, reply }: Omit<Call, 'principal'>,
  { store, metrics, metricsTokens = [], mirrors, sending, heldSweep }: Deps,
): Promise<string> {
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  if (metricsTokens.length > 0 && !metricsTokens.some(token => matchesHash(given, hashSecret(token))))
    throw new ApiError('E401', { headers: { 'www-authenticate': 'Bearer realm="sentlog metrics"' } });
  reply.type(metrics.contentType);
  const [mirrorFigures, sendingFigures, held] = [mirrors?.figures(), await sending?.figures?.(), heldSweep?.()];
  return metrics.text(await statsIfAny(store), {
    ...(mirrorFigures !== undefined && { mirrors: mirrorFigures }),
    ...(sendingFigures !== undefined && { sending: sendingFigures }),
    ...(held !== undefined && { heldSweep: held }),
  });
}

async function statsIfAny(store: ServerDeps['store']): Promise<StoreStats | undefined> {
  try {
    return await store.stats();
  } catch (error) {
    if (error instanceof StoreUnavailable) return undefined;
    throw error;
  }
}
