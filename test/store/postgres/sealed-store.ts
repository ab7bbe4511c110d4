import type { EpochMs, Submission } from '../../../src/domain/message.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { Database } from '../../../src/store/postgres/log/database.ts';
import { Generations } from '../../../src/store/postgres/log/generations.ts';
import { Partitions } from '../../../src/store/postgres/log/partitions.ts';
import { foldKeys } from '../../../src/store/postgres/upkeep/folding.ts';
import { Sealer, type SealingOutcome } from '../../../src/store/postgres/upkeep/sealer.ts';
import type { RecordBatch, Store, StoreObserver } from '../../../src/store/store.ts';
import type { DatabaseServer } from '../../support/database-server.ts';
import { Witness } from '../../support/sqlite-log.ts';
import { delivered, message, now } from '../conformance/engine.ts';
import { PostgresDatabase } from './database.ts';

export const ids = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
/** Over some hours, newest first. */
export const spreadOut = (count: number, from = 0): Submission[] =>
  Array.from({ length: count }, (_, i) => message(`m${from + i}`, { sentAt: now - (from + i) * 60_000 }));
export const report = (messageId: string): Submission => ({ messageId, status: delivered });

type Place = { readonly server: DatabaseServer; readonly url: string; readonly schema: string };

/** When a piece of upkeep ends, as if its process did: with which statement, and whether that was carried out. */
export type Ending = { readonly statement: number; readonly isDone: boolean };

/** Whose upkeep can be broken off at any statement. */
class MortalDatabase extends Database {
  ending: Ending | undefined;

  override apart<T>(msMax: number, work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { ending } = this;
    let asked = 0;
    const mortally = async <R>(ask: () => Promise<R>): Promise<R> => {
      const isLast = ending !== undefined && asked++ >= ending.statement;
      if (isLast && !ending.isDone) throw new Broken();
      const answer = await ask();
      if (isLast) throw new Broken();
      return answer;
    };
    const mortal = (session: Session): Session => ({
      query: (statement, values) => mortally(() => session.query(statement, values)),
      run: text => mortally(() => session.run(text)),
    });
    return super.apart(msMax, session => work(mortal(session)), signal);
  }
}

/** Upkeep was broken off. */
export class Broken extends Error {
  constructor() {
    super('broken off');
  }
}

/** Seals as an operator would never have it: everything, whenever it is told to. */
export async function openSealer({ server, url, schema }: Place, observer: StoreObserver) {
  await migrate({ url, schema }, () => {});
  await server.query(
    `INSERT INTO ${schema}.sealing (seed, until_sent_at) VALUES (7, ${Number.MAX_SAFE_INTEGER - 1}) ON CONFLICT DO NOTHING`,
    url,
  );
  const pools = { readersMax: 1, recordersMax: 1, statementTimeoutMs: 60_000, answerMsMax: 30_000 };
  const database = new MortalDatabase({ url, schema, ...pools, observer });
  const partitions = new Partitions(database, 3_600_000, one => observer.note(one));
  const generations = new Generations(database, 0);
  return {
    /** The keys of all that was recorded, some at once. */
    fold: async (keysAtOnce?: number, ending?: Ending): Promise<number> => {
      await generations.advanceIfDue();
      database.ending = ending;
      const options = { closedMs: 0, seenMs: 0, ...(keysAtOnce !== undefined && { keysAtOnce }) };
      return foldKeys(database, options, new AbortController().signal).finally(() => {
        database.ending = undefined;
      });
    },
    seal: (since?: EpochMs): Promise<SealingOutcome> =>
      new Sealer(database, partitions, { announceMs: 0, messagesMin: 1 }).sealBefore(Number.MAX_SAFE_INTEGER, since),
    close: () => database.close(),
  };
}

export type Sealed = {
  readonly database: PostgresDatabase;
  readonly store: Store;
  readonly seal: () => Promise<unknown>;
  readonly fold: (keysAtOnce?: number, ending?: Ending) => Promise<number>;
};

/** Works on a database of its own, and has it sealed, and its keys folded, whenever that is asked for. */
export async function onSealed(server: DatabaseServer, work: (sealed: Sealed) => Promise<void>): Promise<void> {
  const database = await PostgresDatabase.create(server);
  const sealer = await openSealer({ server, url: database.url, schema: 'sentlog' }, new Witness());
  try {
    await work({ database, store: await database.open(), seal: () => sealer.seal(), fold: sealer.fold });
  } finally {
    await sealer.close();
    await database.close();
  }
}

/** A store whose messages are sealed, and their keys folded, when they are recorded. */
export class SealedStore implements Store {
  readonly #store: Store;
  readonly #seal: (since: EpochMs) => Promise<unknown>;

  constructor(store: Store, seal: (since: EpochMs) => Promise<unknown>) {
    this.#store = store;
    this.#seal = seal;
  }

  get batchRecords(): number {
    return this.#store.batchRecords;
  }

  async record(batch: RecordBatch) {
    const outcome = await this.#store.record(batch);
    if (outcome.recorded > 0)
      await this.#seal(Math.min(...batch.submissions.map(({ sentAt }) => sentAt ?? batch.receivedAt)));
    return outcome;
  }

  find(...asked: Parameters<Store['find']>) {
    return this.#store.find(...asked);
  }

  render(...asked: Parameters<Store['render']>) {
    return this.#store.render(...asked);
  }

  history(...asked: Parameters<Store['history']>) {
    return this.#store.history(...asked);
  }

  changes(...asked: Parameters<Store['changes']>) {
    return this.#store.changes(...asked);
  }

  watch(...asked: Parameters<Store['watch']>) {
    return this.#store.watch(...asked);
  }

  summarize(...asked: Parameters<Store['summarize']>) {
    return this.#store.summarize(...asked);
  }

  stats() {
    return this.#store.stats();
  }

  dropBefore(...asked: Parameters<Store['dropBefore']>) {
    return this.#store.dropBefore(...asked);
  }

  wouldDrop(...asked: Parameters<Store['wouldDrop']>) {
    return this.#store.wouldDrop(...asked);
  }

  accounts() {
    return this.#store.accounts();
  }

  close() {
    return this.#store.close();
  }
}
