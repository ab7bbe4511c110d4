import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bodyPieces } from '../../src/http/body.ts';
import { ApiError } from '../../src/http/errors.ts';

const server = createServer();
const cut = new AbortController();
const times = { idleMs: 60_000, pauseMs: 30_000, cut: cut.signal };

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => server.close());

/** A request under way, as its client and its server have it. */
async function upload() {
  const { port } = server.address() as AddressInfo;
  const arrived = once(server, 'request') as Promise<[IncomingMessage]>;
  const sending = request({ port, host: '127.0.0.1', method: 'POST' });
  sending.on('error', () => {});
  sending.flushHeaders();
  const [incoming] = await arrived;
  return { sending, incoming };
}

test('a body twice as long → nothing more is held', async () => {
  const { sending, incoming } = await upload();
  const pieces = bodyPieces(incoming, times);
  const heldAfter = async (count: number) => {
    for (let i = 0; i < count; i++) {
      sending.write(Buffer.alloc(50_000, i));
      for (let bytes = 0; bytes < 50_000; ) bytes += (await pieces.next()).value?.length ?? 0;
    }
    return Number(queryObjects(Promise));
  };
  const before = await heldAfter(100);
  // A few of what is on its way come and go.
  expect((await heldAfter(100)) - before).toBeLessThan(50);
  sending.end();
  expect(await pieces.next()).toEqual({ done: true, value: undefined });
});

test('cut while it waits for a piece, and cut before → 503', async () => {
  for (let round = 0; round < 2; round++) {
    const { sending, incoming } = await upload();
    const waiting = bodyPieces(incoming, times).next();
    cut.abort();
    await expect(waiting).rejects.toSatisfy(error => error instanceof ApiError && error.code === 'E503');
    sending.destroy();
  }
});
