import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { isWorthAnotherTry } from '../../src/postgres/failure.ts';
import { keptPlansMax } from '../../src/postgres/kept-plans.ts';
import type { Transaction } from '../../src/postgres/session.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { until } from '../support/sqlite-log.ts';
import { TlsFront } from '../support/tls-front.ts';

let server: PostgresServer;
let connections: Connections;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  const url = await server.database();
  const note = () => {};
  connections = new Connections({ url, schema: 'public', statementTimeoutMs: 10_000, max: 1, note });
  await connections.query('CREATE TABLE kept (number integer PRIMARY KEY)');
});
afterAll(async () => {
  await connections.close();
  await server.remove();
});

const keep = (name: string) => ({ name, text: 'INSERT INTO kept SELECT $1::integer' });
const kept = () => connections.query('SELECT number FROM kept ORDER BY number');

describe('a transaction that sends and does not wait', () => {
  test('all succeeds → all is there', async () => {
    await connections.transaction('', async session => {
      for (const number of [1, 2, 3]) session.send(keep('keep'), [number]);
    });
    expect(await kept()).toEqual([[1], [2], [3]]);
  });

  test('one fails among others → rejects with that failure, nothing is there, and the connection works on', async () => {
    const failing = connections.transaction('', async session => {
      session.send(keep('keep'), [4]);
      session.send(keep('keep'), [1]);
      session.copy('COPY kept FROM STDIN (FORMAT binary)', new Uint8Array());
      await session.query('SELECT 1');
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(await kept()).toEqual([[1], [2], [3]]);
  });

  test('the driver does not send one → rejects, whatever became of the rest', async () => {
    const failing = connections.transaction('', async session => {
      session.send(keep('keep'), [5]);
      session.send({ name: 'keep', text: 'another statement of that name' }, [6]);
    });
    await expect(failing).rejects.toThrow(Unavailable);
    await connections.query('DELETE FROM kept WHERE number > 3');
    expect(await kept()).toEqual([[1], [2], [3]]);
  });

  test.each(['55P03', '40P01', '22003', '23505'])(
    'one fails with %s while others still ask and send → rejects with that failure, whoever of them is heard first',
    async code => {
      const fail = `DO $do$ BEGIN PERFORM pg_sleep(0.05); RAISE SQLSTATE '${code}'; END $do$`;
      const asking = async (session: Transaction, last: 'send' | 'query') => {
        await session.query('SELECT 1');
        session.send(keep('keep'), [8]);
        if (last === 'query') await session.query('SELECT 2');
      };
      for (const last of ['send', 'query'] as const)
        for (const isHeardLast of [false, true]) {
          const ended: unknown = await connections
            .transaction('', async session => {
              const works = [asking(session, last), session.query(fail)];
              await Promise.allSettled(works);
              await Promise.all(isHeardLast ? works : works.toReversed());
            })
            .catch(error => (error instanceof Unavailable ? error.cause : error));
          expect(ended, `${last} ${isHeardLast}`).toMatchObject({ code });
        }
      expect(await kept()).toEqual([[1], [2], [3]]);
    },
  );

  test('what it opens with fails → rejects with that failure', async () => {
    const failing = connections.transaction('SELECT 1 / 0', async session => {
      session.send(keep('keep'), [7]);
      await session.query('SELECT 1');
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await kept()).toEqual([[1], [2], [3]]);
  });
});

test('statements of more kinds than a connection keeps plans of → those used last are kept, and all answer', async () => {
  const ask = async (kind: number) => {
    const statement = { name: `kind ${kind}`, text: `SELECT $1::integer + ${kind}`, isOneOfMany: true };
    expect(await connections.query(statement, [1])).toEqual([[1 + kind]]);
  };
  const kinds = Array.from({ length: keptPlansMax }, (_, kind) => kind);
  for (const kind of kinds) await ask(kind);
  await ask(0);
  await ask(keptPlansMax);
  const [[count] = []] = await connections.query(
    `SELECT count(*) || ' ' || bool_or(name = 'kind 0') || ' ' || bool_or(name = 'kind 1')
     FROM pg_prepared_statements WHERE name LIKE 'kind %'`,
  );
  expect(count).toBe(`${keptPlansMax} true false`);
  await ask(1);
});

test('what is sent last is one of many statements → it belongs to the transaction, also where another plan is forgotten for it', async () => {
  const url = await server.database();
  const one = new Connections({ url, schema: 'public', statementTimeoutMs: 10_000, max: 1, note: () => {} });
  onTestFinished(() => one.close());
  await one.query('CREATE TABLE written (kind integer, tx text)');
  const text = 'INSERT INTO written VALUES ($1, pg_current_xact_id()::text)';
  const kinds = Array.from({ length: 2 * keptPlansMax }, (_, kind) => kind);
  for (const kind of kinds)
    await one.transaction('', async session => {
      await session.query({ name: 'written', text }, [kind]);
      session.send({ name: `written ${kind}`, text, isOneOfMany: true }, [kind]);
      await session.last({ name: 'written', text }, [kind]);
    });
  const counts = 'SELECT count(DISTINCT tx), count(*) FROM written GROUP BY kind';
  expect(await one.query(`SELECT DISTINCT * FROM (${counts})`)).toEqual([['1', '3']]);
});

describe('a caller who goes away', () => {
  const slow = { text: 'SELECT pg_sleep(600)' };
  const running = () =>
    observing.query(
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid()",
    );
  const backend = async () => (await connections.query('SELECT pg_backend_pid()'))[0]?.[0];
  let observing: Connections;
  beforeAll(() => {
    observing = new Connections({
      url: server.url('postgres'),
      schema: 'public',
      statementTimeoutMs: 10_000,
      max: 1,
      note: () => {},
    });
  });
  afterAll(() => observing.close());

  const works: readonly (readonly [string, (signal: AbortSignal) => Promise<unknown>])[] = [
    ['a statement', signal => connections.query(slow, [], signal)],
    ['a transaction', signal => connections.transaction('', session => session.query(slow), signal)],
    [
      'a transaction of several statements',
      signal =>
        connections.transaction(
          '',
          async session => {
            await session.query('SELECT 1');
            for (;;) await session.query(slow);
          },
          signal,
        ),
    ],
  ];
  test.each(works)('%s → is cancelled at the server, and the same connection serves the next', async (_, work) => {
    const before = await backend();
    const gone = new AbortController();
    const working = work(gone.signal).catch((error: unknown) => error);
    await until(async () => (await running()).length === 1);
    gone.abort(new Error('gone'));
    // By its own limit it would have ended otherwise.
    expect(String(await working)).toMatch(/canceling statement due to user request|gone/);
    expect(await running()).toEqual([]);
    expect(await backend()).toBe(before);
  });

  describe('under TLS', () => {
    const underTls = async (sslmode: string) => {
      const front = await TlsFront.before(server.port);
      const url = `postgres://postgres@127.0.0.1:${front.port}/postgres?sslmode=${sslmode}`;
      const secured = new Connections({ url, schema: 'public', statementTimeoutMs: 10_000, max: 1, note: () => {} });
      onTestFinished(async () => {
        await secured.close();
        await front.close();
      });
      return { front, secured };
    };
    const backendOf = async (secured: Connections) => (await secured.query('SELECT pg_backend_pid()'))[0]?.[0];
    const goAway = async (secured: Connections, ended: () => Promise<unknown>) => {
      const gone = new AbortController();
      const working = secured.query(slow, [], gone.signal).catch((error: unknown) => error);
      await until(async () => (await running()).length === 1);
      gone.abort(new Error('gone'));
      await ended();
      return String(await working);
    };

    test('the statement is cancelled under TLS too, and the same connection serves the next', async () => {
      const { front, secured } = await underTls('no-verify');
      const before = await backendOf(secured);
      expect(await goAway(secured, async () => {})).toMatch(/canceling statement due to user request|gone/);
      expect(front.inTheClear).toEqual([]);
      expect(await backendOf(secured)).toBe(before);
    });

    test('the server will not go over to TLS any more → the key is not told in the clear, and the connection goes', async () => {
      const { front, secured } = await underTls('no-verify');
      const before = await backendOf(secured);
      front.isWilling = false;
      await goAway(secured, () =>
        observing.query(
          "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        ),
      );
      expect(front.inTheClear).toEqual([]);
      front.isWilling = true;
      expect(await backendOf(secured)).not.toBe(before);
    });
  });

  test('just as its statement ends, again and again → none of the next on that connection is cancelled', async () => {
    for (let i = 0; i < 60; i++) {
      const gone = new AbortController();
      const asked = connections.query('SELECT $1::integer', [i], gone.signal).then(
        rows => rows,
        () => 'cancelled',
      );
      // Before it is sent, while it runs, or when it is over.
      for (let turns = 0; turns < i % 20; turns++) await new Promise(setImmediate);
      gone.abort(new Error('gone'));
      expect([[[i]], 'cancelled']).toContainEqual(await asked);
      expect(await connections.query('SELECT count(*)::integer FROM generate_series(1, 20000)')).toEqual([[20_000]]);
    }
  });

  test('before anything was sent → nothing is', async () => {
    await expect(connections.query(keep('keep'), [99], AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(await kept()).not.toContainEqual([99]);
  });
});

describe('plans of tables that are others by now', () => {
  const read = { name: 'all of it', text: 'SELECT * FROM changing' };

  test('a statement → runs on a connection that is made anew, whichever is asked', async () => {
    const url = await server.database();
    const several = new Connections({ url, schema: 'public', statementTimeoutMs: 10_000, max: 3, note: () => {} });
    onTestFinished(() => several.close());
    await several.query('CREATE TABLE changing (a integer)');
    await several.query('INSERT INTO changing VALUES (1)');
    // Each connection keeps its plan.
    await Promise.all(
      [1, 2, 3].map(() => several.transaction('SELECT pg_sleep(0.05)', session => session.query(read))),
    );
    await several.query('ALTER TABLE changing ADD COLUMN b integer DEFAULT 2');
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => several.query(read)));
    expect(answers).toEqual(Array(6).fill([[1, 2]]));
  });

  test('a transaction → Unavailable, and worth another try', async () => {
    const url = await server.database();
    const one = new Connections({ url, schema: 'public', statementTimeoutMs: 10_000, max: 1, note: () => {} });
    onTestFinished(() => one.close());
    await one.query('CREATE TABLE changing (a integer)');
    await one.query(read);
    await one.query('ALTER TABLE changing ADD COLUMN b integer');
    const failed: unknown = await one.transaction('', session => session.query(read)).catch(error => error);
    expect(failed).toBeInstanceOf(Unavailable);
    expect(isWorthAnotherTry(failed)).toBe(true);
    expect(await one.transaction('', session => session.query(read))).toEqual([]);
  });
});
