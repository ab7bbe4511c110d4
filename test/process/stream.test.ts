import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type Log, type LogsFilter, SentlogClient, type Summary } from '../../src/client/index.ts';
import { freePort } from '../support/free-port.ts';
import { eventually, type LogCalls, numberedFrom } from '../support/log-calls.ts';
import { isThorough } from '../support/properties.ts';
import { Ledger, Load } from '../support/recording-load.ts';
import { ServerHome } from '../support/server-process.ts';

const homes: ServerHome[] = [];
const ending: AbortController[] = [];

afterEach(async () => {
  for (const one of ending.splice(0)) one.abort();
  for (const home of homes.splice(0)) await home.remove();
});

function newHome(): ServerHome {
  const home = new ServerHome();
  homes.push(home);
  return home;
}

function clientOf({ address, authorization }: LogCalls): SentlogClient {
  const pause = () => wait(20 + Math.random() * 60);
  return new SentlogClient({
    baseUrl: address,
    authorization: { app: authorization.replace('App ', '') },
    retry: { wait: pause },
  });
}

/** Follows a log from before its first message, losing its own connection every now and then. */
class Follower {
  readonly logs: Log[] = [];
  readonly opened: Promise<void>;
  readonly failed: Promise<never>;

  constructor(client: SentlogClient, filter: LogsFilter) {
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    this.failed = this.#follow(client, filter, opened.resolve);
    this.failed.catch(() => {});
  }

  async #follow(client: SentlogClient, filter: LogsFilter, opened: () => void): Promise<never> {
    let lastEventId: string | undefined;
    for (;;) {
      let left = 200 + Math.floor(Math.random() * 2000);
      const end = new AbortController();
      ending.push(end);
      for await (const event of client.stream(filter, { lastEventId, signal: end.signal })) {
        if (event.kind === 'reset') throw new Error('the server has lost the place');
        opened();
        lastEventId = event.id;
        if (event.kind === 'log') this.logs.push(event.log);
        if (left-- === 0) break;
      }
    }
  }
}

const steps = ['PENDING_ACCEPTED', 'DELIVERED_TO_OPERATOR', 'DELIVERED_TO_HANDSET'];
const told = (log: Log) => `${log.messageId} ${log.status.name}`;

/** What a stream must have told of the messages that are in the log now, one list a message. */
function expected(logs: readonly Log[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    logs.map(({ messageId, status }) => [messageId, steps.slice(0, steps.indexOf(status.name ?? '') + 1)] as const),
  );
}

function byMessage(logs: readonly Log[]): ReadonlyMap<string, readonly string[]> {
  const grouped = Map.groupBy(logs, log => log.messageId);
  return new Map([...grouped].map(([messageId, events]) => [messageId, events.map(({ status }) => status.name ?? '')]));
}

const kills = isThorough ? 5 : 3;

test('killed again and again while recording and reporting → each change reaches each listener once, in order', async () => {
  const home = newHome();
  const ledger = new Ledger(Date.now() - 600_000);
  const settings = { SENTLOG_SEGMENT_MESSAGES: '1000', SENTLOG_PORT: String(await freePort()) } as const;
  const first = await home.serve({ settings });
  const client = clientOf(home.calls(first));
  const all = new Follower(client, {});
  const delivered = new Follower(client, { generalStatus: 'DELIVERED' });
  const few = new Follower(client, { destination: 'person-7' });
  const followers = [all, delivered, few];
  await Promise.all(followers.map(follower => follower.opened));
  let server = first;
  for (let round = 0; round < kills; round++) {
    const load = new Load(ledger, home.calls(server));
    await load.confirmed(1500);
    await server.end('SIGKILL');
    await load.finished();
    server = await home.serve({ settings });
  }
  const calls = home.calls(server);
  await Load.repeatUnanswered(ledger, calls);
  const logs = await calls.walk();
  const events = [...expected(logs).values()].reduce((sum, statuses) => sum + statuses.length, 0);
  const isDelivered = ({ status }: Log) => status.groupName === 'DELIVERED';
  const isOfFew = ({ destination }: Log) => destination === 'person-7';
  const come = eventually(
    'all events have come',
    () =>
      all.logs.length >= events &&
      delivered.logs.length >= all.logs.filter(isDelivered).length &&
      few.logs.length >= all.logs.filter(isOfFew).length,
  );
  await Promise.race([come, ...followers.map(follower => follower.failed)]);
  // Long enough for whatever would come twice.
  await wait(500);
  expect(byMessage(all.logs)).toEqual(expected(logs));
  expect(delivered.logs.map(told)).toEqual(all.logs.filter(isDelivered).map(told));
  expect(few.logs.map(told)).toEqual(all.logs.filter(isOfFew).map(told));
  expect(ledger.wrongAnswers).toEqual([]);
  expect((await server.end('SIGTERM')).code).toBe(0);
});

const groupNames = ['ACCEPTED', 'PENDING', 'UNDELIVERABLE', 'DELIVERED', 'EXPIRED', 'REJECTED'] as const;

function groupsOf(logs: readonly Log[]) {
  return Object.fromEntries(groupNames.map(name => [name, logs.filter(log => log.status.groupName === name).length]));
}

/** Counted by force. */
function summed(logs: readonly Log[], { from, to, bucketMs, buckets }: Summary) {
  const failed = logs.filter(log => ['UNDELIVERABLE', 'EXPIRED', 'REJECTED'].includes(log.status.groupName ?? ''));
  const priced = Map.groupBy(logs, log => log.price?.currency);
  priced.delete(undefined);
  const counts = (names: readonly (string | undefined)[]) =>
    [
      ...Map.groupBy(
        names.filter(name => name !== undefined),
        name => name,
      ),
    ]
      .map(([name, alike]) => [name, alike.length] as const)
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const firstBucket = Math.floor(Date.parse(from) / 60_000) * 60_000;
  return {
    total: logs.length,
    groups: groupsOf(logs),
    buckets: buckets.map((_, index) =>
      groupsOf(logs.filter(log => Math.floor((Date.parse(log.sentAt) - firstBucket) / bucketMs) === index)),
    ),
    delivered: logs.filter(log => log.status.groupName === 'DELIVERED' && log.doneAt !== undefined).length,
    prices: [...priced]
      .map(([currency, alike]) => [
        currency,
        alike.reduce((sum, log) => sum + (log.price?.pricePerMessage ?? 0) * log.messageCount, 0).toFixed(6),
        alike.length,
      ])
      .sort(),
    errors: counts(failed.map(log => log.error.name)),
    senders: counts(failed.map(log => log.sender)),
    isWithin: logs.every(log => log.sentAt >= from && log.sentAt < to),
  };
}

function shown({ total, groups, buckets, deliveryMs, prices, failures }: Summary) {
  return {
    total,
    groups,
    buckets: buckets.map(bucket => bucket.groups),
    delivered: deliveryMs?.count,
    prices: prices?.map(({ currency, sum, count }) => [currency, sum?.toFixed(6), count]).sort(),
    errors: failures?.errors?.map(({ name, count }) => [name, count]),
    senders: failures?.senders?.map(({ sender, count }) => [sender, count]),
    isWithin: true,
  };
}

test('messages, reports and a restart → the summary is what an export counts, filtered or not', async () => {
  const home = newHome();
  const settings = { SENTLOG_SEGMENT_MESSAGES: '1000' };
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  const startMs = Date.now() - 3_600_000;
  const statuses = ['DELIVERED_TO_HANDSET', 'UNDELIVERABLE_NOT_DELIVERED', 'EXPIRED_EXPIRED', 'PENDING_ENROUTE'];
  const at = (ms: number) => new Date(startMs + ms).toISOString();
  for (let batch = 0; batch < 12; batch++)
    await calls.record(
      numberedFrom(batch * 250, 250).map((one, index) => ({
        ...one,
        sentAt: at(((batch * 250 + index) * 1200) % 3_500_000),
        sender: `page-${index % 4}`,
        ...(index % 3 === 0 && { price: { pricePerMessage: 0.0123, currency: index % 2 ? 'EUR' : 'USD' } }),
      })),
    );
  for (let batch = 0; batch < 12; batch++)
    await calls.record(
      Array.from({ length: 100 }, (_, index) => ({
        messageId: `message-${batch * 250 + index}`,
        status: { name: statuses[index % 4] ?? '' },
        ...(index % 4 === 0 && { doneAt: at(3_550_000) }),
        ...(index % 4 === 1 && { error: { name: 'EC_ABSENT_SUBSCRIBER' } }),
      })),
    );
  await server.end('SIGKILL');
  const again = home.calls(await home.serve({ settings }));
  const until = new Date(startMs + 3_600_000);
  const filters: readonly LogsFilter[] = [
    { sentUntil: until },
    { sentSince: new Date(startMs + 60_000), sentUntil: new Date(startMs + 1_800_000) },
    { sender: 'page-1', sentUntil: until },
    { generalStatus: 'UNDELIVERABLE', sender: 'page-1', sentUntil: until },
    { sender: 'nobody', sentUntil: until },
  ];
  const client = clientOf(again);
  for (const filter of filters) {
    const logs: Log[] = [];
    for await (const log of client.allLogs(filter)) logs.push(log);
    let summary = await client.summary(filter, { buckets: 30 });
    // Its time may run out on a busy machine.
    await eventually('the summary is complete', async () => {
      if (!summary.complete) summary = await client.summary(filter, { buckets: 30 });
      return summary.complete;
    });
    expect(shown(summary)).toEqual(summed(logs, summary));
  }
});
