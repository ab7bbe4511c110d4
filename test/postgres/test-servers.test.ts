import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { PostgresServer } from '../support/postgres-server.ts';

test('a port on which another server of PostgreSQL listens by now → another port, and at a later start no server but its own', async () => {
  const first = await PostgresServer.start(['fsync=off']);
  onTestFinished(() => first.remove());
  const ports = [first.port];
  const second = await PostgresServer.start(['fsync=off'], undefined, async () => ports.pop() ?? (await freePort()));
  onTestFinished(() => second.remove());
  expect(second.port).not.toBe(first.port);
  await second.query('CREATE DATABASE own');
  expect(await first.query(`SELECT FROM pg_database WHERE datname = 'own'`)).toEqual([]);
  await second.halt();
  const other = createServer(socket => socket.destroy()).listen(second.port, '127.0.0.1');
  await once(other, 'listening');
  await expect(second.resume()).rejects.toThrow('Address already in use');
  other.close();
  await once(other, 'close');
  await second.resume();
  expect(await second.query(`SELECT datname FROM pg_database WHERE datname = 'own'`)).toEqual([{ datname: 'own' }]);
});

test('ports of one run → none twice, each where no connection that goes out begins, apart from those of another process', async () => {
  const mine = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(new Set(mine).size).toBe(50);
  const pool = process.env.VITEST_POOL_ID;
  onTestFinished(() => {
    process.env.VITEST_POOL_ID = pool;
  });
  process.env.VITEST_POOL_ID = String(Number(pool) + 1);
  const others = await Promise.all(Array.from({ length: 50 }, freePort));
  const [least, most] = [Math.min(...mine, ...others), Math.max(...mine, ...others)];
  expect(least).toBeGreaterThanOrEqual(20_000);
  expect(most).toBeLessThan(32_000);
  expect(new Set([...mine, ...others].map(port => Math.floor((port - 20_000) / 400))).size).toBe(2);
});
