import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { connectionsMax } from '../../src/http/connections.ts';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

let server: TestServer | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.app.close();
});

test.each([
  [256, 128],
  [1024, 512],
  [20_000, 11_808],
  [1_048_576, 1_040_384],
])('%i descriptors → %i connections', (descriptors, connections) => {
  expect(connectionsMax(descriptors)).toBe(connections);
});

async function opened(address: string, text: string): Promise<Socket> {
  const socket = await openSocket(address);
  sockets.push(socket.on('error', () => {}));
  socket.write(text);
  return socket;
}

const half = `GET ${logsPath} HTTP/1.1\r\nHost: x\r\n`;
const rest = 'Authorization: App one\r\n\r\n';

test('as many as there may be, none of which ends → further ones are closed and that is told; those that are there are served', async () => {
  server = new TestServer({ connectionsMax: 8 });
  await server.record([message('m1')]);
  const address = await server.listen();
  const held: Socket[] = [];
  for (let i = 0; i < 8; i++) {
    const connected = once(server.app.server, 'connection');
    held.push(await opened(address, half));
    await connected;
  }
  const over = await opened(address, half);
  over.resume();
  await once(over, 'close');
  expect(server.logged.filter(line => line.includes('there are 8 connections'))).toHaveLength(1);
  held[3]?.write(rest);
  expect(String((await once(held[3] ?? over, 'data'))[0])).toContain('200 OK');
});

test('nearly as many, over which nothing more is asked → they make room for others', async () => {
  server = new TestServer({ connectionsMax: 8 });
  const address = await server.listen();
  for (let i = 0; i < 30; i++) {
    const socket = await opened(address, half + rest);
    expect(String((await once(socket, 'data'))[0])).toContain('200 OK');
    // The first stay as they are.
    if (i >= 7) await once(socket, 'close');
  }
});

test('nearly as many, one of which still sends what is refused → closed when it has sent that: before, its answer would be lost', async () => {
  server = new TestServer({ connectionsMax: 8 });
  const address = await server.listen();
  for (let i = 0; i < 7; i++) {
    const connected = once(server.app.server, 'connection');
    await opened(address, half);
    await connected;
  }
  const sending = await opened(address, `POST ${logsPath} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf `);
  let got = '';
  sending.setEncoding('utf8').on('data', text => {
    got += text;
  });
  await expect.poll(() => got).toContain('E401');
  expect(got).not.toMatch(/connection: close/i);
  got = '';
  sending.write(`of it${half}${rest}`);
  await once(sending, 'close');
  expect(got).toContain('200 OK');
  expect(got).toMatch(/connection: close/i);
});
