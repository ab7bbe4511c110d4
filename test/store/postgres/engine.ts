import type { AccountId } from '../../../src/domain/message.ts';
import { migrate, schemaName } from '../../../src/postgres/migrate.ts';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import { spreadAccount } from '../../../src/store/postgres/layout/spreading.ts';
import type { PostgresStoreOptions } from '../../../src/store/postgres/options.ts';
import type { Store, StoreObserver } from '../../../src/store/store.ts';
import { type DatabaseServer, isGiven, prepare } from '../../support/database-server.ts';
import { until } from '../../support/sqlite-log.ts';
import type { EngineHints, OpenedEngine } from '../conformance.ts';
import { openSealer, SealedStore } from './sealed-store.ts';

type Note = Parameters<StoreObserver['note']>[0];

/** On a busy machine a replica may be slow to answer or to follow: reads go to the database meanwhile, as the contract has it. */
const isSlowReplica = ({ message, detail }: Note) =>
  message === 'a read replica is not used' &&
  /"(?:it does not answer|it is \d+ ms behind|it shows nothing [^"]*)"/.test(JSON.stringify(detail));

/** A sound engine warns of nothing: whatever is told here fails the test that closes. */
class Complaints implements StoreObserver {
  readonly told: string[] = [];
  readonly news = new Set<string>();

  readonly committed: StoreObserver['committed'];

  constructor(committed: StoreObserver['committed'] = () => {}) {
    this.committed = committed;
  }

  damaged({ name, reason }: Parameters<StoreObserver['damaged']>[0]): void {
    this.told.push(`${name} is damaged: ${reason}`);
  }

  note(note: Note): void {
    const { message, level, detail } = note;
    if (level === 'info') this.news.add(message);
    else if (!isSlowReplica(note)) this.told.push(`${message} ${JSON.stringify(detail)}`);
  }
}

export type PostgresEngineHints = EngineHints & {
  /** Over how many every account is spread. */
  readonly slices?: number;
  readonly replicas?: (url: string) => Promise<PostgresStoreOptions['replicas']>;
  /** Whether all that was recorded is in blocks before the next call, and reports take it out again. */
  readonly sealing?: boolean;
  /** Runs before a store is closed. */
  readonly closing?: (store: Store) => Promise<void>;
};

/** Below so many messages a segment the partitions are of two seconds. */
const manyPartitions = 5;
/** One on either side. */
export const segmentSizes: readonly number[] = [3, 1000];

/** Those that a test records for that has a store of its own. */
const ownAccounts = [1, 2, 7, 70_000];

let schemas = 0;

type Place = { readonly server: DatabaseServer; readonly url: string; readonly schema: string };

/** Spreads the first, and gives the others the layout that it has then: one by one hundreds would take long. */
async function spread(
  { server, url, schema }: Place,
  [first = 1, ...others]: readonly AccountId[],
  slices: number,
): Promise<void> {
  await migrate({ url, schema }, () => {});
  await spreadAccount({ url, schema }, { account: first, slices, announceMs: 0 });
  const accounts = `unnest(ARRAY[${others.join()}]::bigint[])`;
  await server.query(
    `INSERT INTO ${schema}.layout (account_id, slices, begun_at)
     SELECT account, l.slices, l.begun_at FROM ${schema}.layout l, ${accounts} account WHERE l.account_id = ${first}`,
    url,
  );
}

/** A database of its own where it can be copied; a schema of its own on a server that is given. */
async function newPlace(server: DatabaseServer, url: string): Promise<Place & { remove(): Promise<void> }> {
  if (!isGiven) {
    const own = await server.databaseWithTables();
    return { server, url: own, schema: schemaName, remove: () => server.drop(own) };
  }
  const schema = `log_${++schemas}`;
  await prepare(url, schema);
  return { server, url, schema, remove: async () => void (await server.query(`DROP SCHEMA ${schema} CASCADE`, url)) };
}

/** An engine on a place of its own. */
export async function openPostgresEngine(
  server: DatabaseServer,
  givenUrl: string,
  hints: PostgresEngineHints,
): Promise<OpenedEngine> {
  const { segmentMessagesMax = 1000, accounts = ownAccounts, slices = 1, sealing = false } = hints;
  const { closing = async () => {} } = hints;
  const place = await newPlace(server, givenUrl);
  const { url, schema } = place;
  const replicas = await hints.replicas?.(url);
  const partitionMs = segmentMessagesMax < manyPartitions ? 2000 : 3_600_000;
  if (slices > 1) await spread(place, accounts, slices);
  const observer = new Complaints(hints.committed);
  // On a busy machine a node may take long to answer whoever looks, a statement and a connection their time, and a read waits for others.
  const [answerMsMax, statementTimeoutMs, connectMsMax, turnMsMax] = [30_000, 60_000, 60_000, 60_000];
  const options = {
    url,
    schema,
    poolSize: 4,
    partitionMs,
    answerMsMax,
    statementTimeoutMs,
    connectMsMax,
    turnMsMax,
    observer,
    ...(replicas !== undefined && { replicas }),
  };
  const sealer = sealing ? await openSealer(place, observer) : undefined;
  const open = async (): Promise<Store> => {
    const opened = await openPostgresStore(options);
    const store =
      sealer === undefined ? opened : new SealedStore(opened, since => sealer.seal(since).then(() => sealer.fold()));
    if (replicas !== undefined) await until(() => observer.news.delete('a read replica is used'));
    return store;
  };
  const close = async (store: Store) => {
    await closing(store);
    await store.close();
  };
  const first = await open();
  let store = first;
  return {
    store: first,
    reopen: async () => {
      await close(store);
      store = await open();
      return store;
    },
    close: async () => {
      await close(store);
      await sealer?.close();
      await place.remove();
      if (observer.told.length > 0) throw new Error(observer.told.join('\n'));
    },
  };
}
