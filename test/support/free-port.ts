import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to connections that go out: none takes such a port while its server is about to start, or anew. */
const [first, end] = [20_000, 32_000];
/** Each process of vitest that runs beside others has a part of them, so that their servers never meet. */
const parts = 30;
const partSize = (end - first) / parts;
const isTaken = new Set<number>();

/** A port of this machine that nothing listens on now, and that no other file of this run is given. */
export async function freePort(): Promise<number> {
  const part = Number(process.env.VITEST_POOL_ID ?? 0) % parts;
  for (let tries = 0; tries < partSize; tries++) {
    const port = first + part * partSize + Math.floor(Math.random() * partSize);
    if (isTaken.has(port)) continue;
    isTaken.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error('no port is free');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
