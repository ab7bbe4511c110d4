import { beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import { account, findIds, horizon, idsOf, message, messages, query, recordAll, walk } from '../conformance/engine.ts';
import { standInForCitus } from './citus-stand-in.ts';
import { PostgresDatabase } from './database.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
  return () => server.remove();
});

const eras = (database: PostgresDatabase) => database.query('SELECT number, crashes FROM sentlog.era ORDER BY number');

describe('eras', () => {
  it('a coordinator of Citus crashes time and again → one era, cursors and places in the stream go on, and what it counts is later', async () => {
    const database = await PostgresDatabase.create(server);
    await standInForCitus(database);
    const first = await database.open();
    await recordAll(first, messages(6));
    const expected = await findIds(first);
    const begun = await first.find(query({ walk: true, limit: 2 }));
    const { next: place } = await first.changes({ account, sentSince: horizon, limit: 10 });
    await first.close();
    for (let crash = 1; crash <= 2; crash++) {
      await server.halt('kill');
      await server.resume();
      const store = await database.open();
      await recordAll(store, [message(`crash ${crash}`)]);
      await store.close();
      const [{ crashes } = {}] = await eras(database);
      // The first connection to the stand-in found what it takes for a crash, too.
      expect(crashes).toBe(crash + 1);
    }
    expect(await eras(database)).toHaveLength(1);
    const store = await database.open({ observer: new Witness() });
    const rest = await store.find(query({ walk: true, limit: 10, ...(begun.next && { after: begun.next }) }));
    expect([...idsOf(begun.logs), ...idsOf(rest.logs)]).toEqual(expected);
    expect(idsOf(await walk(store, {}))).toHaveLength(8);
    let shown: readonly string[] = [];
    await until(async () => {
      const { changes } = await store.changes({ account, sentSince: horizon, limit: 10, after: place });
      shown = changes.map(({ log }) => log.messageId);
      return shown.length === 2;
    });
    expect(shown).toEqual(['crash 1', 'crash 2']);
    await database.close();
  });

  it('a version that knows no crashes → takes it for another server, and both go by the era that it begins', async () => {
    const database = await PostgresDatabase.create(server);
    await standInForCitus(database);
    await (await database.open()).close();
    const [{ identity } = {}] = await database.query(
      `SELECT system_identifier AS identity FROM sentlog.era WHERE system_identifier LIKE '%#1'`,
    );
    // As that version has it.
    const itsOwn = String(identity).replace('#1', '');
    await database.query(`INSERT INTO sentlog.era (number, system_identifier) VALUES (2, '${itsOwn}')`);
    const store = await database.open();
    await recordAll(store, messages(2));
    expect(await findIds(store)).toHaveLength(2);
    expect(await eras(database)).toEqual([
      { number: 1, crashes: 1 },
      { number: 2, crashes: 0 },
    ]);
    await database.close();
  });

  it('no era is left for another server → refused, with the reason', async () => {
    const database = await PostgresDatabase.create(server);
    await (await database.open()).close();
    await database.query(`UPDATE sentlog.era SET number = 127, system_identifier = 'another'`);
    const opening = database.open();
    await expect(opening).rejects.toThrow(StoreUnavailable);
    await expect(opening).rejects.toThrow('eras');
    await database.close();
  });
});
