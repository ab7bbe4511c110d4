import { expect, onTestFinished, test } from 'vitest';
import { simulatedMessage } from '../../simulator/messages.ts';
import { checkMirror, type Difference } from '../../src/mirror/check.ts';
import { differencesOf } from '../../src/mirror/differences.ts';
import { askLog } from '../../src/mirror/log-client.ts';
import { MirrorError } from '../../src/mirror/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { TestServer } from '../support/http-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { WatchedStore } from '../support/watched-store.ts';
import { account, hour, minute, World } from './world.ts';

/** A mirror of some messages, and its log behind a server. */
async function mirrored(
  messages: number,
): Promise<{ world: World; server: TestServer; check: () => Promise<Checked> }> {
  const store: Store = new MemoryStore();
  const world = new World({ store });
  world.addPast(messages, 10 * hour);
  const { states, ...others } = simulatedMessage({ messageId: 'foreign', sentAt: world.theirs - hour }, world.random);
  const ofNewGroup = states.map(one => ({
    ...one,
    status: { ...one.status, groupId: 42, groupName: 'SUPPRESSED', id: 4200 },
  }));
  world.infobip.add({ ...others, states: ofNewGroup });
  await world.run(15 * minute);
  const server = new TestServer({ store: new WatchedStore(store), clock: () => world.now });
  server.callers.add('mirror', account);
  onTestFinished(() => server.app.close());
  return { world, server, check: () => check(world, server) };
}

type Checked = { readonly result: Awaited<ReturnType<typeof checkMirror>>; readonly found: readonly Difference[] };

async function check(world: World, server: TestServer): Promise<Checked> {
  const wait = async (ms: number) => {
    world.now += ms;
  };
  const inject: typeof fetch = async (url, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const answer = await server.app.inject({ url: String(url).replace('http://here', ''), headers });
    return new Response(answer.body, { status: answer.statusCode });
  };
  const clock = () => world.now;
  const found: Difference[] = [];
  const result = await checkMirror({
    from: world.now - 12 * hour,
    until: world.now - 10 * minute,
    theirs: askLog({ name: 'there', url: 'http://infobip', key: world.key, fetch: world.infobip.fetch, wait }),
    ours: askLog({ name: 'here', url: 'http://here', key: 'mirror', fetch: inject, wait }),
    horizon: () => world.now - 48 * hour,
    clock,
    wait,
    found: one => found.push(one),
  });
  return { result, found };
}

test('a mirror that has everything → every filter asked, no difference', async () => {
  const { world, check } = await mirrored(1200);
  const { result, found } = await check();
  expect(found).toEqual([]);
  expect(result).toMatchObject({ differences: 0, at: world.now });
  expect(result.messages).toBeGreaterThan(1150);
  expect(result.questions).toBeGreaterThan(25);
  const asked = new Set(
    world.infobip.asked.flatMap(({ target }) => [...new URL(target, 'http://x').searchParams.keys()]),
  );
  for (const name of [
    'sender',
    'destination',
    'bulkId',
    'messageId',
    'generalStatus',
    'entityId',
    'applicationId',
    'cursor',
  ])
    expect(asked).toContain(name);
});

test('a message that one side lacks, one that says something else → told, field by field, once each', async () => {
  const { world, server, check } = await mirrored(1200);
  world.add({ messageId: 'only-there', sentAt: world.theirs - 2 * hour });
  const only = { messageId: 'only-here', sender: '1', destination: '2', content: { type: 'TEXT', text: 'x' } };
  const sentAt = new Date(world.now - 3 * hour).toISOString();
  await server.record([{ ...only, sentAt }], 'App mirror');
  const [changed] = [...world.truth().keys()].slice(600);
  const report = { messageId: changed, price: { pricePerMessage: 77, currency: 'ZZZ' } };
  await server.record([report], 'App mirror');
  const { result, found } = await check();
  const told = found.map(({ messageId, field, theirs, ours }) => ({ messageId, field, theirs, ours }));
  expect(told).toContainEqual({ messageId: 'only-there', field: 'messageId', theirs: 'only-there', ours: undefined });
  expect(told).toContainEqual({ messageId: 'only-here', field: 'messageId', theirs: undefined, ours: 'only-here' });
  expect(told).toContainEqual(
    expect.objectContaining({ messageId: changed, field: expect.stringMatching(/^price/), ours: expect.anything() }),
  );
  expect(result.differences).toBe(found.length);
  expect(new Set(told.map(one => one.messageId))).toEqual(new Set(['only-there', 'only-here', changed]));
});

test('an answer that does not come, or a refusal → asked again, or told', async () => {
  const waits: number[] = [];
  const answers = [
    new Response('{"x"', { status: 200 }),
    new Response('', { status: 429, headers: { 'retry-after': '7' } }),
    new Response('', { status: 503 }),
    new Response('{"results":[{"messageId":"m","sentAt":"2026-01-01T00:00:00.000+0000"}],"cursor":{"nextCursor":"n"}}'),
    new Response('{"description":"No such key."}', { status: 401 }),
  ];
  const ask = askLog({
    name: 'there',
    url: 'http://there',
    key: 'k',
    fetch: async () => {
      const answer = answers.shift();
      if (answer === undefined) throw new TypeError('fetch failed');
      return answer;
    },
    wait: async ms => {
      waits.push(ms);
    },
  });
  expect(await ask({ limit: '1' })).toEqual({
    results: [{ messageId: 'm', sentAt: '2026-01-01T00:00:00.000+0000' }],
    next: 'n',
  });
  expect(waits).toEqual([2000, 7000, 2000]);
  await expect(ask({})).rejects.toThrow(new MirrorError('there refuses to answer: 401 No such key.'));
  await expect(ask({})).rejects.toThrow(/^there does not answer/);
});

test('two logs → each field that differs, absent and empty alike, dates by their moment', () => {
  const log = { a: 1, status: { id: 5, name: 'X' }, list: [1, { b: 2 }], sentAt: '2026-01-01T00:00:00.000+0000' };
  const same = { ...log, nothing: null, empty: '', sentAt: '2026-01-01T01:00:00.000+01:00' };
  expect(differencesOf(log, same)).toEqual([]);
  const other = {
    ...log,
    a: '1',
    status: { id: 6, name: 'X', action: 'y' },
    list: [1, { b: 3 }],
    sentAt: '2026-01-01T00:00:00.001Z',
  };
  expect(differencesOf(log, other)).toEqual([
    { field: 'a', theirs: 1, ours: '1' },
    { field: 'status.id', theirs: 5, ours: 6 },
    { field: 'status.action', theirs: undefined, ours: 'y' },
    { field: 'list[1].b', theirs: 2, ours: 3 },
    { field: 'sentAt', theirs: log.sentAt, ours: other.sentAt },
  ]);
});
