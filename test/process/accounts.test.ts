import { afterEach, expect, test } from 'vitest';
import { errorAnswer, eventually, LogCalls, logsPath, numbered, recordAnswer } from '../support/log-calls.ts';
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

const exportPath = `${logsPath}/export`;

test('two accounts with the same message ids → each sees and changes only its own, by every route', async () => {
  const home = newHome();
  const server = await home.serve({ settings: { SENTLOG_SEGMENT_MESSAGES: '1000' } });
  await home.createAccount('zenith');
  const acme = home.calls(server);
  const zenith = new LogCalls(server.address, await home.createKey('zenith'));
  const count = 1500;
  const content = (text: string) => ({ type: 'TEXT', text });
  const logs = (text: string) => Array.from({ length: count }, (_, i) => numbered(i, { content: content(text) }));
  expect(await acme.record(logs('of acme'))).toMatchObject({ recorded: count });
  expect(await zenith.record(logs('of zenith'))).toMatchObject({ recorded: count });
  await zenith.record([numbered(count, { content: content('of zenith') })]);

  const delivered = { status: { name: 'DELIVERED_TO_HANDSET' } };
  expect(await acme.record([{ messageId: 'message-5', ...delivered }])).toMatchObject({ updated: 1 });

  for (const [calls, mine, size] of [
    [acme, 'of acme', count],
    [zenith, 'of zenith', count + 1],
  ] as const) {
    const walked = await calls.walk();
    expect(walked.map(log => log.content.text)).toEqual(Array(size).fill(mine));
    const { logs: one } = await calls.page('messageId=message-5,message-7&sender=page-1');
    expect(one.map(log => log.content.text)).toEqual([mine, mine]);
    const { logs: final } = await calls.page('generalStatus=DELIVERED');
    expect(final).toHaveLength(calls === acme ? 1 : 0);
    const history = await calls.history('message-5');
    expect(history?.content.text).toBe(mine);
    expect(history?.timeline).toHaveLength(calls === acme ? 2 : 1);
    const ndjson = await calls.call(`${exportPath}?format=ndjson`);
    const exported: readonly { content: { text: string } }[] = ndjson.text.trim().split('\n').map(parse);
    expect(exported.map(log => log.content.text)).toEqual(Array(size).fill(mine));
    const csv = await calls.call(`${exportPath}?format=csv&messageId=message-5`);
    expect(csv.text).toContain(mine);
    expect(csv.text).not.toContain(calls === acme ? 'of zenith' : 'of acme');
  }

  const foreign = `message-${count}`;
  expect((await acme.page(`messageId=${foreign}`)).logs).toEqual([]);
  expect(await acme.history(foreign)).toBeUndefined();
  const report = await acme.postJson([{ messageId: foreign, ...delivered }]);
  const unknown = await acme.postJson([{ messageId: 'never-recorded', ...delivered }]);
  expect(report.status).toBe(200);
  expect(JSON.parse(report.text)).toMatchObject({ updated: 0, waiting: 1 });
  expect(report.text.replaceAll(foreign, 'ID')).toBe(unknown.text.replaceAll('never-recorded', 'ID'));
  const cursor = (await zenith.page('limit=10&useCursor=true')).nextCursor ?? '';
  const borrowed = await acme.call(`${logsPath}?limit=10&cursor=${encodeURIComponent(cursor)}`);
  expect(borrowed.status).toBe(400);
  expect(errorAnswer(borrowed).violations.map(one => one.property)).toEqual(['cursor']);
});

function parse(line: string): { content: { text: string } } {
  return JSON.parse(line);
}

test('key revoked beside the running server → soon refused, other keys and new ones work', async () => {
  const home = newHome();
  const server = await home.serve();
  const revoked = await home.createKey('default');
  const [keeps, loses] = [home.calls(server), new LogCalls(server.address, revoked)];
  await loses.record([numbered(1)]);
  expect((await loses.page('limit=1')).logs).toHaveLength(1);
  const id = /^App sentlog_([^_]+)_/.exec(revoked)?.[1] ?? '';
  expect(await home.command('keys', 'revoke', id)).toMatchObject({ code: 0 });
  await eventually('the key is refused', async () => (await loses.call(`${logsPath}?limit=1`)).status === 401);
  for (const answer of [
    await loses.call(`${logsPath}?limit=1`),
    await loses.call('/messenger/1/messages/message-1'),
    await loses.call(`${exportPath}?format=ndjson`),
    await loses.postJson([numbered(2)]),
  ]) {
    expect(answer.status).toBe(401);
    expect(errorAnswer(answer).errorCode).toBe('E401');
    expect(answer.headers.has('www-authenticate')).toBe(true);
  }
  expect((await keeps.page('limit=5')).logs).toHaveLength(1);
  const fresh = new LogCalls(server.address, await home.createKey('default'));
  expect(recordAnswer(await fresh.postJson([numbered(2)]))).toMatchObject({ recorded: 1 });
});

test('flood of wrong credentials → turned away, the account keeps its whole budget', async () => {
  const home = newHome();
  const settings = { SENTLOG_RATE_LIMIT: '20', SENTLOG_AUTH_FAILURE_LIMIT: '10' };
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  const first = await calls.call(`${logsPath}?limit=1`);
  expect(first.headers.get('ratelimit-remaining')).toBe('19');
  const wrong = `${calls.authorization.slice(0, -4)}AAAA`;
  const flood = new LogCalls(server.address, wrong);
  const statuses: number[] = [];
  for (let i = 0; i < 200; i++) {
    const answer = await flood.call(`${logsPath}?limit=1`);
    expect(errorAnswer(answer).errorCode).toBe(`E${answer.status}`);
    if (answer.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    statuses.push(answer.status);
  }
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
  expect(statuses.slice(10)).toEqual(Array(190).fill(429));
  const after = await calls.call(`${logsPath}?limit=1`);
  expect(after.status).toBe(200);
  expect(after.headers.get('ratelimit-remaining')).toBe('18');
});
