import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventStream } from '../support/event-stream.ts';
import { logsPath, message, startOfTest, summaryPath, TestServer } from '../support/http-server.ts';

const hourMs = 3_600_000;
const at = (hoursAgo: number) => new Date(startOfTest - hoursAgo * hourMs).toISOString();
/** Account 1 keeps its messages longer than the others, account 2 for a shorter time. */
const retentions = new Map([
  [1, 90 * 24 * hourMs],
  [2, 10 * hourMs],
]);
const ages = [0, 5, 9, 11, 47, 49, 24 * 80, 24 * 91];
const callers = ['App one', 'App two'] as const;

let kept: Map<number, number>;
let server: TestServer;
beforeEach(() => {
  kept = new Map(retentions);
  server = new TestServer({ retentionOf: account => kept.get(account) ?? 48 * hourMs });
});
afterEach(() => server.app.close());

const ids = (hours: number) => ages.filter(age => age <= hours).map(age => `m${age}`);
const idOf = (text: string) => [...text.matchAll(/"messageId":"(m\d+)"/g)].map(([, id]) => id);

/** What each way to read gives of an account, newest first. */
async function seen(authorization: string): Promise<Record<string, unknown>> {
  const call = (url: string) => server.call(url, { headers: { authorization } });
  const walked: string[] = [];
  for (let cursor = ''; ; ) {
    const page = (await call(`${logsPath}?limit=2&useCursor=true&cursor=${encodeURIComponent(cursor)}`)).json();
    walked.push(...page.results.map((log: { messageId: string }) => log.messageId));
    if (page.cursor.nextCursor === undefined) break;
    cursor = page.cursor.nextCursor;
  }
  const single: string[] = [];
  for (const age of ages) if ((await call(`/messenger/1/messages/m${age}`)).statusCode === 200) single.push(`m${age}`);
  return {
    page: await server.messageIds('limit=100', authorization),
    byId: await server.messageIds(`limit=100&messageId=${ages.map(age => `m${age}`).join()}`, authorization),
    ranged: await server.messageIds(`limit=100&sentSince=${at(24 * 365)}`, authorization),
    walked,
    single,
    exported: idOf((await call(`${logsPath}/export?format=ndjson`)).body),
    summed: (await call(`${summaryPath}?sentSince=${at(24 * 365)}`)).json().total,
  };
}

const all = (found: readonly string[]) => ({
  page: found,
  byId: found,
  ranged: found,
  walked: found,
  single: found,
  exported: found,
  summed: found.length,
});

test('accounts with times of their own → each sees, by every way to read, what it keeps, and records no more', async () => {
  const answers = await Promise.all(
    callers.map(caller => server.post({ results: ages.map(age => message(`m${age}`, { sentAt: at(age) })) }, caller)),
  );
  expect(answers.map(answer => answer.json().recorded)).toEqual([7, 3]);
  const rejected = answers.map(answer => answer.json().rejected.map((one: { messageId: string }) => one.messageId));
  expect(rejected).toEqual([['m2184'], ['m11', 'm47', 'm49', 'm1920', 'm2184']]);
  expect(await seen('App one')).toEqual(all(ids(24 * 90)));
  expect(await seen('App two')).toEqual(all(ids(10)));
  // A change holds at once, whatever is still on the disk.
  kept.set(1, 10 * hourMs);
  expect(await seen('App one')).toEqual(all(ids(10)));
  kept.delete(1);
  expect(await seen('App one')).toEqual(all(ids(48)));
});

test('reports and followers of an account → by its own time, too', async () => {
  await server.record([message('m49', { sentAt: at(49) })]);
  const url = await server.listen();
  const stream = await EventStream.open(url, '', {});
  try {
    await stream.opened();
    const report = { messageId: 'm49', status: { name: 'DELIVERED_TO_HANDSET' } };
    expect((await server.post({ results: [report] })).json()).toMatchObject({ updated: 1 });
    await server.record([message('m0')]);
    await stream.until(({ messageIds }) => messageIds.includes('m49') && messageIds.includes('m0'));
    kept.delete(1);
    expect((await server.post({ results: [report] })).json()).toMatchObject({ waiting: 1 });
  } finally {
    await stream.close();
  }
});

test('a compatible retention of 48 hours → the vendor’s call goes back so far, the others as far as is kept', async () => {
  await server.app.close();
  server = new TestServer({ retentionOf: () => 90 * 24 * hourMs, compatibleRetentionMs: 48 * hourMs });
  await server.record(ages.slice(0, -1).map(age => message(`m${age}`, { sentAt: at(age) })));
  const [recent, whole] = [ids(48), ids(24 * 90)];
  expect(await seen('App one')).toEqual({
    ...all(whole),
    page: recent,
    byId: recent,
    ranged: recent,
    walked: recent,
  });
});

test('the page signs in → it is told how far back it may ask, and how far the vendor’s call goes', async () => {
  const told = async (authorization: string) =>
    (await server.call('/page/pass', { method: 'POST', headers: { authorization } })).json();
  const [day, hour] = [24 * 3600, 3600];
  expect(await Promise.all(callers.map(told))).toMatchObject([
    { retention: 90 * day, logsRetention: 90 * day },
    { retention: 10 * hour, logsRetention: 10 * hour },
  ]);
  await server.app.close();
  server = new TestServer({ retentionOf: () => 90 * day * 1000, compatibleRetentionMs: 2 * day * 1000 });
  expect(await told('App one')).toMatchObject({ retention: 90 * day, logsRetention: 2 * day });
});
