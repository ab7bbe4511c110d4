import { join } from 'node:path';
import { Accounts } from './accounts/accounts.ts';
import type { Authenticator } from './accounts/authenticator.ts';
import { Credentials } from './accounts/credentials.ts';
import { PostgresAccountRows, refuseLost } from './accounts/postgres/account-rows.ts';
import { PostgresCredentialRows } from './accounts/postgres/credential-rows.ts';
import { Retentions } from './accounts/retentions.ts';
import { SqliteAccountRows } from './accounts/sqlite/account-rows.ts';
import { SqliteCredentialRows } from './accounts/sqlite/credential-rows.ts';
import type { Config } from './config.ts';
import type { RequestCounter } from './http/request-counter.ts';
import { SharedRequestCounter } from './http/shared-request-counter.ts';
import { Mirrors } from './mirror/mirrors.ts';
import { PostgresMirrorRows } from './mirror/postgres/mirror-rows.ts';
import type { MirrorRows } from './mirror/rows.ts';
import { SqliteMirrorRows } from './mirror/sqlite/mirror-rows.ts';
import type { Outbox } from './outbox/outbox.ts';
import { PostgresOutbox } from './outbox/postgres/engine.ts';
import { openSqliteOutbox } from './outbox/sqlite/engine.ts';
import { ClockRow } from './postgres/clock-row.ts';
import { Connections } from './postgres/connections.ts';
import { schemaName } from './postgres/migrate.ts';
import { Secrets } from './secrets.ts';
import { ReportPlaces } from './senders/report-places.ts';
import { SqliteSenderRows } from './senders/sender-file.ts';
import { PostgresSenderRows } from './senders/sender-table.ts';
import { Senders } from './senders/senders.ts';
import { blockRowsMax } from './store/block/layout.ts';
import { openSqliteStore } from './store/embedded/engine.ts';
import { ClockFile } from './store/embedded/files/clock-file.ts';
import { holdsLog } from './store/embedded/files/folder.ts';
import { closeToOthers } from './store/embedded/files/privacy.ts';
import { giveUpReserveIfFull } from './store/embedded/files/reserve.ts';
import { openPostgresStore } from './store/postgres/engine.ts';
import { planningSettings } from './store/postgres/planning.ts';
import type { Dropping, Store, StoreObserver } from './store/store.ts';
import type { SweepClock } from './sweeper.ts';

/** All that is kept: in a data folder, for one server, or in a database, for any number of them. */
export type Storage = {
  readonly store: Store;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
  readonly mirrors: Mirrors;
  readonly mirrorRows: MirrorRows;
  /** How long each account keeps its messages. */
  readonly retentions: Retentions;
  readonly senders: Senders;
  readonly reportPlaces: ReportPlaces;
  /** For whoever sends: it is the caller's to close. */
  readonly openOutbox: () => Promise<Outbox>;
  /** In memory when absent. */
  readonly requestCounter?: RequestCounter;
  /** What the clock said when what is past was last dropped. */
  readonly sweepClock: SweepClock;
  /** How much `dropPast` would drop of the log. */
  readonly wouldDrop: () => Promise<Dropping>;
  /** Drops what is past: messages past retention, and what has expired besides. */
  readonly dropPast: () => Promise<void>;
  /** Finishes what was asked for, lets go of everything. */
  readonly close: () => Promise<void>;
};

/** Rejects with `Unavailable` when a database cannot be reached now, with `Unusable` when the place cannot be used. */
export function openStorage(config: Config, observer: StoreObserver): Promise<Storage> {
  return config.store === undefined ? openFolder(config, observer) : openDatabase(config, config.store, observer);
}

async function openFolder(config: Config, observer: StoreObserver): Promise<Storage> {
  await using parts = new AsyncDisposableStack();
  giveUpReserveIfFull(config.dataDir);
  const accountsPath = join(config.dataDir, 'accounts.db');
  const accountRows = new SqliteAccountRows(accountsPath, !holdsLog(config.dataDir));
  const accounts = parts.adopt(new Accounts(accountRows, Date.now), one => one.close());
  const options = {
    dataDir: config.dataDir,
    accounts: await accounts.identity(),
    durability: config.durability,
    segmentMessagesMax: config.segmentMessages,
    // A segment that is older than retention would keep messages long past it.
    segmentAgeMs: Math.min(config.segmentAgeMs, config.retentionMs),
    ...(config.merge === 'on' && { merging: { youngestLeft: 2, blockRows: blockRowsMax } }),
    readerThreads: config.readerThreads,
    observer,
  };
  // Before anything of it is opened: what SQLite makes beside a file is as open as that is.
  const paths = closeToOthers(config.dataDir);
  if (paths.length > 0)
    observer.note({ level: 'warn', message: 'other users of this machine may look into the log', detail: { paths } });
  const store = parts.adopt(await openSqliteStore(options), one => one.close());
  const rows = new SqliteCredentialRows(accountsPath);
  const authenticator = parts.adopt(new Credentials(rows, credentialOptions(config)), one => one.close());
  const retentions = await startedRetentions(accounts, config, one => observer.note(one));
  parts.defer(() => retentions.stop());
  const mirrorRows = new SqliteMirrorRows(join(config.dataDir, 'mirrors.db'));
  const mirrors = parts.adopt(new Mirrors(mirrorRows, new Secrets(config.secrets), Date.now), one => one.close());
  const senderRows = new SqliteSenderRows(join(config.dataDir, 'senders.db'));
  const unopened = (reason: string) =>
    observer.note({ level: 'warn', message: 'webhooks of a page cannot be proven', detail: { reason } });
  const secrets = new Secrets(config.secrets);
  const senders = parts.adopt(new Senders(senderRows, secrets, Date.now, unopened), one => one.close());
  const opened = parts.move();
  return {
    store,
    accounts,
    authenticator,
    mirrors,
    mirrorRows,
    senders,
    reportPlaces: new ReportPlaces(senderRows, new Secrets(config.secrets), Date.now),
    openOutbox: () => openSqliteOutbox(join(config.dataDir, 'outbox.db')),
    retentions,
    sweepClock: new ClockFile(config.dataDir),
    wouldDrop: () => wouldDrop(store, retentions),
    dropPast: () => dropPast(store, retentions),
    close: () => opened.disposeAsync(),
  };
}

/** Callers are let in over connections of their own: neither a flood of them nor one of requests holds up the other. */
const accountConnectionsMax = 3;
const countingConnectionsMax = 3;
const mirrorConnectionsMax = 2;
const senderConnectionsMax = 1;
/** Taking, claiming, settling, receiving and telling, each beside the others. */
const outboxConnectionsMax = 6;
/** A generation of ids is kept for as long as it has a message inside retention: three to four of them at a time. */
const generationMsMin = 24 * 3_600_000;

async function openDatabase(config: Config, url: string, observer: StoreObserver): Promise<Storage> {
  await using parts = new AsyncDisposableStack();
  const { poolSize, partitionMs, statementTimeoutMs, retentionMs, replicas, replicaLagMs } = config;
  const generationMs = Math.max(generationMsMin, Math.ceil(retentionMs / 3));
  const options = {
    url,
    poolSize,
    partitionMs,
    statementTimeoutMs,
    generationMs,
    observer,
    ...(replicas.length > 0 && { replicas: { urls: replicas, lagMsMax: replicaLagMs } }),
  };
  const store = parts.adopt(await openPostgresStore(options), one => one.close());
  const note = observer.note.bind(observer);
  const connections = (max: number, settings = {}) =>
    new Connections({ url, schema: schemaName, statementTimeoutMs, max, note, settings });
  const forAccounts = connections(accountConnectionsMax);
  await refuseLost(forAccounts);
  const accounts = new Accounts(new PostgresAccountRows(forAccounts), Date.now);
  const rows = new PostgresCredentialRows(forAccounts);
  const authenticator = parts.adopt(new Credentials(rows, credentialOptions(config)), one => one.close());
  const requestCounter = parts.adopt(new SharedRequestCounter(connections(countingConnectionsMax)), one => one.close());
  const retentions = await startedRetentions(accounts, config, note);
  parts.defer(() => retentions.stop());
  const mirrorRows = new PostgresMirrorRows(connections(mirrorConnectionsMax));
  const mirrors = parts.adopt(new Mirrors(mirrorRows, new Secrets(config.secrets), Date.now), one => one.close());
  const senderRows = new PostgresSenderRows(connections(senderConnectionsMax));
  const unopened = (reason: string) =>
    observer.note({ level: 'warn', message: 'webhooks of a page cannot be proven', detail: { reason } });
  const secrets = new Secrets(config.secrets);
  const senders = parts.adopt(new Senders(senderRows, secrets, Date.now, unopened), one => one.close());
  const opened = parts.move();
  return {
    store,
    accounts,
    authenticator,
    mirrors,
    mirrorRows,
    senders,
    reportPlaces: new ReportPlaces(senderRows, new Secrets(config.secrets), Date.now),
    openOutbox: async () => new PostgresOutbox(connections(outboxConnectionsMax, planningSettings)),
    requestCounter,
    retentions,
    sweepClock: new ClockRow(forAccounts),
    wouldDrop: () => wouldDrop(store, retentions),
    dropPast: async () => {
      await rows.dropExpired(Date.now());
      await requestCounter.dropPast();
      await dropPast(store, retentions);
    },
    close: () => opened.disposeAsync(),
  };
}

/** By the times that hold now: what an account was told to keep longer must not go by what was known a moment ago. */
async function dropPast(store: Store, retentions: Retentions): Promise<void> {
  await retentions.refresh();
  const { others, own } = retentions.horizons(Date.now());
  await store.dropBefore(others, own);
}

async function wouldDrop(store: Store, retentions: Retentions): Promise<Dropping> {
  await retentions.refresh();
  const { others, own } = retentions.horizons(Date.now());
  return store.wouldDrop(others, own);
}

async function startedRetentions(
  accounts: Accounts,
  { retentionMs }: Config,
  note: StoreObserver['note'],
): Promise<Retentions> {
  const retentions = new Retentions(accounts, retentionMs, error =>
    note({
      level: 'warn',
      message: 'how long accounts keep their messages cannot be read now',
      detail: { reason: String(error) },
    }),
  );
  await retentions.start();
  return retentions;
}

function credentialOptions({ tokenTtlMs, sessionTtlMs }: Config) {
  return { now: Date.now, tokenTtlMs, sessionTtlMs };
}
