import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { simulatedMessage } from '../../simulator/messages.ts';
import { deliveryJson, simulatedReport } from '../../simulator/webhooks.ts';
import { noError, statusNamed } from '../../src/domain/registry.ts';
import { hour, minute, World } from './world.ts';

type Page = { readonly results: readonly unknown[]; readonly cursor?: object };

/** Answers with 200 that are not what was asked for, or none at all. */
const strangeness: Readonly<Record<string, (page: Page) => unknown>> = {
  'no object': () => 'OK',
  'no results': ({ cursor }) => ({ cursor }),
  'results that are an object': () => ({ results: {} }),
  'a cursor that is no text': page => ({ ...page, cursor: { nextCursor: 5 } }),
  'a cursor that is null': page => ({ ...page, cursor: null }),
  'no cursor': ({ results }) => ({ results }),
  'no message of it': page => ({ ...page, results: [] }),
  'what is no message among them': page => ({ ...page, results: [null, 7, 'x', [], {}, ...page.results] }),
  'each message twice': page => ({ ...page, results: page.results.flatMap(one => [one, one]) }),
  'the oldest first': page => ({ ...page, results: page.results.toReversed() }),
  'an error beside them': page => ({ ...page, requestError: { serviceException: { text: 'x' } } }),
};

/** Lose nothing: only what hides messages may be answered by a side that means it. */
const hiding: ReadonlySet<string> = new Set([
  'a cursor that is no text',
  'a cursor that is null',
  'no cursor',
  'no message of it',
]);
const harmless = Object.keys(strangeness).filter(name => !hiding.has(name));

test('strange answers among those to any question → the truth in the end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.subarray(harmless, { minLength: 1 }),
      fc.constantFrom('place', 'none'),
      async (names, cursors) => {
        const world = new World({ seed: names.join(), cursors });
        world.addPast(300, 40 * hour, 0.02);
        world.altered = page => {
          if (!world.random.chance(0.3)) return page;
          return strangeness[world.random.pick(names)]?.(page);
        };
        await world.run(4 * minute, () => world.add({ pace: 0.02 }));
        world.altered = page => page;
        await world.run(15 * minute);
        expect(await world.kept()).toEqual(world.truth());
        expect((await world.place()).gaps).toEqual([]);
        world.rows.close();
      },
    ),
    { numRuns: 4 },
  );
});

test('a side that takes no notice of a cursor, and gives another one each time → read by time', async () => {
  const world = new World({ cursors: 'none' });
  world.addPast(3500, 40 * hour, 0.02);
  let cursors = 0;
  world.altered = page => (page.results.length < 1000 ? page : { ...page, cursor: { nextCursor: `c${++cursors}` } });
  await world.run(10 * minute);
  expect(await world.kept()).toEqual(world.truth());
  expect((await world.place()).gaps).toEqual([]);
});

test('and more than a page of one millisecond → by status group; what that cannot tell apart is a gap, and all before it is read', async () => {
  const world = new World({ cursors: 'none' });
  const sentAt = world.theirs - hour;
  for (let i = 0; i < 3000; i++) world.add({ sentAt });
  world.addPast(1500, 3 * hour);
  let cursors = 0;
  world.altered = page => (page.results.length < 1000 ? page : { ...page, cursor: { nextCursor: `c${++cursors}` } });
  await world.run(5 * minute);
  const [kept, truth] = [await world.kept(), world.truth()];
  const missing = [...truth.keys()].filter(id => !kept.has(id));
  for (const id of missing) expect(world.infobip.log.message(id)?.sentAt).toBe(sentAt);
  expect(missing.length).toBeLessThan(2000);
  expect((await world.place()).gaps.map(({ from, until }) => [from, until])).toEqual([[sentAt, sentAt + 1]]);
});

test('an id that comes back with another content, or to somebody else → what was read first stays, its status goes on, and it is told', async () => {
  const world = new World();
  world.add({ messageId: 'again', sentAt: world.theirs - 1000 });
  world.altered = page => page;
  await world.run(20_000);
  const before = (await world.kept()).get('again');
  world.altered = ({ results, ...page }) => ({
    ...page,
    results: results.map(one => ({
      ...Object(one),
      content: { type: 'TEXT', text: 'another' },
      destination: 'somebody',
    })),
  });
  await world.run(30 * minute);
  const after = (await world.kept()).get('again');
  const { status } = Object(world.truth().get('again'));
  expect(after).toMatchObject({ status });
  expect(Object(after).content).toEqual(Object(before).content);
  expect(world.notes.some(({ message }) => message === 'a mirrored message is not taken as it is')).toBe(true);
});

test('an answer that is under way while a webhook tells what came after it, or that is read by a process that slept → the later stays', async () => {
  const steps = fc.record({ lateMs: fc.integer({ min: 5000, max: 10 * hour }), isDated: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(steps, async ({ lateMs, isDated }) => {
      const world = new World();
      const sentAt = world.theirs - minute;
      const made = simulatedMessage({ messageId: 'm', sentAt }, new Random('m'));
      const changesAt = world.now + 2000;
      const state = (name: string, from: number) => ({
        from,
        status: statusNamed(name),
        error: noError,
        ...(isDated && { doneAt: from }),
      });
      const states = [state('UNDELIVERABLE_NOT_DELIVERED', sentAt + 1000), state('DELIVERED_TO_HANDSET', changesAt)];
      const message = { ...made, states };
      world.infobip.add(message);
      let isAsked = false;
      world.lateMs = async () => {
        if (isAsked) return 0;
        isAsked = true;
        world.now += 3000;
        await world.take(deliveryJson([simulatedReport(message, changesAt)]));
        return lateMs;
      };
      await world.run(1);
      expect(isAsked).toBe(true);
      expect(Object((await world.kept()).get('m')).status).toEqual(Object(world.truth().get('m')).status);
      world.rows.close();
    }),
    { numRuns: 20 },
  );
});

test.each([
  ['no sentAt', { sentAt: null }],
  ['one and the same id', { messageId: 'not-unique' }],
])('two of three messages have %s → the third is kept, and it goes on', async (_, change) => {
  const world = new World();
  world.addPast(300, 40 * hour);
  const isSpared = (id: unknown) => Number(String(id).split('-')[1]) % 3 === 0;
  world.altered = ({ results, ...page }) => ({
    ...page,
    results: results.map(one => (isSpared(Object(one).messageId) ? one : { ...Object(one), ...change })),
  });
  await world.run(5 * minute);
  const kept = await world.kept();
  const spared = [...world.truth()].filter(([id]) => isSpared(id));
  expect(new Map([...kept].filter(([id]) => isSpared(id)))).toEqual(new Map(spared));
  expect(spared).toHaveLength(100);
  const { trouble, gaps } = await world.place();
  expect({ trouble, gaps }).toEqual({ gaps: [] });
});

/** What the first answer may be by a glitch, in the place of what the other side has. */
const glitches: Readonly<Record<string, (page: Page) => unknown>> = {
  'no messages': page => ({ ...page, results: [] }),
  'null for a message': () => ({ results: [null] }),
  'lists, numbers and texts for messages': () => ({ results: [[[[]]], 7, 'x'] }),
  'ids that are far too long': ({ results }) => ({
    results: results.map(one => ({ ...Object(one), messageId: 'x'.repeat(2000) })),
  }),
  'one message of long ago among the others': ({ results, ...page }) => ({
    ...page,
    results: results.map((one, at) => (at === 500 ? { ...Object(one), sentAt: '1970-01-01T00:00:00Z' } : one)),
  }),
};

test.each(Object.keys(glitches))('%s in the first answer → all is read all the same, within minutes', async name => {
  const world = new World();
  world.addPast(1500, 40 * hour, 0.001);
  world.altered = page => {
    world.altered = undefined;
    return glitches[name]?.(page);
  };
  await world.run(5 * minute);
  expect(await world.kept()).toEqual(world.truth());
  const { gaps, doubtful } = await world.place();
  expect({ gaps, doubtful }).toEqual({ gaps: [] });
});

test('messages that can never be taken, in every page → each page is read again for a while, and then no more', async () => {
  const world = new World();
  world.addPast(1500, 40 * hour, 0.001);
  const isBad = (id: unknown) => Number(String(id).split('-')[1]) % 300 === 0;
  world.altered = ({ results, ...page }) => ({
    ...page,
    results: results.map(one => (isBad(Object(one).messageId) ? { ...Object(one), destination: 7 } : one)),
  });
  await world.run(35 * minute);
  const good = [...world.truth()].filter(([id]) => !isBad(id));
  expect(await world.kept()).toEqual(new Map(good));
  const { gaps, doubtful, trouble } = await world.place();
  expect({ gaps, doubtful, trouble }).toEqual({ gaps: [] });
});

test.each(['place', 'none'] as const)(
  'one cursor for all pages, short ones too, over %s cursors → all is read, and no millisecond is a gap',
  async cursors => {
    const world = new World({ cursors });
    world.addPast(1500, 40 * hour, 0.02);
    for (let i = 0; i < 30; i++) world.add({ sentAt: world.theirs - 41 * hour });
    world.altered = page => ({ ...page, cursor: { limit: 1000, nextCursor: 'c' } });
    await world.run(5 * minute, () => {
      if (world.random.chance(0.05)) world.add({ pace: 0.02 });
    });
    const kept = await world.kept();
    const missing = [...world.truth().keys()].filter(id => !kept.has(id));
    expect({ missing, gaps: (await world.place()).gaps }).toEqual({ missing: [], gaps: [] });
  },
);
