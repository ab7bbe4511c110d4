import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AccountId } from '../../../src/domain/message.ts';
import { type Store, type StoreStats, StoreUnavailable } from '../../../src/store/store.ts';
import { Line } from '../../support/line.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import { horizon, idsOf, message, now, outcome, query, record } from '../conformance/engine.ts';
import { accountOn, nodes, standInForCitus } from './citus-stand-in.ts';
import { PostgresDatabase } from './database.ts';

let server: PostgresServer;
let database: PostgresDatabase;
let witness: Witness;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});

beforeEach(async () => {
  database = await PostgresDatabase.create(server);
  witness = new Witness();
});
afterEach(() => database.close());

const answerMsMax = 1000;
const add = (store: Store, account: AccountId, id: string) =>
  record(store, [message(id)], { account, receivedAt: now, sentSince: horizon });

/** On a busy machine a look may take too long at any time: then the store refuses, and serves again. */
async function serves(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof StoreUnavailable) return false;
    throw error;
  }
}

/** The figures; nothing yet where the machine takes as long as a database that does not answer. */
const told = (store: Store) =>
  store.stats().catch((error: unknown) => {
    if (error instanceof StoreUnavailable) return undefined;
    throw error;
  });

async function sleepers(): Promise<number> {
  const [{ count } = {}] = await database.query(
    `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  );
  return Number(count);
}

describe('a node of the database hangs', () => {
  it('what lies on it is refused, what lies on another goes on, and who is held up is told', async () => {
    await standInForCitus(database);
    const [held, free] = [await accountOn(database, 0), await accountOn(database, 1)];
    const store = await database.open({ poolSize: 4, answerMsMax, observer: witness });
    for (const account of [held, free]) await until(() => serves(() => add(store, account, 'before')));
    const hold = await database.hold('LOCK TABLE summed_0');
    // More than there are connections.
    const refused = Promise.allSettled(Array.from({ length: 6 }, (_, i) => add(store, held, `held ${i}`)));
    await database.someoneWaits();
    await until(() => serves(() => add(store, free, 'meanwhile')));
    expect((await refused).map(({ status }) => status)).toEqual(Array(6).fill('rejected'));
    await until(async () => {
      const { away = [], writeFailure } = (await told(store)) ?? {};
      return away.length === 1 && away[0]?.name === nodes[0] && away[0].accounts === 1 && writeFailure === undefined;
    });
    await expect(add(store, held, 'late')).rejects.toThrow(StoreUnavailable);
    await expect(store.find(query({ account: held }))).rejects.toThrow(`node ${nodes[0]} is away`);
    await until(() => serves(() => store.find(query({ account: free }))));
    await hold.end();
    await until(async () => {
      const figures = await told(store);
      return figures !== undefined && figures.away === undefined;
    });
    await until(() => serves(() => add(store, held, 'after')));
    const ids = idsOf((await store.find(query({ account: held }))).logs);
    expect(ids).toContain('before');
    expect(ids).toContain('after');
    for (const told of ['away', 'back']) expect(witness.notes).toContain(`a node of the database is ${told}`);
  });

  it('what takes long on another meanwhile → goes on', async () => {
    await standInForCitus(database);
    const [held, free] = [await accountOn(database, 0), await accountOn(database, 1)];
    const store = await database.open({ poolSize: 8, answerMsMax, statementTimeoutMs: 60_000, observer: witness });
    for (const account of [held, free]) await until(() => serves(() => add(store, account, 'before')));
    await database.query(`
      CREATE TABLE public.ended ();
      CREATE FUNCTION public.last() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM public.ended) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN NEW; END $$;
      CREATE TRIGGER lasting BEFORE INSERT ON sentlog.recording FOR EACH ROW WHEN (NEW.account_id = ${free})
        EXECUTE FUNCTION public.last()`);
    const lasting = add(store, free, 'meanwhile');
    await until(async () => (await sleepers()) === 1);
    const hold = await database.hold('LOCK TABLE summed_0');
    // Began later, and is given up.
    await expect(add(store, held, 'held')).rejects.toThrow(StoreUnavailable);
    await until(() => witness.notes.includes('a node of the database is away'));
    await database.query('INSERT INTO public.ended DEFAULT VALUES');
    expect(await lasting).toEqual(outcome({ recorded: 1 }));
    await hold.end();
  });

  it('all of them → nothing can be recorded, and that is told', async () => {
    await standInForCitus(database);
    const account = await accountOn(database, 0);
    const store = await database.open({ poolSize: 4, answerMsMax, observer: witness });
    await until(() => serves(() => add(store, account, 'before')));
    const hold = await database.hold('LOCK TABLE summed_0, summed_1');
    await until(async () => (await told(store))?.writeFailure !== undefined);
    await hold.end();
    await until(() => serves(() => add(store, account, 'after')));
    await until(async () => {
      const figures = await told(store);
      return figures !== undefined && figures.writeFailure === undefined;
    });
  });
});

describe('the database hangs', () => {
  it('no more than what is counted → figures are told as they were last counted', async () => {
    const store = await database.open({ poolSize: 2, answerMsMax, observer: witness });
    await add(store, 1, 'before');
    await until(async () => (await told(store))?.messages === 1);
    const hold = await database.hold('LOCK TABLE total, recording IN ACCESS EXCLUSIVE MODE');
    let figures: StoreStats | undefined;
    await until(async () => {
      figures = await told(store);
      return figures !== undefined;
    });
    expect(figures).toMatchObject({ messages: 1 });
    await hold.end();
  });

  it('who looks after the process hears soon that it does not answer; then all goes on', async () => {
    const line = await Line.to(server.port);
    const url = new URL(database.url);
    url.port = String(line.port);
    const store = await database.open({ url: url.href, answerMsMax, observer: witness });
    expect(await add(store, 1, 'before')).toEqual(outcome({ recorded: 1 }));
    line.isSilent = true;
    await expect(store.stats()).rejects.toThrow('does not answer');
    // However many look, they wait for one answer.
    const looks = await Promise.allSettled(Array.from({ length: 20 }, () => store.stats()));
    expect(looks.map(({ status }) => status)).toEqual(Array(20).fill('rejected'));
    line.cut();
    await until(async () => (await told(store)) !== undefined);
    await until(() => serves(() => add(store, 1, 'after')));
    await store.close();
    await line.close();
  });
});
