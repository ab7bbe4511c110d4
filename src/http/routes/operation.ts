import type { FastifyRequest } from 'fastify';
import { hashSecret, matchesHash } from '../../accounts/secrets.ts';
import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { behindOf, type MirrorFigures } from '../../mirror/figures.ts';
import { present } from '../../wire/present.ts';
import type { ServerDeps } from '../deps.ts';
import { openApiDocument } from '../document/openapi.ts';
import type { Health, HealthDetails } from '../document/operation-schemas.ts';
import { ApiError } from '../errors.ts';
import { type FiguresDeps, tellFigures } from '../figures.ts';
import { NumberedNames } from '../metrics/numbered-names.ts';
import { outboxOf } from '../metrics/sending-metrics.ts';
import { jsonType, type OpenCall, type Route } from '../route.ts';

type Deps = FiguresDeps & Pick<ServerDeps, 'authenticator' | 'metricsTokens' | 'version'>;

const writeRetryMs = 5000;

/** Health, metrics and the OpenAPI document: open to everybody who reaches the port, but for metrics that need a token. */
export function operationRoutes(deps: Deps): readonly Route[] {
  // Made when it is first asked for, which most servers never are.
  let document: Buffer | undefined;
  const numbered = new NumberedNames();
  return [
    { method: 'GET', path: '/health/live', answer: async () => '{"status":"live"}' },
    { method: 'GET', path: '/health/ready', answer: (call: OpenCall) => ready(call, deps) },
    { method: 'GET', path: '/metrics', answer: (call: OpenCall) => metrics(call, deps, numbered) },
    {
      method: 'GET',
      path: '/openapi.json',
      answer: async ({ reply }: OpenCall) => {
        reply.type(jsonType);
        document ??= Buffer.from(JSON.stringify(openApiDocument(deps.version)));
        return document;
      },
    },
  ];
}

/**
 * Whether this process can read, record and send, and how much of it is amiss: everybody who reaches the port reads this. What
 * that is, by the names of files, servers and pages, and how much there is to send, is told with a token for `/metrics`
 * alone; without such a token in the settings nobody is. Why, in the words of a database or a disk, is in the log alone.
 */
async function ready({ request }: OpenCall, deps: Deps): Promise<string> {
  const { store, authenticator, sending, mirrors, heldSweep, lostAccounts } = deps;
  const { writeFailure, damaged, away } = await orNotReady('store', 'the store cannot be reached now', store.stats());
  await orNotReady('accounts', 'who calls cannot be proven now', authenticator.ready());
  const held = heldSweep?.();
  if (writeFailure !== undefined)
    throw notReady('store', 'cannot record: the store takes no records now', writeFailure);
  const outage = sending?.outage?.();
  if (outage !== undefined) throw notReady('outbox', 'cannot send: the outbox takes nothing now', outage);
  const paused = sending?.paused();
  const behind = behindIn(mirrors?.figures() ?? []);
  const lost = lostAccounts?.() ?? [];
  const until = held === undefined ? undefined : { until: new Date(held.until).toISOString() };
  const health: Health = {
    status: 'ready',
    damaged: damaged.length,
    ...(lost.length > 0 && { lostAccounts: lost.length }),
    ...present({ away: away?.length, pausedSenders: paused?.length, mirrorsBehind: behind?.length, heldSweep: until }),
  };
  if (!isOperator(request, deps)) return JSON.stringify(health);
  const details: HealthDetails = {
    damaged: damaged.map(({ name, reason }) => ({ name, reason })),
    ...(lost.length > 0 && { lostAccounts: lost.slice(0, limits.lostAccountsNamedMax) }),
    ...present({
      away: away?.map(({ name, accounts }) => ({ name, ...present({ accounts }) })),
      heldSweep: held && until && { ...held, ...until },
      pausedSenders: paused?.map(({ sender, reason }) => ({ sender, reason })),
      mirrorsBehind: behind,
      outbox: outboxOf(await sending?.figures?.()),
    }),
  };
  return JSON.stringify({ ...health, details });
}

function behindIn(figures: readonly MirrorFigures[]): HealthDetails['mirrorsBehind'] {
  if (figures.length === 0) return undefined;
  return figures.flatMap(one => {
    const reason = behindOf(one);
    return reason === undefined ? [] : [{ mirror: one.mirror.name, reason }];
  });
}

/** Whether a call shows one of the tokens that the settings have. */
function isOperator({ headers }: FastifyRequest, { metricsTokens = [] }: Deps): boolean {
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  return metricsTokens.some(token => matchesHash(given, hashSecret(token)));
}

async function orNotReady<T>(property: Part, reason: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof Unavailable ? notReady(property, `cannot serve: ${reason}`, error) : error;
  }
}

/** What a server is not ready for the lack of. */
type Part = 'store' | 'accounts' | 'outbox';

function notReady(property: Part, violation: string, cause: unknown): ApiError {
  return new ApiError('E503', {
    violations: [{ property, violation }],
    headers: { 'retry-after': String(writeRetryMs / 1000) },
    cause,
  });
}

async function metrics({ request, reply }: OpenCall, deps: Deps, numbered: NumberedNames): Promise<string> {
  const { metricsTokens = [] } = deps;
  const names = isOperator(request, deps);
  if (metricsTokens.length > 0 && !names)
    throw new ApiError('E401', { headers: { 'www-authenticate': 'Bearer realm="sentlog metrics"' } });
  await tellFigures(deps);
  reply.type(deps.metrics.contentType);
  const text = await deps.metrics.text();
  return names ? text : numbered.in(text);
}
