import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import { StoreUnusable } from '../../../src/store/store.ts';
import { Line } from '../../support/line.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import { findIds, message, messages, recordAll } from '../conformance/engine.ts';
import { databaseOf, ReplicaPair, readsOf, replicaIn } from './replica-pair.ts';

const pair = new ReplicaPair();
beforeAll(() => pair.start());
afterAll(() => pair.remove());
beforeEach(() => pair.begin());
afterEach(() => pair.end());

describe('an address that is none of a standby of this database', () => {
  const reasonsFor = async (address: string) => {
    const store = await pair.open({ replicas: { urls: [address], lagMsMax: 300, lookEveryMs: 20, startMs: 0 } });
    await recordAll(store, messages(3));
    await until(() => pair.told.some(line => line.includes('a read replica is not used')));
    expect(await findIds(store)).toHaveLength(3);
    expect((await replicaIn(store)).reads).toBe(0);
    return pair.told.filter(line => line.includes('replica'));
  };

  it('the database itself → told, and not used as one', async () => {
    expect(await reasonsFor(pair.url)).toEqual(['error a read replica is not used: it is no standby']);
  });

  it('another database of the same server → told, and not used', async () => {
    const elsewhere = await pair.server.database();
    const store = await openPostgresStore({ url: elsewhere, poolSize: 2, observer: new Witness() });
    await store.close();
    await until(() => pair.standby.isThere(pair.standby.url(databaseOf(elsewhere))));
    const [reason] = await reasonsFor(pair.standby.url(databaseOf(elsewhere)));
    expect(reason).toContain('it is behind, or replicates another database');
  });

  it.each([
    ['without the log', 'postgres', 'it is behind, or replicates another database'],
    ['that is not there', 'nowhere', 'does not exist'],
  ])('a database %s → told, and not used', async (_, name, reason) => {
    expect((await reasonsFor(pair.standby.url(name)))[0]).toContain(reason);
  });

  it('a database spread over Citus → refused at the start', async () => {
    await pair.server.query(
      `SET allow_system_table_mods = on; INSERT INTO pg_extension VALUES (99999, 'citus', 10, 11, false, '13', NULL, NULL)`,
      pair.url,
    );
    await expect(pair.open({ replicas: { urls: [pair.replicaUrl], lagMsMax: 1000 } })).rejects.toThrow(StoreUnusable);
  });

  it('a standby of another server → told, and not used', async () => {
    // In a folder of its own it has an identity of its own.
    const foreign = await PostgresServer.start(['fsync=off'], mkdtempSync(join(tmpdir(), 'sentlog-foreign-')));
    const copy = await foreign.standby();
    try {
      const elsewhere = await foreign.database();
      await until(() => copy.isThere(copy.url(databaseOf(elsewhere))));
      expect(await reasonsFor(copy.url(databaseOf(elsewhere)))).toEqual([
        'error a read replica is not used: it is a standby of another server',
      ]);
    } finally {
      await Promise.all([copy.remove(), foreign.remove()]);
    }
  });

  it('a standby that is promoted, and one that follows it → not used any more', async () => {
    const promoted = await pair.server.standby();
    const follower = await promoted.standby();
    try {
      const name = databaseOf(pair.url);
      await until(async () => (await promoted.isThere(promoted.url(name))) && follower.isThere(follower.url(name)));
      const store = await pair.openOver(1_000, [promoted.url(name), follower.url(name)]);
      await recordAll(store, messages(5));
      await promoted.query('SELECT pg_promote()');
      await until(async () => (await readsOf(store)).replicas.every(({ isUsed }) => !isUsed));
      // What only the database has from now on; the follower goes on replaying, of the other one.
      await promoted.query('CREATE TABLE sentlog.noise AS SELECT generate_series(1, 100000)', promoted.url(name));
      const other = await pair.open();
      await recordAll(other, [message('after')]);
      expect(await findIds(store)).toContain('after');
      expect(pair.told).toContain('error a read replica is not used: it is no standby');
      expect(pair.told.some(line => /^warn a read replica is not used: it (is|shows)/.test(line))).toBe(true);
      expect((await readsOf(store)).replicas.map(({ isUsed }) => isUsed)).toEqual([false, false]);
    } finally {
      await Promise.all([follower.remove(), promoted.remove()]);
    }
  });

  it.each([
    ['near', 0],
    // Longer than a read waits for a standby to tell how far it is.
    ['far away', 60],
  ])('one address of two standbys, %s → reads go only to the one that was looked at', async (_, delayMs) => {
    const second = await pair.server.standby();
    const line = await Line.to(pair.standby.port);
    const client = await pair.server.connect(pair.url);
    try {
      const name = databaseOf(pair.url);
      await until(() => second.isThere(second.url(name)));
      const store = await pair.openOver(60_000, [`postgres://postgres@127.0.0.1:${line.port}/${name}`]);
      await recordAll(store, messages(4));
      await second.query('SELECT pg_wal_replay_pause()');
      // No beat shows what is recorded from now on: before a standby is read, it is asked how far it is.
      await client.query('BEGIN; LOCK TABLE sentlog.heartbeat');
      Object.assign(line, { port2: second.port, delayMs });
      for (let i = 0; i < 12; i++) {
        await recordAll(store, [message(`n${i}`)]);
        expect(await findIds(store)).toContain(`n${i}`);
        // What the read asked of the other standby has failed; the one that is looked at stays connected.
        await until(() => line.connections === 1);
      }
      expect(pair.told.some(told => told.includes('its address leads to several servers'))).toBe(true);
      expect((await replicaIn(store)).reads).toBe(0);
    } finally {
      await client.end();
      await line.close();
      await second.remove();
    }
  });
});
