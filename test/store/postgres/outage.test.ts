import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import type { PostgresStoreOptions } from '../../../src/store/postgres/options.ts';
import { type Store, StoreUnavailable, StoreUnusable } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import {
  account,
  delivered,
  findIds,
  horizon,
  idsOf,
  message,
  messages,
  now,
  outcome,
  query,
  record,
  recordAll,
  walk,
} from '../conformance/engine.ts';

/** A file system of its own for a tablespace, full after a few megabytes. */
class SmallPlace {
  readonly folder = mkdtempSync(join(tmpdir(), 'sentlog-small-'));

  static available(): boolean {
    return process.platform === 'linux' && process.getuid?.() === 0;
  }

  constructor() {
    this.#mount('size=16m');
    // As root, PostgreSQL runs as nobody here.
    chownSync(this.folder, 65_534, 65_534);
  }

  makeRoom(): void {
    this.#mount('remount,size=64m');
  }

  remove(): void {
    // Lazily: the server lets go of files that it dropped in its own time.
    execFileSync('umount', ['--lazy', this.folder]);
    rmSync(this.folder, { recursive: true });
  }

  #mount(options: string): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', this.folder]);
  }
}

let server: PostgresServer;
let url: string;
let witness: Witness;
let store: Store;

beforeAll(async () => {
  // What is not made durable by a commit itself stays in memory for long, and is lost in a crash.
  server = await PostgresServer.start(['wal_writer_delay=10s']);
  return () => server.remove();
});

beforeEach(async () => {
  url = await server.database();
  witness = new Witness();
  store = await open();
});
afterEach(() => store.close());

function open(options: Partial<PostgresStoreOptions> = {}): Promise<Store> {
  // What is dropped here are hours.
  return openPostgresStore({ url, poolSize: 6, observer: witness, partitionMs: 3_600_000, ...options });
}

/** Whether a call succeeds; it may fail only for want of the store. */
async function succeeds(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return false;
  }
}

describe('the database goes away', () => {
  it.each(['fast', 'kill'] as const)(
    'it is restarted in the middle of recording (%s) → refused meanwhile, then healthy by itself, nothing answered lost',
    async how => {
      const answered: string[] = [];
      let [refused, going] = [0, true];
      const recording = Array.from({ length: 6 }, async (_, lane) => {
        for (let i = 0; going; i++) {
          const batch = messages(20, j => ({ messageId: `${lane} ${i} ${j}`, sentAt: now - j }));
          if (await succeeds(() => recordAll(store, batch))) answered.push(...batch.map(({ messageId }) => messageId));
          else {
            refused++;
            await new Promise(resolve => setTimeout(resolve, 20));
          }
        }
      });
      await until(() => answered.length > 1000);
      await server.halt(how);
      await until(() => refused > 10);
      await expect(store.find(query())).rejects.toThrow(StoreUnavailable);
      await expect(store.history(account, 'm', horizon)).rejects.toThrow(StoreUnavailable);
      await expect(store.stats()).rejects.toThrow(StoreUnavailable);
      await expect(store.dropBefore(horizon)).rejects.toThrow(StoreUnavailable);
      const before = answered.length;
      await server.resume();
      await until(() => answered.length > before + 1000);
      going = false;
      await Promise.all(recording);
      const ids = idsOf(await walk(store, {}));
      expect(new Set(ids).size).toBe(ids.length);
      expect(answered.filter(id => !ids.includes(id))).toEqual([]);
      expect((await store.stats()).writeFailure).toBeUndefined();
      expect(witness.notes).toContain('records cannot be stored');
      expect(witness.notes).toContain('records can be stored again');
    },
  );

  it('opened while it is away → StoreUnavailable', async () => {
    await server.halt();
    await expect(open()).rejects.toThrow(StoreUnavailable);
    await server.resume();
    await until(() => succeeds(() => recordAll(store, [message('m')])));
  });

  it('every connection is cut → the next call has a new one', async () => {
    await recordAll(store, messages(10));
    for (let i = 0; i < 5; i++) {
      await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()', url);
      await until(() => succeeds(() => store.find(query())));
      await until(() => succeeds(() => record(store, [message(`n${i}`)])));
    }
    expect(await findIds(store)).toHaveLength(15);
  });
});

describe('the database is opened', () => {
  it.each<[string, () => Promise<string>]>([
    ['an address of something else', async () => 'mysql://127.0.0.1/log'],
    ['no address', async () => ''],
    ['a database that is not there', async () => server.url('nowhere')],
    ['a user that is not there', async () => server.url(new URL(url).pathname.slice(1), 'nobody')],
    [
      'a user that may create nothing',
      async () => {
        await server.query('CREATE ROLE guest LOGIN');
        return server.url(new URL(await server.database()).pathname.slice(1), 'guest');
      },
    ],
  ])('%s → StoreUnusable', async (_condition, address) => {
    await expect(open({ url: await address() })).rejects.toThrow(StoreUnusable);
  });

  it('an ordinary user that may create a schema → the whole log works', async () => {
    const database = new URL(await server.database()).pathname.slice(1);
    await server.query(`CREATE ROLE keeper LOGIN; GRANT CREATE ON DATABASE ${database} TO keeper`);
    const kept = await open({ url: server.url(database, 'keeper') });
    await recordAll(
      kept,
      messages(5, i => ({ sentAt: horizon + i * 3_600_000 })),
    );
    await record(kept, [{ messageId: 'm4', status: delivered }]);
    await kept.dropBefore(horizon + 7_200_000);
    expect(await findIds(kept)).toEqual(['m4', 'm3', 'm2']);
    expect(await kept.stats()).toMatchObject({ messages: 3, reports: 1 });
    await kept.close();
  });
});

describe('the database does not serve', () => {
  it('it lets only read → reads go on, records are refused; then both again', async () => {
    await recordAll(store, messages(3));
    const limited = (to: 'on' | 'off') =>
      server.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = ${to}`);
    await limited('on');
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()', url);
    await until(() => succeeds(() => store.find(query())));
    await expect(record(store, [message('n')])).rejects.toThrow(StoreUnavailable);
    expect((await store.stats()).writeFailure).toContain('read-only');
    expect(await findIds(store)).toHaveLength(3);
    await limited('off');
    await until(async () => (await store.stats()).writeFailure === undefined);
    await recordAll(store, [message('n')]);
    expect(await findIds(store)).toHaveLength(4);
  });

  it('a statement takes too long → StoreUnavailable, and the same call succeeds later', async () => {
    const hasty = await open({ statementTimeoutMs: 1500 });
    await recordAll(hasty, messages(3));
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE sentlog.message');
    await expect(hasty.find(query())).rejects.toThrow(StoreUnavailable);
    await expect(record(hasty, [{ messageId: 'm0', status: delivered }])).rejects.toThrow(StoreUnavailable);
    await client.end();
    expect(await record(hasty, [{ messageId: 'm0', status: delivered }])).toEqual(outcome({ updated: 1 }));
    expect(await findIds(hasty)).toHaveLength(3);
    await hasty.close();
  });

  it('every connection is taken for long → StoreUnavailable, and the same call succeeds when one is free', async () => {
    const narrow = await open({ poolSize: 2 });
    await recordAll(narrow, messages(3));
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE sentlog.message');
    const finds = [1, 2, 3].map(() => succeeds(() => narrow.find(query())));
    expect(await Promise.all(finds)).toEqual([false, false, false]);
    await client.end();
    expect(await findIds(narrow)).toHaveLength(3);
    await narrow.close();
  });

  it.runIf(SmallPlace.available())(
    'its disk is full → records are refused, reads go on; recorded again when there is room',
    async () => {
      const place = new SmallPlace();
      try {
        await server.query(`CREATE TABLESPACE small LOCATION '${place.folder}'`);
        await server.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_tablespace = small`);
        const full = await open({ schema: 'small' });
        const contentJson = JSON.stringify({ type: 'TEXT', text: 'x'.repeat(2000) });
        const answered: string[] = [];
        let refusal: unknown;
        for (let i = 0; refusal === undefined && i < 1000; i++) {
          const batch = messages(100, j => ({
            messageId: `${i} ${j}`,
            contentJson: contentJson.replace('x', `${i} ${j}`),
          }));
          await recordAll(full, batch).then(
            () => answered.push(...batch.map(({ messageId }) => messageId)),
            (error: unknown) => {
              refusal = error;
            },
          );
        }
        expect(refusal).toBeInstanceOf(StoreUnavailable);
        expect(String(refusal)).toContain('No space left');
        expect(witness.notes).toContain('records cannot be stored');
        expect((await full.find(query({ limit: 10 }))).logs).toHaveLength(10);
        place.makeRoom();
        await until(() => succeeds(() => recordAll(full, [message('after')])));
        expect(new Set(idsOf(await walk(full, {})))).toEqual(new Set([...answered, 'after']));
        await full.close();
        await server.query('DROP SCHEMA small CASCADE', url);
        await server.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} RESET default_tablespace`);
        await server.query('DROP TABLESPACE small');
      } finally {
        place.remove();
      }
    },
  );

  it('commits that are not made durable by default → made durable for the log', async () => {
    await server.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`);
    await store.close();
    store = await open();
    await recordAll(store, messages(3));
    await server.halt('kill');
    await server.resume();
    await until(() => succeeds(() => store.find(query())));
    expect(await findIds(store)).toHaveLength(3);
  });
});

describe('a process dies', () => {
  it('kill -9 in the middle of recording, time and again → everything answered is there, once, and others go on', async () => {
    const answered: string[] = [];
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'recording-child.ts'), url, `r${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let lines = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        lines += text;
      });
      await until(() => lines.split('\n').length > 12 * (round + 1));
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
      // The last line may be half a line: its batch was answered to nobody.
      const batches = lines.split('\n').slice(0, -1);
      answered.push(...batches.flatMap(batch => Array.from({ length: 40 }, (_, j) => `r${round} ${batch} ${j}`)));
      const again = answered.slice(-40).map((id, j) => message(id, { sentAt: sentAtOf(batches.at(-1) ?? '', j) }));
      expect(await record(store, again)).toEqual(outcome({ unchanged: 40 }));
    }
    const ids = idsOf(await walk(store, {}));
    expect(new Set(ids).size).toBe(ids.length);
    const there = new Set(ids);
    expect(answered.length).toBeGreaterThan(1000);
    expect(answered.filter(id => !there.has(id))).toEqual([]);
    for (const id of answered.slice(0, 40)) {
      const history = await store.history(account, id, 0);
      expect(history?.timeline).toHaveLength(2);
    }
  });
});

/** As the recording process made it up. */
function sentAtOf(batch: string, j: number): number {
  const i = Number(batch.split(' ')[1]);
  return now - ((i * 7 + j) % 50) * 100_000;
}
