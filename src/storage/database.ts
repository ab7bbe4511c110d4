import { Accounts } from '../accounts/accounts.ts';
import { Credentials } from '../accounts/credentials.ts';
import { PostgresAccountRows, refuseLost } from '../accounts/postgres/account-rows.ts';
import { PostgresCredentialRows } from '../accounts/postgres/credential-rows.ts';
import type { Config } from '../config.ts';
import { SharedRequestCounter } from '../http/rate-limit/shared-request-counter.ts';
import { limits } from '../limits.ts';
import { PostgresMirrorRows } from '../mirror/postgres/mirror-rows.ts';
import { PostgresOutbox } from '../outbox/postgres/engine.ts';
import { ClockRow } from '../postgres/clock-row.ts';
import { Connections } from '../postgres/connections.ts';
import { schemaName } from '../postgres/migrate.ts';
import { PostgresSenderRows } from '../senders/sender-table.ts';
import { openPostgresStore } from '../store/postgres/engine.ts';
import { planningSettings } from '../store/postgres/schema/planning.ts';
import type { StoreObserver } from '../store/store.ts';
import {
  credentialOptions,
  dropPast,
  openedPlaces,
  type Storage,
  startedLostAccounts,
  startedRetentions,
  wouldDrop,
} from './storage.ts';

/** Callers are let in over connections of their own: neither a flood of them nor one of requests holds up the other. */
const accountConnectionsMax = 3;
const countingConnectionsMax = 3;
const mirrorConnectionsMax = 2;
const senderConnectionsMax = 1;
/** Claiming, settling, receiving and telling take turns on one, and wait for rows on two; the rest is beside them. */
const outboxConnectionsMax = 6;
/** A generation of ids is kept for as long as it has a message inside retention: three to four of them at a time. */
const generationMsMin = 24 * 3_600_000;

/** What partitions span, unless that is best told by how much is recorded. */
export function partitionsFor({ partitionMs, retentionMs }: Pick<Config, 'partitionMs' | 'retentionMs'>) {
  if (partitionMs !== undefined) return { partitionMs };
  return retentionMs < limits.partitionRetentionMs ? { partitionMs: limits.partitionMs } : {};
}

/** In a database, for any number of servers. */
export async function openDatabase(config: Config, url: string, observer: StoreObserver): Promise<Storage> {
  await using parts = new AsyncDisposableStack();
  const { poolSize, statementTimeoutMs, retentionMs, replicas, replicaLagMs, sealAfterMs } = config;
  const generationMs = Math.max(generationMsMin, Math.ceil(retentionMs / 3));
  const options = {
    url,
    poolSize,
    ...partitionsFor(config),
    statementTimeoutMs,
    generationMs,
    observer,
    ...(sealAfterMs !== undefined && { sealAfterMs }),
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
  const places = openedPlaces(
    parts,
    () => new PostgresMirrorRows(connections(mirrorConnectionsMax)),
    () => new PostgresSenderRows(connections(senderConnectionsMax)),
    config,
    note,
  );
  const lostAccounts = startedLostAccounts(parts, { store, accounts, ...places }, note);
  const opened = parts.move();
  return {
    store,
    accounts,
    authenticator,
    ...places,
    openOutbox: async () => new PostgresOutbox(connections(outboxConnectionsMax, planningSettings)),
    requestCounter,
    retentions,
    lostAccounts,
    sweepClock: new ClockRow(forAccounts),
    wouldDrop: sentUntil => wouldDrop(store, retentions, sentUntil),
    dropPast: async () => {
      await rows.dropExpired(Date.now());
      await requestCounter.dropPast();
      await dropPast(store, retentions);
    },
    close: () => opened.disposeAsync(),
  };
}
