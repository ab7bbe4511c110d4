import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { SqliteLog, until } from '../support/sqlite-log.ts';
import { WatchedStore } from '../support/watched-store.ts';

const mebibyte = 1024 * 1024;
const connections = 40;
const answersBytesMax = 24 * mebibyte;
const text = 'x'.repeat(65_000);
const logsOfPage = 60;
const pageBytesMin = logsOfPage * text.length;

/** What the connections of a server have taken and not yet given to the system. */
class HeldByConnections {
  readonly #sockets = new Set<Socket>();
  most = 0;

  constructor(server: TestServer) {
    server.app.server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get bytes(): number {
    return [...this.#sockets].reduce((sum, one) => sum + (one.destroyed ? 0 : one.writableLength), 0);
  }

  look(): void {
    this.most = Math.max(this.most, this.bytes);
  }
}

/** Over a socket of the file system, of which the system holds little: what is not read stays with the server. */
async function unread(path: string, url = `${logsPath}?limit=${logsOfPage}`): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.pause();
  socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: App one\r\n\r\n`);
  onTestFinished(() => void socket.destroy());
  return socket;
}

test('forty connections that do not read their pages → all of them together hold no more than may be held; another account’s page comes before the last of theirs', async () => {
  const files = new SqliteLog();
  onTestFinished(() => files.remove());
  const log = new TestServer({ store: new WatchedStore(files.open()), answersBytesMax });
  onTestFinished(() => log.store.close());
  onTestFinished(() => log.app.close());
  await log.record(Array.from({ length: logsOfPage }, (_, i) => message(`m${i}`, { content: { type: 'TEXT', text } })));
  await log.record([message('other')], 'App two');
  const held = new HeldByConnections(log);
  const path = join(files.dataDir, 'socket');
  await log.app.listen({ path });
  let pages = 0;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const render = log.store.render.bind(log.store);
  log.store.render = async (...args) => {
    const page = await render(...args);
    if (args[0].account === 1 && ++pages === 5) begin();
    held.look();
    return page;
  };

  const sockets = await Promise.all(Array.from({ length: connections }, () => unread(path)));
  await begun;
  expect(JSON.parse(await otherPage(path))).toMatchObject({ results: [{ messageId: 'other' }] });
  expect(pages).toBeLessThan(connections);
  await until(() => pages === connections);
  held.look();
  expect(held.most).toBeGreaterThan(answersBytesMax - 2 * pageBytesMin);
  expect(held.most).toBeLessThanOrEqual(answersBytesMax + pageBytesMin);

  // The newest are still there for whoever reads after all.
  const lengths = await Promise.all(sockets.map(socket => read(socket)));
  const whole = lengths.filter(length => length > pageBytesMin).length;
  expect(whole).toBeGreaterThan(0);
  expect(whole * pageBytesMin).toBeLessThanOrEqual(answersBytesMax);
  for (const socket of sockets) socket.destroy();
  await until(() => held.bytes === 0);
});

test('forty connections that do not read what became of a message → they hold no more than may be held', async () => {
  const bytesMax = 4 * mebibyte;
  const log = new TestServer({ answersBytesMax: bytesMax });
  onTestFinished(() => log.app.close());
  await log.record([message('m1')]);
  const folder = new SqliteLog();
  onTestFinished(() => folder.remove());
  const path = join(folder.dataDir, 'socket');
  await log.app.listen({ path });
  const held = new HeldByConnections(log);
  const history = log.store.history.bind(log.store);
  let answers = 0;
  log.store.history = async (...args) => {
    const found = await history(...args);
    answers++;
    // As long as it is of a message that was reported on two hundred times, in many words.
    return found && { ...found, timeline: found.timeline.flatMap(one => Array(3000).fill(one)) };
  };
  for (let i = 0; i < connections; i++) await unread(path, '/messenger/1/messages/m1');
  await until(() => answers === connections);
  await otherPage(path);
  held.look();
  expect(held.most).toBeGreaterThan(bytesMax / 2);
  expect(held.most).toBeLessThanOrEqual(bytesMax);
});

async function otherPage(socketPath: string): Promise<string> {
  const headers = { authorization: 'App two' };
  const asked = request({ socketPath, path: `${logsPath}?limit=1`, headers, agent: false }).end();
  const [answer] = await once(asked, 'response');
  let body = '';
  for await (const part of answer) body += part;
  return body;
}

/** How much comes until the answer is whole, or the connection is over. */
async function read(socket: Socket): Promise<number> {
  let bytes = 0;
  const { promise: whole, resolve } = Promise.withResolvers<void>();
  socket.on('data', (part: Buffer) => {
    bytes += part.length;
    if (part.subarray(-2).toString() === ']}') resolve();
  });
  const over = socket.closed ? Promise.resolve() : once(socket, 'close');
  socket.resume();
  await Promise.race([whole, over]);
  return bytes;
}
