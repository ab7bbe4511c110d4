/** A server of the bench: sentlog's own HTTP server over the store of one driver, told what to do by messages. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Credentials } from '../../src/accounts/credentials.ts';
import { SqliteCredentialRows } from '../../src/accounts/sqlite/credential-rows.ts';
import type { EpochMs } from '../../src/domain/message.ts';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import { defaultTimeouts } from '../../src/http/parts.ts';
import { buildServer } from '../../src/http/server.ts';
import type { Store } from '../../src/store/store.ts';
import { scattered } from '../dataset/numbers.ts';
import { peakBytes } from '../machine.ts';
import type { ServerCommand, ServerReply, ServerSettings } from './messages.ts';
import { Mirroring } from './mirroring.ts';
import { openStore } from './stores.ts';
import { RequestTimings } from './timings.ts';

const unlimited = 1_000_000_000;

type Running = {
  readonly store: Store;
  readonly timings: RequestTimings;
  /** Absent where the store has no folder. */
  readonly mirroring?: Mirroring;
  readonly isNaive: boolean;
  readonly port: number;
  stop(): Promise<void>;
};

async function run(settings: ServerSettings): Promise<Running> {
  const logger = pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true }));
  const metrics = createMetrics(new Registry());
  const observer = metrics.storeObserver({
    damaged: part => logger.error(part, 'damaged'),
    note: event => logger[event.level](event.detail ?? {}, event.message),
  });
  const store = await openStore(settings.store, observer);
  const hourMs = 3_600_000;
  const credentials = new Credentials(new SqliteCredentialRows(settings.access.accountsFile), {
    now: Date.now,
    tokenTtlMs: hourMs,
    sessionTtlMs: hourMs,
  });
  const choice = settings.store;
  const mirroring = 'folder' in choice ? new Mirroring(store, choice.folder, settings.retentionMs) : undefined;
  const app = await buildServer({
    store,
    ...(mirroring !== undefined && { webhooks: mirroring.webhooks }),
    authenticator: credentials,
    clock: Date.now,
    retentionOf: () => settings.retentionMs,
    rateLimits: {
      logsPerMinute: unlimited,
      readsPerMinute: unlimited,
      pagePerMinute: unlimited,
      failedAuthPerMinute: unlimited,
    },
    cursorSecret: Buffer.alloc(32, 'bench'),
    corsOrigins: [],
    metrics,
    logger,
    timeouts: defaultTimeouts,
    version: 'bench',
  });
  const timings = new RequestTimings();
  timings.watch(app.server);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  const stop = async () => {
    await app.close();
    await mirroring?.close();
    await store.close();
    await credentials.close();
  };
  const isNaive = choice.driver !== 'sentlog';
  return { store, timings, ...(mirroring !== undefined && { mirroring }), isNaive, port: address.port, stop };
}

async function answer(
  { store, timings, mirroring, isNaive, stop }: Running,
  command: ServerCommand,
): Promise<ServerReply> {
  if (command.kind === 'timings') {
    const latency = timings.take();
    return { kind: 'timings', ...(latency !== undefined && { latency }) };
  }
  if (command.kind === 'memory') {
    return { kind: 'memory', residentBytes: process.memoryUsage.rss(), peakBytes: peakBytes() };
  }
  if (command.kind === 'drop') return drop(store, command.before);
  if (command.kind === 'mirror') {
    if (mirroring === undefined) throw new Error('a mirror needs a folder');
    return { kind: 'mirrored', mirrored: await mirroring.run(command.plan, isNaive) };
  }
  if (command.kind === 'accounts') return recordAccounts(store, command);
  if (command.kind === 'start') throw new Error('the server was started twice');
  await stop();
  return { kind: 'stopped' };
}

async function drop(store: Store, before: EpochMs): Promise<ServerReply> {
  const earlier = await store.stats();
  const startedAt = performance.now();
  await store.dropBefore(before);
  const durationMs = performance.now() - startedAt;
  const later = await store.stats();
  return { kind: 'dropped', durationMs, messages: earlier.messages - later.messages };
}

/** Ids of accounts that the bench has no key of. */
const quietAccountsFrom = 1_000_000;
const quietCallers = 64;

async function recordAccounts(
  store: Store,
  { count, firstSentAt, spanMs }: Extract<ServerCommand, { readonly kind: 'accounts' }>,
): Promise<ServerReply> {
  let next = 0;
  const caller = async () => {
    for (let i = next++; i < count; i = next++) {
      const sentAt = firstSentAt + Math.floor((scattered(i, count) / count) * spanMs);
      const message = { messageId: 'only', sender: 'page', destination: 'person', contentJson: '{}', sentAt };
      const receivedAt = firstSentAt + spanMs;
      const batch = { account: quietAccountsFrom + i, binding: {}, receivedAt, sentSince: firstSentAt };
      await store.record({ ...batch, submissions: [message] });
    }
  };
  await Promise.all(Array.from({ length: quietCallers }, caller));
  return { kind: 'accounts' };
}

function serve(): void {
  const reply = (message: ServerReply) => process.send?.(message);
  const fail = (error: Error) => reply({ kind: 'failed', reason: error.stack ?? error.message });
  const start = (running: Running) => {
    process.on('message', (command: ServerCommand) => {
      answer(running, command).then(reply, fail);
    });
    reply({ kind: 'listening', port: running.port });
  };
  process.once('message', (command: ServerCommand) => {
    if (command.kind === 'start') run(command.settings).then(start, fail);
    else fail(new Error(`the server was told to ${command.kind} before it was started`));
  });
  // The bench is gone, in whatever way: nobody is left to stop this server.
  process.on('disconnect', () => process.exit());
}

serve();
