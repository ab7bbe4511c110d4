import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { announcement, emulatorAnnouncement } from './announcement.ts';
import { type Config, maskedConfig } from './config.ts';
import type { AccountId } from './domain/message.ts';
import { isUnread, Unavailable, Unusable, unreadAdvice } from './failures.ts';
import { tellFigures } from './http/figures.ts';
import { createMetrics } from './http/metrics/metrics.ts';
import { readPage } from './http/page/page-files.ts';
import { defaultTimeouts, type ManagedMirrors, type RateLimits } from './http/parts.ts';
import { buildServer } from './http/server.ts';
import { limits } from './limits.ts';
import { LogOutput } from './log-output.ts';
import { isInTheClear } from './mirror/address.ts';
import { MirrorChecks, waitUnlessStopped } from './mirror/check/checks.ts';
import { figuresOf } from './mirror/figures.ts';
import { WebhookReception } from './mirror/reception.ts';
import { type Mirror, MirrorError } from './mirror/rows.ts';
import { MirrorRunner } from './mirror/runner.ts';
import type { MirrorNote } from './mirror/worker.ts';
import { openSending, openToAll, type Sending } from './sending.ts';
import { defaultTerms, type SimulatorTerms } from './simulator/terms.ts';
import { openStorage } from './storage/open.ts';
import type { Storage } from './storage/storage.ts';
import type { StoreObserver } from './store/store.ts';
import { Sweeper, sweepAgainAndAgain } from './sweeper.ts';
import { openTelemetry } from './telemetry/telemetry.ts';
import { tracedFetch, tracedStore } from './telemetry/traced.ts';
import type { Tracing } from './tracing.ts';
import { programVersion } from './version.ts';
import { present } from './wire/present.ts';

/** A server that listens. */
export type Running = {
  readonly url: string;
  /** The key of the first account, when this start made it. */
  readonly firstKey: string | undefined;
  /** Takes no more, finishes what it took, lets go of everything. */
  readonly stop: () => Promise<void>;
  /** What nobody waits for may hold the process for a while after that: a collector of telemetry that does not answer. */
  readonly lingers: boolean;
};

/** The server could not be started; `message` is one line for the operator. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
  }
}

/** In a clone and in the package alike. */
const pageFolder = join(import.meta.dirname, '..', 'web', 'dist');

/** Retention is looked after this often; a message past it is not shown meanwhile either. */
const janitorIntervalMsMax = 60_000;

export type StartTerms = {
  readonly stopping?: AbortSignal;
  /** Any credential is let in. Only for what is simulated. */
  readonly isOpenToAll?: boolean;
  /** How a Meta that is played behaves. */
  readonly simulator?: SimulatorTerms;
};

/**
 * Builds the parts in their order, each on those before it, and starts them. What was started is stopped in reverse,
 * also when a later part does not start. Rejects with what that part rejected with; a database that is away is waited
 * for, unless `stopping` is aborted.
 */
export async function start(config: Config, logger: Logger, terms: StartTerms = {}): Promise<Running> {
  const { stopping, isOpenToAll = false, simulator = defaultTerms } = terms;
  await using parts = new AsyncDisposableStack();
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const telemetry = await openTelemetry(toldBy(logger));
  // Whoever started it is told at once that it failed: that waits for no collector.
  let isStarted = false;
  parts.defer(() => (isStarted ? telemetry?.close() : undefined));
  const tracing = telemetry?.tracing;
  const observer = metrics.storeObserver(storeListener(logger));
  const open = () => openStorage(config, observer);
  const opened = config.store === undefined ? open() : whenReachable(open, logger, stopping);
  const storage = parts.adopt(await opened, one => one.close());
  const { accounts, requestCounter } = storage;
  const store = tracing === undefined ? storage.store : tracedStore(storage.store, tracing);
  // What sends has the store untold: it tells the log for everybody at once.
  const sending = parts.adopt(await openSending(config, storage, simulator, noteTo(logger), tracing), one =>
    one?.close(),
  );
  const authenticator =
    isOpenToAll && sending !== undefined ? await openToAll(storage, sending) : storage.authenticator;
  const call = tracing === undefined ? fetch : tracedFetch(fetch, tracing);
  const runner = mirrorRunner({ ...storage, store }, logger, call, tracing);
  const checks = parts.adopt(mirrorChecks(storage, config, logger, call), one => one.stop());
  const reception = new WebhookReception({ ...runner.options, figures: () => runner.figures() });
  const webhooks = parts.adopt(reception, one => one.close());
  const sweeper = sweeperOf(storage, sending, config, logger);
  const heldSweep = () => sweeper.held;
  const lostAccounts = () => storage.lostAccounts.found;
  const told = { store, metrics, mirrors: runner, heldSweep, lostAccounts, ...sendingDeps(sending) };
  const endOfMetrics = telemetry?.meter(registry, () => tellFigures(told));
  parts.defer(() => (isStarted ? endOfMetrics?.() : undefined));
  const server = parts.adopt(
    buildServer({
      ...told,
      ...(tracing !== undefined && { tracing }),
      authenticator,
      ...(requestCounter !== undefined && { requestCounter }),
      retentionOf: storage.retentions.of,
      compatibleRetentionMs: config.compatibleRetentionMs,
      rateLimits: rateLimitsOf(config),
      // Kept with the accounts, so that a cursor is good after a restart too.
      cursorSecret: await accounts.secret('cursor'),
      metricsTokens: config.metricsTokens,
      corsOrigins: config.corsOrigins,
      content: config.content,
      // Whoever is let in by any credential has no use for others.
      ...(!isOpenToAll && { managedAccounts: accounts }),
      managedMirrors: { ...managedMirrors(storage), hosts: config.mirrorHosts, checks },
      webhooks,
      logger,
      timeouts: { ...defaultTimeouts, closingMs: config.shutdownTimeoutMs },
      trustedProxies: config.trustedProxies,
      page: readPage(pageFolder),
      version: programVersion(),
    }),
    one => one.close(),
  );
  await server.listen({ host: config.host, port: config.port });
  parts.defer(sweepWith(sweeper, config, logger));
  const firstKey = (await accounts.createFirstAccount())?.key;
  await ensureMirror(storage, config);
  await warnOfOpenKeys(storage, logger);
  parts.defer(() => runner.stop());
  runner.start();
  isStarted = true;
  const started = parts.move();
  const lingers = telemetry !== undefined;
  return { url: urlOf(server.addresses()), firstKey, stop: () => started.disposeAsync(), lingers };
}

/**
 * Runs a server until the process is told to stop by SIGTERM or SIGINT; a second signal ends it at once. Gives the exit
 * code. Where the server listens, and on the first start its first key, go to standard output, its log to standard error.
 */
export async function serve(
  config: Config,
  { isOpenToAll = false, simulator = defaultTerms }: Pick<StartTerms, 'isOpenToAll' | 'simulator'> = {},
): Promise<number> {
  const logger = loggerOf(config);
  // Nobody reads on, or the disk is full: neither is the log's concern.
  process.stdout.removeAllListeners('error').on('error', err => logger.warn({ err }, 'standard output is lost'));
  process.stderr.on('error', err => logger.warn({ err }, 'standard error is lost'));
  const signalled = stopSignal();
  process.on('uncaughtException', error => {
    logger.fatal({ err: error }, 'a defect ended the server');
    process.exit(1);
  });
  const stopping = new AbortController();
  signalled.then(() => stopping.abort());
  let running: Running;
  try {
    running = await start(config, logger, { stopping: stopping.signal, isOpenToAll, simulator });
  } catch (error) {
    endAtOnce();
    if (!(error instanceof Error && error.name === 'AbortError')) throw startError(error, config);
    logger.info('stopped before the start');
    return 0;
  }
  logger.info({ settings: maskedConfig(config) }, 'started');
  process.stdout.write(isOpenToAll ? emulatorAnnouncement(running) : announcement(running));
  logger.info({ signal: await signalled }, 'stopping');
  await running.stop();
  logger.info('stopped');
  if (running.lingers) endAtOnce();
  return 0;
}

/** Once what is to be said now has been. It fires only where something still holds the process. */
function endAtOnce(): void {
  setTimeout(() => process.exit(), 0).unref();
}

function loggerOf({ logLevel }: Config): Logger {
  const options = {
    level: logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, new LogOutput(process.stderr.fd));
}

/**
 * A database may come later than its servers, or be away for a while when they are started anew. It is waited for, so
 * that whoever watches over the process need not start it time and again; in the end that is told instead.
 */
async function whenReachable<T>(open: () => Promise<T>, logger: Logger, stopping?: AbortSignal): Promise<T> {
  const end = performance.now() + limits.databaseWaitMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 5000)) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof Unavailable) || performance.now() > end) throw error;
      logger.warn({ reason: error.message }, 'cannot start yet; trying again');
      await wait(pauseMs, undefined, stopping && { signal: stopping });
    }
  }
}

function mirrorChecks(
  { mirrors, mirrorRows: rows, retentions }: Storage,
  config: Config,
  logger: Logger,
  call: typeof fetch,
): MirrorChecks {
  const note = ({ message, level, detail }: MirrorNote) => logger[level](detail, message);
  // What the log shows to whoever asks it as the vendor's.
  const retentionOf = (account: AccountId) =>
    Math.min(retentions.of(account), config.compatibleRetentionMs ?? Number.POSITIVE_INFINITY);
  return new MirrorChecks({ mirrors, rows, retentionOf, fetch: call, clock: Date.now, wait: waitUnlessStopped, note });
}

/** What the server has of sending: nothing but the clock where nothing is sent. */
function sendingDeps(sending: Sending | undefined) {
  if (sending === undefined) return { clock: Date.now };
  const { sender, clock, webhooks, emulator, senders } = sending;
  const { reports } = sender;
  return {
    ...{ sending: sender, reports, clock },
    ...present({ metaWebhooks: webhooks, emulator, managedSenders: senders }),
  };
}

function rateLimitsOf(config: Config): RateLimits {
  return {
    logsPerMinute: config.rateLimit,
    readsPerMinute: config.readRateLimit,
    pagePerMinute: config.pageRateLimit,
    failedAuthPerMinute: config.authFailureLimit,
  };
}

/** The mirrors of the storage, as accounts manage their own. */
function managedMirrors({ mirrors, mirrorRows, retentions }: Storage): Pick<ManagedMirrors, 'mirrors' | 'figures'> {
  const figures = (mirror: Mirror) => {
    const terms = { ...mirror, retentionMs: retentions.of(mirror.account) };
    return figuresOf(mirror, mirrorRows, Date.now(), terms, mirrors.flawOfKey(mirror));
  };
  return { mirrors, figures };
}

function mirrorRunner(
  { store, mirrors, mirrorRows, retentions }: Storage,
  logger: Logger,
  call: typeof fetch,
  tracing: Tracing | undefined,
): MirrorRunner {
  return new MirrorRunner({
    mirrors,
    rows: mirrorRows,
    store,
    holder: randomUUID(),
    retentionOf: retentions.of,
    fetch: call,
    clock: Date.now,
    note: ({ message, level, detail }) => logger[level](detail, message),
    tracing,
  });
}

/** The mirror that the settings name, and keys of others under the newest secret. */
async function ensureMirror({ accounts, mirrors }: Storage, config: Config): Promise<void> {
  if (config.secrets.length > 0) await mirrors.renew();
  const { mirrorFrom: from, mirrorName: name, mirrorKeyFile, mirrorAccount, mirrorRequestsPerMinute } = config;
  if (from === undefined) return;
  const key = mirrorKeyFile === undefined ? (config.mirrorKey ?? '') : (await readFile(mirrorKeyFile, 'utf8')).trim();
  const account = (await accounts.accounts()).find(one => one.name === mirrorAccount);
  if (account === undefined) throw new MirrorError(`there is no account "${mirrorAccount}" for the mirror "${name}"`);
  const limits = { requestsPerMinute: mirrorRequestsPerMinute, sinceMs: config.mirrorSinceMs };
  await mirrors.ensure({ name, account: account.id, from, key, ...limits });
}

/** Mirrors that were added before an address needed TLS go on. */
async function warnOfOpenKeys({ mirrors }: Storage, logger: Logger): Promise<void> {
  for (const { name: mirror, from } of await mirrors.list())
    if (isInTheClear(from))
      logger.warn(
        { mirror, from },
        'the key of a mirror goes there for everybody to read: an address begins with https',
      );
}

function toldBy(logger: Logger) {
  return { env: process.env, warn: (message: string, detail: object) => logger.warn(detail, message) };
}

function noteTo(logger: Logger) {
  return (level: 'info' | 'warn' | 'error', message: string, detail: object) => logger[level](detail, message);
}

function storeListener(logger: Logger): Pick<StoreObserver, 'note' | 'damaged'> {
  return {
    note: ({ message, level, detail }) => logger[level](detail ?? {}, message),
    damaged: part => logger.error(part, 'a part of the log is damaged and was set aside'),
  };
}

function sweeperOf(
  { sweepClock, retentions, wouldDrop, dropPast }: Storage,
  sending: Sending | undefined,
  { sweepHoldMs }: Config,
  logger: Logger,
): Sweeper {
  return new Sweeper({
    clock: sweepClock,
    holdMs: sweepHoldMs,
    shortestRetentionMs: retentions.shortestMs,
    wouldDrop,
    drop: async () => {
      await dropPast();
      await sending?.sender.dropPast();
    },
    now: Date.now,
    monotonicMs: () => performance.now(),
    note: (message, detail) => logger.warn(detail, message),
  });
}

function sweepWith(sweeper: Sweeper, { retentionMs }: Config, logger: Logger): () => void {
  const failed = (err: unknown) =>
    logger.warn({ err }, 'what is past retention could not be dropped; trying again later');
  return sweepAgainAndAgain(sweeper, Math.min(janitorIntervalMsMax, retentionMs), failed);
}

/** A terminal's Ctrl-C reaches a program from several sides at once; only what comes later is a second signal. */
const sameSignalMs = 500;

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let firstMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      const now = performance.now();
      if (firstMs !== undefined && now - firstMs > sameSignalMs) process.exit(1);
      firstMs ??= now;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
}

function urlOf([address]: readonly (string | AddressInfo)[]): string {
  if (address === undefined || typeof address === 'string') throw new Error('the server listens nowhere');
  // "Every address" is none that a client could call.
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.address] ?? address.address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/** Names what the operator can put right; a defect is left as it is. */
function startError(error: unknown, { host, port, dataDir, store }: Config): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof Unusable || error instanceof MirrorError) return new StartError(error.message, { cause: error });
  if (error instanceof Unavailable) {
    const isOfFolder = store === undefined && !error.message.includes(dataDir);
    return new StartError(`${isOfFolder ? `cannot use the data folder ${dataDir}: ` : ''}${error.message}`, {
      cause: error,
    });
  }
  if (!('code' in error) || typeof error.code !== 'string') return error;
  const options = { cause: error };
  switch (error.code) {
    case 'EADDRINUSE':
      return new StartError(`port ${port} of ${host} is in use: choose another with --port`, options);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartError(`${host} is not an address of this machine: choose another with --host`, options);
    default:
      if ('syscall' in error && error.syscall === 'listen')
        return new StartError(`cannot listen on port ${port} of ${host}: ${error.message}`, options);
      if ('syscall' in error || error.code === 'ERR_SQLITE_ERROR') {
        const advice = isUnread(error) ? `: ${unreadAdvice}` : '';
        return new StartError(`cannot use the data folder ${dataDir}: ${error.message}${advice}`, options);
      }
      return error;
  }
}
