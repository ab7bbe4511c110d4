import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { eventually, logsPath, numbered, numberedFrom } from '../support/log-calls.ts';
import { openSocket, requestHead, upload } from '../support/raw-http.ts';
import { Ledger, Load } from '../support/recording-load.ts';
import { ServerHome } from '../support/server-process.ts';

const homes: ServerHome[] = [];

afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove();
});

function newHome(): ServerHome {
  const home = new ServerHome();
  homes.push(home);
  return home;
}

test('SIGTERM while recording → exits 0, and keeps every record it answered', async () => {
  const home = newHome();
  const settings = { SENTLOG_SEGMENT_MESSAGES: '1000' };
  const ledger = new Ledger(Date.now() - 600_000);
  for (let round = 0; round < 3; round++) {
    const server = await home.serve({ settings });
    const load = new Load(ledger, home.calls(server));
    await load.confirmed(3000);
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await load.finished();
    expect(load.refusals.map(refusal => refusal.status).filter(status => status !== 503)).toEqual([]);
  }
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  expect(ledger.faults(await calls.walk())).toEqual([]);
  await Load.repeatUnanswered(ledger, calls);
  expect(ledger.faults(await calls.walk())).toEqual([]);
  expect(await ledger.timelineFaults(calls, 1)).toEqual([]);
  expect(ledger.wrongAnswers).toEqual([]);
});

test('SIGTERM in the middle of an upload → the upload is finished and answered, new callers are not served', async () => {
  const home = newHome();
  const server = await home.serve();
  const calls = home.calls(server);
  const lines = numberedFrom(0, 500).map(one => `${JSON.stringify(one)}\n`);
  async function* halves() {
    yield Buffer.from(lines.slice(0, 250).join(''));
    await eventually('the upload is under way', async () => (await calls.page('limit=1')).logs.length > 0);
    server.signal('SIGTERM');
    const isServed = () =>
      calls.call(`${logsPath}?limit=1`).then(
        () => true,
        () => false,
      );
    await eventually('a new caller is not served', async () => !(await isServed()));
    yield Buffer.from(lines.slice(250).join(''));
  }
  const answer = await upload(calls, halves(), { type: 'application/x-ndjson' });
  expect(JSON.parse(answer.text)).toMatchObject({ recorded: 500 });
  expect(await server.exited).toEqual({ code: 0, signal: null });
  const again = await home.serve();
  const ids = (await home.calls(again).walk()).map(log => log.messageId);
  expect(ids.sort()).toEqual(
    numberedFrom(0, 500)
      .map(one => one.messageId)
      .sort(),
  );
});

test('SIGTERM while one caller reports on one message without end → exits 0 all the same, and keeps every report that it counted', async () => {
  const home = newHome();
  const server = await home.serve({ settings: { SENTLOG_SHUTDOWN_TIMEOUT: '1s' } });
  const calls = home.calls(server);
  const firstAt = Date.now() - 3 * 3_600_000;
  await calls.record([numbered(0, { sentAt: new Date(firstAt - 1000).toISOString() })]);
  const reportsMax = 5_000_000;
  let sent = 0;
  // Each is another word on the message, so each joins its timeline.
  async function* reports() {
    while (sent < reportsMax) {
      const lines = Array.from({ length: 500 }, (_, i) =>
        JSON.stringify({ messageId: 'message-0', status: { id: 7 }, at: new Date(firstAt + sent + i).toISOString() }),
      );
      yield Buffer.from(`${lines.join('\n')}\n`);
      sent += lines.length;
      if (sent === 20_000) server.signal('SIGTERM');
    }
  }
  const uploading = upload(calls, reports(), { type: 'application/x-ndjson' }).then(
    ({ text }) => JSON.parse(text),
    () => undefined,
  );
  expect(await server.exited).toEqual({ code: 0, signal: null });
  const answer = await uploading;
  expect(sent).toBeLessThan(reportsMax);
  const again = await home.serve();
  const { text } = await home.calls(again).call('/messenger/1/messages/message-0');
  const { timeline, omitted = 0 } = JSON.parse(text);
  // The first entry is the message itself.
  const kept = timeline.length + omitted - 1;
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThanOrEqual(sent + 500);
  if (answer?.updated !== undefined) expect(kept).toBe(answer.updated + answer.unchanged);
});

test('SIGTERM with idle and stuck connections → exits 0 all the same', async () => {
  const home = newHome();
  const server = await home.serve({ settings: { SENTLOG_SHUTDOWN_TIMEOUT: '1s' } });
  const calls = home.calls(server);
  await calls.record(numberedFrom(0, 10));
  const idle = await openSocket(server.address);
  const halfHead = await openSocket(server.address);
  halfHead.write('GET /messenger/1/logs HTTP/1.1\r\nHost: loc');
  const halfBody = await openSocket(server.address);
  halfBody.write(requestHead(calls, 'POST', logsPath, ['Content-Type: application/json', 'Content-Length: 1000']));
  halfBody.write('{"results"');
  await wait(200);
  const closed = [idle, halfHead, halfBody].map(socket => once(socket, 'close'));
  for (const socket of [idle, halfHead, halfBody]) socket.resume();
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  await Promise.all(closed);
});

test('second server on one data folder → one clear line, exit code 1, the first serves on', async () => {
  const home = newHome();
  const first = await home.serve();
  const calls = home.calls(first);
  const other = home.launch();
  expect(await other.exited).toEqual({ code: 1, signal: null });
  expect(other.stderr.trim().split('\n')).toHaveLength(1);
  expect(other.stderr).toContain(home.dataDir);
  expect(other.stderr).toContain('in use');
  expect(other.stderr).toContain(String(first.pid));
  expect(await calls.record([numbered(1)])).toMatchObject({ recorded: 1 });
});

test('port in use → one clear line, exit code 1, and the folder is free again', async () => {
  const first = await newHome().serve();
  const { port } = new URL(first.address);
  const home = newHome();
  const second = home.launch({ settings: { SENTLOG_PORT: port } });
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(second.stderr.trim().split('\n')).toHaveLength(1);
  expect(second.stderr).toContain(port);
  expect(second.stderr).toContain('in use');
  await home.serve();
});
