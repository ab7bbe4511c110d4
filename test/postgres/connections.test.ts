import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { PostgresServer } from '../support/postgres-server.ts';

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

  test('what it opens with fails → rejects with that failure', async () => {
    const failing = connections.transaction('SELECT 1 / 0', async session => {
      session.send(keep('keep'), [7]);
      await session.query('SELECT 1');
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await kept()).toEqual([[1], [2], [3]]);
  });
});
