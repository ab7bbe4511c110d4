import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { simulatedMessage } from '../../simulator/messages.ts';
import { limits } from '../../src/limits.ts';
import { checkMirror, type Difference } from '../../src/mirror/check/check.ts';
import { differencesOf, digestOf } from '../../src/mirror/check/differences.ts';
import { type AnsweredLog, type AskLog, askLog } from '../../src/mirror/check/log-client.ts';
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

type Checked = {
  readonly result: Awaited<ReturnType<typeof checkMirror>>;
  readonly found: readonly Difference[];
  readonly told: readonly string[];
};

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
  const told: string[] = [];
  const result = await checkMirror({
    from: world.now - 12 * hour,
    until: world.now - 10 * minute,
    gaps: [],
    theirs: askLog({ name: 'there', url: 'http://infobip', key: world.key, fetch: world.infobip.fetch, wait }),
    ours: askLog({ name: 'here', url: 'http://here', key: 'mirror', fetch: inject, wait }),
    horizon: () => world.now - 48 * hour,
    clock,
    end: world.now + hour,
    wait,
    found: one => found.push(one),
    progress: words => told.push(words),
  });
  return { result, found, told };
}

test('a mirror that has everything → every filter asked, no difference', async () => {
  const { world, check } = await mirrored(1200);
  const { result, found, told } = await check();
  expect(found).toEqual([]);
  expect(told).toContainEqual(
    expect.stringMatching(/^1\d{3} messages compared, back to .* \(100 % of the time\), 0 differ/),
  );
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

test('an answer that never ends → given up at its bound; a pause that is asked for has one too', async () => {
  const waits: number[] = [];
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  let chunks = 0;
  const pull = (controller: ReadableStreamDefaultController) => {
    chunks++;
    controller.enqueue(chunk);
  };
  const answers = [new Response('', { status: 429, headers: { 'retry-after': '99999999' } })];
  const ask = askLog({
    name: 'there',
    url: 'http://there',
    key: 'k',
    fetch: async () => answers.shift() ?? new Response(new ReadableStream({ pull })),
    wait: async ms => {
      waits.push(ms);
    },
  });
  await expect(ask({})).rejects.toThrow(/^there does not answer: the answer is longer than \d+ bytes$/);
  expect(waits[0]).toBe(limits.upstreamPauseMsMax);
  expect(chunks).toBeLessThan(waits.length * (limits.upstreamAnswerBytesMax / chunk.length + 3));
});

const noon = Date.parse('2026-03-01T12:00:00Z');
const logAt = (number: number, groupName = 'ACCEPTED'): AnsweredLog => ({
  messageId: `m${number}`,
  sentAt: new Date(noon - number).toISOString(),
  status: { groupName },
});

/** Compares two sides that are asked in this process, whose clock goes on by so much with each request and by each wait. */
async function compare(theirs: AskLog, ours: AskLog, requestMs = 0) {
  const found: Difference[] = [];
  let now = noon;
  const result = await checkMirror({
    from: noon - hour,
    until: noon + hour,
    gaps: [],
    theirs: question => {
      now += requestMs;
      return theirs(question);
    },
    ours,
    horizon: () => noon - hour,
    clock: () => now,
    end: noon + hour,
    wait: async ms => {
      now += ms;
    },
    found: one => found.push(one),
    progress: () => {},
  });
  return { result, found, tookMs: now - noon };
}

test('a side that never comes to an end → the check is given up with its reason', async () => {
  let asked = 0;
  const endless: AskLog = async () => ({ results: [], next: `${++asked}` });
  await expect(compare(endless, async () => ({ results: [] }))).rejects.toThrow(/more to read than 20000 pages/);
  expect(asked).toBe(limits.checkPagesMax);
});

test('one side has much that the other has not → the check is given up before it holds it all', async () => {
  let asked = 0;
  const full: AskLog = async () => {
    const results = Array.from({ length: 1000 }, (_, i) => logAt(asked * 1000 + i));
    return { results, next: `${++asked}` };
  };
  await expect(compare(full, async () => ({ results: [] }))).rejects.toThrow(/more than 20000 messages differ/);
  expect(asked).toBe(limits.checkSuspectsMax / 1000 + 1);
});

test('a log that changes at all times → its end is known after three waits, and no change under way is a difference', async () => {
  let asked = 0;
  const messages = Array.from({ length: 500 }, (_, i) => logAt(i));
  // What a question shows of them was another thing a moment ago, and will be; each is mended by the next.
  const side =
    (isBehind: boolean): AskLog =>
    async ({ messageId, limit }) => {
      if (isBehind) asked++;
      const ids = messageId?.split(',');
      const results = messages
        .filter(one => ids?.includes(one.messageId) ?? true)
        .slice(0, Number(limit ?? 1000))
        .map((one, i) => (isBehind && i % 50 === asked % 50 ? { ...one, status: { groupName: 'PENDING' } } : one));
      return { results };
    };
  const { result, found, tookMs } = await compare(side(false), side(true));
  expect(found.length).toBeLessThan(3);
  expect(result.messages).toBe(500);
  expect(tookMs).toBeLessThanOrEqual(3 * 95_000);
});

test('more than the time suffices for → the newest are compared, and the rest is left out', async () => {
  const all = Array.from({ length: 3000 }, (_, i) => logAt(i));
  let lacks = new Set<string>();
  const side =
    (isOurs: boolean): AskLog =>
    async ({ cursor, messageId, sentSince, useCursor }) => {
      const size = useCursor === undefined ? 1000 : 100;
      const ids = messageId?.split(',');
      const from = Number(cursor ?? 0);
      const since = Date.parse(sentSince ?? '2000-01-01T00:00:00Z');
      const shown = all.filter(
        one =>
          (ids?.includes(one.messageId) ?? true) &&
          Date.parse(one.sentAt) >= since &&
          !(isOurs && lacks.has(one.messageId)),
      );
      const results = shown.slice(from, from + size);
      return { results, ...(from + size < shown.length && { next: `${from + size}` }) };
    };
  // A request takes five minutes: ten of thirty pages are in time.
  for (const missing of [50, 2500]) {
    lacks = new Set([`m${missing}`]);
    const { result, found } = await compare(side(false), side(true), 5 * minute);
    expect(result.from).toBe(noon - 998);
    expect(result.messages).toBeGreaterThan(990);
    expect(found.map(one => one.messageId)).toEqual(missing < 999 ? ['m50'] : []);
  }
});

test('a page of ours that is full with messages of a group of its own → what is on the next is no difference', async () => {
  const accepted = Array.from({ length: 999 }, (_, i) => logAt(i + 10));
  const foreign = [logAt(1, 'SUPPRESSED'), logAt(2, 'SUPPRESSED')];
  const side =
    (countsForeign: boolean): AskLog =>
    async ({ generalStatus, cursor, messageId }) => {
      const isAsked = ({ status }: AnsweredLog) =>
        generalStatus === undefined ||
        (generalStatus === 'ACCEPTED' && (countsForeign || Reflect.get(Object(status), 'groupName') === 'ACCEPTED'));
      const matching = [...foreign, ...accepted].filter(isAsked);
      const ids = messageId?.split(',');
      const from = Number(cursor ?? 0);
      const page = matching.filter(one => ids?.includes(one.messageId) ?? true).slice(from, from + 1000);
      return { results: page, ...(from + 1000 < matching.length && { next: `${from + 1000}` }) };
    };
  const { result, found } = await compare(side(false), side(true));
  expect(found).toEqual([]);
  expect(result).toMatchObject({ messages: 1001, differences: 0 });
});

test('any two messages → one digest exactly if they have no difference', () => {
  const moment = fc.constantFrom(
    '2026-01-01T00:00:00.000+0000',
    '2026-01-01T01:00:00.000+01:00',
    '2026-01-02T00:00:00Z',
  );
  const leaf = fc.constantFrom<unknown>(null, '', 'a', 0, 1, true, '1', 1767225600000);
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      moment,
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'doneAt'), tie('value'), { maxKeys: 3 }),
    ),
  }));
  const log = fc.record({ messageId: fc.constant('m'), sentAt: moment, status: value, seenAt: value });
  fc.assert(
    fc.property(log, log, (a, b) => {
      expect(digestOf(a) === digestOf(b)).toBe(differencesOf(a, b).length === 0);
      const { messageId, sentAt, status, seenAt } = a;
      expect(digestOf({ seenAt, status, sentAt, messageId })).toBe(digestOf(a));
    }),
  );
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
