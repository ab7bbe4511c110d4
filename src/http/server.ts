import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { limits } from '../limits.ts';
import { Admission } from './admission/admission.ts';
import { Refusals } from './admission/refusals.ts';
import { Standing } from './admission/standing.ts';
import { compressed } from './answer/compression.ts';
import { errorBodyFor } from './answer/error-body.ts';
import { HeldAnswers } from './answer/held-answers.ts';
import { EventLoop } from './body/event-loop.ts';
import { HeldBytes } from './body/held-bytes.ts';
import { answerMalformed, refuseConnect } from './body/malformed.ts';
import { Closing } from './closing.ts';
import { Connections, connectionsMax } from './connections.ts';
import type { ServerDeps } from './deps.ts';
import { describedPaths } from './document/openapi.ts';
import { ApiError, asApiError, ClientGone, invalid, unavailable } from './errors.ts';
import { accessRoutes } from './management/access.ts';
import { mirrorRoutes } from './management/mirrors.ts';
import { senderRoutes } from './management/senders.ts';
import { OtherMethods } from './methods.ts';
import { PagePasses } from './page/page-passes.ts';
import { PageSessions } from './page/page-sessions.ts';
import { clientNetwork } from './rate-limit/rate-limit.ts';
import { requestId } from './request-id.ts';
import { type Answer, jsonType, type OpenCall, type Route } from './route.ts';
import { authRoutes } from './routes/auth.ts';
import { emulatorRoutes } from './routes/emulator.ts';
import { exportRoute } from './routes/export.ts';
import { logsRoute } from './routes/logs.ts';
import { messageRoute } from './routes/message.ts';
import { metaWebhookRoutes } from './routes/meta-webhooks.ts';
import { operationRoutes } from './routes/operation.ts';
import { pageRoutes } from './routes/page.ts';
import { recordRoute } from './routes/record.ts';
import { reportsRoute } from './routes/reports.ts';
import { sendRoute } from './routes/send.ts';
import { streamRoute } from './routes/stream.ts';
import { summaryRoute } from './routes/summary.ts';
import { webhookRoutes } from './routes/webhook.ts';
import { Streams } from './stream/streams.ts';
import { traceRequests } from './traced-requests.ts';

/** Room for the headers beside the longest request line. */
const headerBytesMax = limits.urlBytesMax + 16 * 1024;
const pathPartCharsMax = 2048;
/** How long the answer to a request that was cut by the end may take to leave. */
const partingMs = 500;
/** How long the rest of a body that was refused is read while it keeps coming, so that its sender comes to see why. */
const lingerMsMax = 60_000;

/**
 * The HTTP server, not yet listening. Closing it takes no further request and waits for those under way; the store and
 * the authenticator stay the caller's to close.
 */
export function buildServer(deps: ServerDeps): FastifyInstance {
  const closing = new Closing(deps.timeouts.closingMs);
  const refusals = new Refusals();
  const answers = new HeldAnswers(deps.answersBytesMax);
  const passes = new PagePasses(deps.cursorSecret, deps.clock);
  const sessions = new PageSessions(deps.cursorSecret, passes, deps.clock);
  const held = new HeldBytes();
  const loop = new EventLoop();
  const { sending, reports, emulator, metaWebhooks } = deps;
  const admission = new Admission({ ...deps, passes });
  const standing = new Standing(deps);
  const routes: readonly Route[] = [
    logsRoute(deps, answers),
    recordRoute(deps, { closing, loop, held }),
    ...(sending === undefined ? [] : [sendRoute({ ...deps, sending }, { closing, loop, held })]),
    ...(reports === undefined ? [] : [reportsRoute(reports)]),
    ...(metaWebhooks === undefined ? [] : metaWebhookRoutes({ ...deps, metaWebhooks }, { closing, loop, held })),
    ...(emulator === undefined ? [] : emulatorRoutes({ ...deps, emulator }, closing)),
    exportRoute(deps, closing, answers),
    summaryRoute(deps),
    streamRoute(new Streams(deps, closing.beginning)),
    messageRoute(deps),
    ...authRoutes({ ...deps, closing }, admission),
    ...operationRoutes(deps),
    ...webhookRoutes(deps, { closing, loop, held }),
    ...managementRoutes(deps, closing),
    ...pageRoutes({ ...deps, passes, sessions }),
  ];
  const others = new OtherMethods(routes, deps.corsOrigins);
  const app = fastify(deps, refusals);
  if (deps.tracing !== undefined) traceRequests(app, deps.tracing);
  const tellRefusal = (reason: string) => refusals.tell(reason, deps.logger);
  const connections = new Connections(app.server, deps.connectionsMax ?? connectionsMax(), tellRefusal);
  acceptAnyBody(app);
  app.addHook('onRequest', async (request, reply) => {
    tellCommon(request, reply);
    others.allowOrigin(request, reply);
    if (closing.begun) throw unavailable(1000);
    refuseAmbiguous(request.raw);
    if (request.url.length > limits.urlBytesMax) throw new ApiError('E414');
    sessions.resume(request);
    // Here and not where fastify would: it looks into the body first.
    return request.is404 ? others.answer(request, reply) : undefined;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const stillSends = sendsBody(request) && !request.raw.complete;
    // Closing on a caller who still sends resets the connection, and the answer with it: it may close first.
    if (closing.begun || (connections.areMany && !stillSends)) reply.header('connection', 'close');
    else if (stillSends) reply.raw.shouldKeepAlive = true;
    const leaving = await compressed(request, reply, payload);
    standing.letOut(request, leaving);
    return leaving;
  });
  app.addHook('onResponse', async (request, reply) => {
    linger(request, deps.timeouts.lingerMs);
    observe(request, reply, deps);
  });
  app.addHook('preClose', async () => closing.begin());
  // Whoever was cut is told so first; then nobody can hold the server up, not by half a head or half a body.
  closing.over.addEventListener('abort', () => setTimeout(() => app.server.closeAllConnections(), partingMs).unref());
  app.addHook('onClose', async () => {
    closing.end();
    refusals.end();
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, refusals));
  for (const route of routes) register(app, route, { admission, standing, answers });
  return app;
}

/** What accounts manage of their own. */
function managementRoutes(deps: ServerDeps, closing: Closing): readonly Route[] {
  const { managedAccounts, managedMirrors, managedSenders, sending, clock } = deps;
  const those = { ...deps, closing };
  return [
    ...(managedAccounts === undefined ? [] : accessRoutes(managedAccounts, clock, those)),
    ...(managedMirrors === undefined ? [] : mirrorRoutes(managedMirrors, those)),
    ...(managedSenders === undefined || sending === undefined ? [] : senderRoutes(managedSenders, sending, those)),
  ];
}

function noSchemas(): never {
  throw new TypeError('routes have no schemas of fastify');
}

function fastify({ logger, timeouts, trustedProxies = [] }: ServerDeps, refusals: Refusals): FastifyInstance {
  const answers = new WeakMap<Socket, ServerResponse>();
  const app = Fastify<Server>({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: request => requestId(request.headers),
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionTimeout: timeouts.stalledMs,
    // A body may take as long as it keeps coming: whoever reads it watches the pauses.
    requestTimeout: 0,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: Math.min(timeouts.headersMs, 5000),
      maxHeaderSize: headerBytesMax,
      // Node would answer in its own words.
      requireHostHeader: false,
    },
    // A base address that ends in a slash gives two where paths begin with one.
    routerOptions: { maxParamLength: pathPartCharsMax, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true },
    // No route has a schema of fastify's: the compilers for those would be loaded at every start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: (error, request, reply) => {
      tellCommon(request, reply);
      answerError(error, request, reply, refusals);
    },
    clientErrorHandler: (error, socket) => answerMalformed(error, socket, answers.get(socket)),
  });
  app.server.on('request', (request, response) => answers.set(request.socket, response));
  app.server.on('connect', ({ socket }) => refuseConnect(socket, answers.get(socket)));
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  return app;
}

/** Bodies are read by the routes, each within its own bounds, after the caller was let in. */
function acceptAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
}

type Entry = { readonly admission: Admission; readonly standing: Standing; readonly answers: HeldAnswers };

function register(app: FastifyInstance, route: Route, entry: Entry): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      const answer = await answered(route, { request, reply }, entry);
      if (answer === undefined) return reply.code(reply.statusCode === 304 ? 304 : 204).send();
      if (answer === '') return reply.send();
      if (!reply.hasHeader('content-type')) reply.type(jsonType);
      return reply.send(answer);
    },
  });
}

/** The answer to whoever calls, or to a caller who is let in; what is made for it is held until it has left. */
async function answered(route: Route, call: OpenCall, { admission, standing, answers }: Entry): Promise<Answer> {
  const { request, reply } = call;
  if (route.access === undefined) {
    const answer = await route.answer(call);
    answers.holdText(clientNetwork(request.ip), reply.raw, answer);
    return answer;
  }
  const admitted = { ...call, principal: await admission.admit(request, reply, route.access) };
  const lost = route.isWatched ? new AbortController().signal : standing.watch(admitted, route.access.scope);
  const answer = await route.answer({ ...admitted, lost });
  answers.holdText(admitted.principal.account.id, reply.raw, answer);
  return answer;
}

/** A name or an address, and a port (RFC 9110, 7.2); empty where there is none. No comma, which may part two. */
const hostRule = /^(?:[\w.~!$&'()*+;=%-]*|\[[\w:.%~-]+\])(?::\d*)?$/;

/**
 * What a proxy before this server may read otherwise than it does is refused: whose request it is, where its body ends,
 * what it asks for.
 */
function refuseAmbiguous({ rawHeaders, headers, httpVersion, method, url }: IncomingMessage): void {
  // The parser takes others for what they are not.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw ambiguous('request', 'must be of HTTP/1.1');
  const times = (name: string) => rawHeaders.filter((one, at) => at % 2 === 0 && one.toLowerCase() === name).length;
  const hosts = times('host');
  if (hosts > 1) throw ambiguous('Host', 'must be given only once');
  // The parser keeps the first of these, and others the last.
  for (const name of ['Authorization', 'Content-Type'])
    if (times(name.toLowerCase()) > 1) throw ambiguous(name, 'must be given only once');
  if (hosts === 0 && httpVersion === '1.1') throw invalid('Host', 'is required');
  if (!hostRule.test(headers.host ?? '')) throw ambiguous('Host', 'must be a host and its port');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked')
    throw ambiguous('Transfer-Encoding', 'must be chunked alone');
  // Whoever speaks no later version takes the body for what follows the request.
  if (coding !== undefined && httpVersion === '1.0') throw ambiguous('Transfer-Encoding', 'is of HTTP/1.1');
  if (url?.includes('#')) throw ambiguous('path', 'must not have a fragment');
  if (url?.startsWith('*') && (method !== 'OPTIONS' || url !== '*')) throw ambiguous('path', 'is * for OPTIONS alone');
}

function ambiguous(property: string, violation: string): ApiError {
  return new ApiError('E400', { violations: [{ property, violation }], headers: { connection: 'close' } });
}

function tellCommon(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id);
  reply.header('cache-control', 'no-store');
  reply.header('x-content-type-options', 'nosniff');
}

const described = describedPaths();

function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply, refusals: Refusals): void {
  const error = asApiError(thrown);
  log(error, request.log, refusals);
  const { type, text } = errorBodyFor(error, request, described);
  // A stream that breaks before its first byte has said already what it was going to be.
  reply.removeHeader('content-encoding').removeHeader('content-disposition');
  for (const [name, value] of Object.entries(error.headers)) reply.header(name, value);
  reply.code(error.status).type(type).send(text);
}

/** The caller's mistakes are not the operator's concern; what we could not do is. */
function log({ code, cause, violations }: ApiError, logger: FastifyBaseLogger, refusals: Refusals): void {
  if (cause instanceof ClientGone) logger.debug({ err: cause }, 'a client went away');
  else if (code === 'E500') logger.error({ err: cause }, 'a request failed');
  else if (code === 'E503') refusals.tell(cause ?? violations[0]?.violation, logger);
}

/** Without one, a request is not complete either while its headers are answered at once. */
function sendsBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** One line a request, without its query: that may hold anybody's ids. */
function observe(request: FastifyRequest, reply: FastifyReply, { metrics }: ServerDeps): void {
  const route = request.routeOptions.url ?? 'unknown';
  const { method } = request;
  const status = reply.statusCode;
  const durationMs = reply.elapsedTime;
  metrics.request({ route, method, status, durationMs });
  request.log.debug({ method, route, status, durationMs }, 'answered');
}

/** A sender who still sends would lose the answer with the connection; one who has stopped does not hold it. */
function linger({ raw }: FastifyRequest, lingerMs: number): void {
  if (raw.complete || raw.destroyed) return;
  const endsAt = performance.now() + lingerMsMax;
  let { bytesRead } = raw.socket;
  const look = () => {
    if (raw.socket.bytesRead === bytesRead || performance.now() > endsAt) raw.destroy();
    ({ bytesRead } = raw.socket);
  };
  // Where the process was busy meanwhile, what came is read first.
  const timer = setInterval(() => setImmediate(look), lingerMs).unref();
  raw.once('end', () => clearInterval(timer)).once('close', () => clearInterval(timer));
}
