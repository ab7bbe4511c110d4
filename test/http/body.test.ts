import { getEventListeners, once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { queryObjects } from 'node:v8';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bodyPieces, readBody } from '../../src/http/body/body.ts';
import { ApiError } from '../../src/http/errors.ts';
import { runs } from '../support/properties.ts';

const server = createServer();
const cut = new AbortController();
const times = { idleMs: 60_000, pauseMs: 30_000, cuts: [cut.signal] };

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

test('short bodies come with their heads over one connection, a long one in pieces → each whole, and its end is heard', async () => {
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ends: (readonly [pieces: number, closed: Promise<unknown>])[] = [];
  server.on('request', async (incoming: IncomingMessage, response: ServerResponse) => {
    const iterated = vi.spyOn(incoming, 'iterator');
    const closed = once(incoming, 'close');
    const body = await readBody(incoming, 1_000_000, { idleMs: 60_000, cuts: [] });
    ends.push([iterated.mock.calls.length, closed]);
    response.end(body);
  });
  const bodies = [1, 1000, 20_000, 900_000, 7].map((length, i) => Buffer.alloc(length, 97 + i));
  for (const body of bodies) {
    const sending = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      agent,
      headers: { 'content-length': body.length },
    });
    // In one segment where it fits, as who has all of a request sends it.
    sending.end(body);
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    expect(Buffer.concat(await answer.toArray()).equals(body)).toBe(true);
  }
  expect(ends.map(([pieces]) => pieces)).toEqual([0, 0, expect.any(Number), 1, 0]);
  await Promise.all(ends.map(([, closed]) => closed));
  agent.destroy();
  server.removeAllListeners('request');
});

type Part = { readonly kind: 'gzip' | 'zeros' | 'others'; readonly bytes: Buffer };

const anyPart: fc.Arbitrary<Part> = fc.oneof(
  fc.string({ maxLength: 300, unit: 'grapheme' }).map(text => ({ kind: 'gzip' as const, bytes: gzipSync(text) })),
  fc.integer({ min: 1, max: 600 }).map(length => ({ kind: 'zeros' as const, bytes: Buffer.alloc(length) })),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map(bytes => ({
    kind: 'others' as const,
    bytes: Buffer.from(bytes.map((byte, i) => (i === 0 ? byte | 0x40 : byte))),
  })),
);

/** What a body of parts holds: gzips, and behind them zeros at most. */
function heldIn(parts: readonly Part[]): string | undefined {
  const behind = parts.findIndex(({ kind }) => kind !== 'gzip');
  const [gzips, rest] = behind < 0 ? [parts, []] : [parts.slice(0, behind), parts.slice(behind)];
  if (gzips.length === 0 || rest.some(({ kind }) => kind !== 'zeros')) return undefined;
  return gzips.map(({ bytes }) => gunzipSync(bytes).toString()).join('');
}

test('a body that came in pieces before it is asked for → all of it', async () => {
  const body = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
  const { port } = server.address() as AddressInfo;
  const arrived = once(server, 'request') as Promise<[IncomingMessage]>;
  const sending = request({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': body.length } });
  sending.on('error', () => {});
  sending.flushHeaders();
  const [incoming] = await arrived;
  for (let sent = 0; sent < body.length; sent += 20_000) {
    sending.write(body.subarray(sent, sent + 20_000));
    while (incoming.readableLength < sent + 20_000) await new Promise(setImmediate);
  }
  sending.end();
  expect(body.equals(await readBody(incoming, 1_000_000, { idleMs: 60_000, cuts: [] }))).toBe(true);
  sending.destroy();
});

test('gzips one after the other, zeros, and what is neither, in pieces → all they hold, or 400: nothing is passed over', async () => {
  const check = async (parts: readonly Part[], sizes: readonly number[]) => {
    const { sending, incoming } = await upload();
    incoming.headers['content-encoding'] = 'gzip';
    let left = Buffer.concat(parts.map(({ bytes }) => bytes));
    const sent = (async () => {
      for (const size of sizes) {
        if (size >= left.length) break;
        await new Promise(resolve => sending.write(left.subarray(0, size), resolve));
        left = left.subarray(size);
      }
      sending.end(left);
    })();
    const pieces: Buffer[] = [];
    const read = (async () => {
      for await (const piece of bodyPieces(incoming, { ...times, cuts: [new AbortController().signal] }))
        if (piece !== undefined) pieces.push(piece);
      return Buffer.concat(pieces).toString();
    })();
    const held = heldIn(parts);
    if (held === undefined)
      await expect(read).rejects.toSatisfy(error => error instanceof ApiError && error.code === 'E400');
    else expect(await read).toBe(held);
    await sent;
    sending.destroy();
  };
  const gzip = { kind: 'gzip' as const, bytes: gzipSync('a record') };
  const zeros = { kind: 'zeros' as const, bytes: Buffer.alloc(200_000) };
  // One after the other as pieces of their own, and as one.
  for (const sizes of [[], [gzip.bytes.length, zeros.bytes.length]])
    for (const parts of [
      [gzip, zeros],
      [gzip, zeros, gzip],
      [gzip, gzip, zeros, zeros],
      [zeros, gzip],
    ])
      await check(parts, sizes);
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPart, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 6 }),
      check,
    ),
    { numRuns: runs(60) },
  );
});

test('cut by any of several → with its reason, and none of them is listened to any more', async () => {
  for (const which of [0, 1, 2]) {
    const cutters = [new AbortController(), new AbortController(), new AbortController()];
    const { sending, incoming } = await upload();
    const waiting = bodyPieces(incoming, { ...times, cuts: cutters.map(({ signal }) => signal) }).next();
    const reason = new ApiError('E401');
    cutters[which]?.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(cutters.flatMap(({ signal }) => getEventListeners(signal, 'abort'))).toEqual([]);
    sending.destroy();
  }
});
