import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { queryObjects } from 'node:v8';
import { expect, onTestFinished, test } from 'vitest';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { SqliteLog, until } from '../support/sqlite-log.ts';
import { WatchedStore } from '../support/watched-store.ts';

const mebibyte = 1024 * 1024;
const text = 'x'.repeat(20_000);
let lines = 0;

/** A server over the embedded engine, and an upload to it that has begun. */
async function upload() {
  const files = new SqliteLog({ durability: 'os', segmentMessagesMax: 100_000 });
  onTestFinished(() => files.remove());
  const log = new TestServer({ store: new WatchedStore(files.open()) });
  onTestFinished(() => log.store.close());
  onTestFinished(() => log.app.close());
  const headers = { authorization: 'App one', 'content-type': 'application/x-ndjson' };
  const address = await log.listen();
  const connected = once(log.app.server, 'connection');
  const sending = request(address + logsPath, { method: 'POST', agent: false, headers });
  return { log, sending, connected };
}

const soundLine = () => `${JSON.stringify(message(`m${lines++}`, { content: { type: 'TEXT', text } }))}\n`;
const brokenLine = () => `${lines++} ${text.slice(0, 1000)}\n`;

/** Sends lines of so many bytes in all, no faster than they are taken. */
async function send(sending: ClientRequest, bytes: number, lineOf = soundLine): Promise<void> {
  for (let sent = 0; sent < bytes; ) {
    const line = lineOf();
    sent += line.length;
    if (!sending.write(line)) await once(sending, 'drain');
  }
}

async function ended(sending: ClientRequest): Promise<object> {
  const answered = once(sending, 'response');
  sending.end();
  const [answer] = await answered;
  let body = '';
  for await (const part of answer) body += part;
  return JSON.parse(body);
}

test.each([
  [2, 'half a megabyte', {}],
  [20, 'a tenth of that', { batchRecords: 100 }],
])(
  'a body that the store is slow to take → it has %i batches of %s, and no more is read',
  async (batches, _, asked) => {
    const { log, sending } = await upload();
    Object.assign(log.store, asked);
    const underWay = { batches: 0, chars: 0 };
    const most = { ...underWay };
    const record = log.store.record.bind(log.store);
    // Nothing is taken until the caller is held up.
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    log.store.record = async batch => {
      const chars = batch.submissions.reduce((sum, { contentJson = '' }) => sum + contentJson.length, 0);
      underWay.batches++;
      underWay.chars += chars;
      most.batches = Math.max(most.batches, underWay.batches);
      most.chars = Math.max(most.chars, underWay.chars);
      await begun;
      const outcome = await record(batch);
      underWay.batches--;
      underWay.chars -= chars;
      return outcome;
    };
    const first = lines;
    const sent = send(sending, 40 * mebibyte);
    await until(() => sending.writableNeedDrain && underWay.batches === batches);
    begin();
    await sent;
    expect(await ended(sending)).toMatchObject({ recorded: lines - first });
    expect(most).toEqual({ batches, chars: expect.any(Number) });
    expect(most.chars).toBeLessThan(mebibyte + batches * text.length);
  },
);

test.each([
  ['sound', soundLine, 8 * mebibyte],
  ['broken', brokenLine, 4 * mebibyte],
])('a body twice as long, of lines that are %s → nothing more is kept of it', async (_, lineOf, bytes) => {
  const { log, sending, connected } = await upload();
  let batches = 0;
  const record = log.store.record.bind(log.store);
  log.store.record = async batch => {
    batches++;
    try {
      return await record(batch);
    } finally {
      batches--;
    }
  };
  const keptAfter = async () => {
    await send(sending, bytes, lineOf);
    // What is under way is none of what is kept.
    const [connection] = await connected;
    await until(() => connection.bytesRead === sending.socket?.bytesWritten && batches === 0);
    // Looking for objects collects all that nobody holds.
    queryObjects(Promise);
    return process.memoryUsage();
  };
  await keptAfter();
  const before = await keptAfter();
  const after = await keptAfter();
  expect(after.heapUsed - before.heapUsed).toBeLessThan(2 * mebibyte);
  expect(after.external - before.external).toBeLessThan(2 * mebibyte);
  const answer = await ended(sending);
  if (lineOf === brokenLine) expect(answer).toMatchObject({ errorCode: 'E400' });
  else expect(answer).toMatchObject({ rejected: [] });
});
