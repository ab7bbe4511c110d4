import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../support/properties.ts';
import { type AnsweredPage, hour, minute, World } from './world.ts';

const day = 24 * hour;
const requestsPerMinute = 60;

/** A page as it is, but for its head, its status or its body. */
function dressed(page: AnsweredPage, headers: Readonly<Record<string, string>>, status = 200): Response {
  return Response.json(page, { status, headers });
}

const page = (text: string, status = 200, headers: Readonly<Record<string, string>> = {}) =>
  new Response(status === 204 || status === 304 ? null : text, { status, headers });

const eachRow =
  (change: (row: Readonly<Record<string, unknown>>, at: number) => unknown) =>
  ({ results, ...others }: AnsweredPage) => ({ ...others, results: results.map((row, at) => change(Object(row), at)) });

/** One row of ten, the one in the middle of a page too. */
const someRows = (change: (row: Readonly<Record<string, unknown>>) => unknown) =>
  eachRow((row, at) => (at % 10 === 5 ? change(row) : row));

let made = 0;

type Hostile = (page: AnsweredPage, world: World) => unknown;

/** What an answer may be, time and again, of a side that is broken, or means no good, or of what stands before it. */
const hostility: Readonly<Record<string, Hostile>> = {
  'a page of HTML': () => page('<!doctype html><title>Sign in</title>', 200, { 'content-type': 'text/html' }),
  'an empty body': () => page(''),
  'no content': () => page('', 204),
  'not modified': () => page('', 304),
  'a redirect': () => page('', 302, { location: 'http://169.254.169.254/' }),
  'not found': () => page('{}', 404),
  gone: () => page('{}', 410),
  'too long a question': () => page('', 414),
  'an error in HTML': () => page('<h1>Bad gateway</h1>', 502, { date: new Date(0).toUTCString() }),
  'asked too often, for less than no time': () => page('', 429, { 'retry-after': '-5' }),
  'asked too often, for years': () => page('', 429, { 'retry-after': '99999999999999999999' }),
  'asked too often, until nobody knows when': () => page('', 429, { 'retry-after': 'soon' }),
  'lists in lists': () => page(`{"results":${'['.repeat(5000)}${']'.repeat(5000)}}`),
  'far too many rows': () => page(`{"results":[${'1,'.repeat(20_000)}1]}`),
  'far too many values': () => page(`{"results":[[${'[],'.repeat(8_000_001)}1]]}`),
  'rows of another shape': eachRow((_, at) => ({ id: at, message: { sent: 'yesterday' } })),
  'rows without sentAt': eachRow(({ sentAt: _, ...row }) => row),
  'rows whose sentAt is a number': eachRow(row => ({ ...row, sentAt: 1_700_000_000_000 })),
  'rows without an id': eachRow(({ messageId: _, ...row }) => row),
  'rows whose id is far too long': eachRow(row => ({ ...row, messageId: 'x'.repeat(70_000) })),
  'a row of a time to come': someRows(row => ({
    ...row,
    messageId: `${row.messageId}!`,
    sentAt: '2099-01-01T00:00:00Z',
  })),
  'a row of long ago': someRows(row => ({ ...row, messageId: `${row.messageId}!`, sentAt: '1970-01-01T00:00:00Z' })),
  'ids once more with other contents': someRows(row => ({ ...row, content: { type: 'TEXT', text: String(++made) } })),
  'a new cursor each time': all => ({ ...all, cursor: { limit: 1000, nextCursor: `c${++made}` } }),
  'one cursor for all': all => ({ ...all, cursor: { limit: 1000, nextCursor: 'c' } }),
  'a cursor without end': all => ({ ...all, cursor: { limit: 1000, nextCursor: `${++made}`.repeat(100_000) } }),
  'the first page for ever, full': ({ results }) => {
    const [row = {}] = results;
    return { results: Array.from({ length: 1000 }, () => row), cursor: { nextCursor: `c${++made}` } };
  },
  'a full page of one message': ({ results }) => ({ results: Array.from({ length: 1000 }, () => results[0] ?? {}) }),
  'a full page of nothing': () => ({
    results: Array.from({ length: 1000 }, () => null),
    cursor: { nextCursor: `c${++made}` },
  }),
  'a date of 1970': all => dressed(all, { date: new Date(0).toUTCString() }),
  'a date of 2099': all => dressed(all, { date: 'Thu, 01 Jan 2099 00:00:00 GMT' }),
  'a date that is none': all => dressed(all, { date: 'today' }),
  'dates of any day': (all, world) =>
    dressed(all, { date: new Date(world.theirs + world.random.between(-400 * day, 400 * day)).toUTCString() }),
};

const names = Object.keys(hostility);

async function bounded(world: World): Promise<void> {
  const { id } = await world.mirror();
  const text = await world.rows.place(id);
  expect(text?.length ?? 0).toBeLessThan(64 * 1024);
  expect((await world.rows.spent(id, world.now)).requests).toBeLessThanOrEqual(requestsPerMinute);
}

/** Beside the rows that were made up. */
async function ownRows(world: World, truth: ReadonlyMap<string, unknown>): Promise<ReadonlyMap<string, unknown>> {
  return new Map([...(await world.kept())].filter(([id]) => truth.has(id)));
}

/** What an hour's pause may follow, and all that is read again then. */
async function endsInTruth(world: World): Promise<void> {
  for (let left = 40; left > 0; left--) {
    await world.run(2 * minute);
    const truth = world.truth();
    if (isDeepStrictEqual(await ownRows(world, truth), truth)) break;
  }
  const truth = world.truth();
  expect(await ownRows(world, truth)).toEqual(truth);
}

test.each(names)('nothing but %s for two minutes → bounded, then the truth and no gap', async name => {
  const world = new World({ seed: name, terms: { requestsPerMinute } });
  world.addPast(30, 40 * hour, 0.02);
  const live = async () => {
    if (world.random.chance(0.02)) world.add({ pace: 0.02 });
  };
  await world.run(2 * minute, live);
  world.altered = all => hostility[name]?.(all, world);
  await world.run(2 * minute, async () => {
    await live();
    await bounded(world);
  });
  world.altered = undefined;
  await endsInTruth(world);
  expect((await world.place()).gaps).toEqual([]);
  world.rows.close();
});

test('any of them among true answers, from the first one on → the truth in the end, and no gap but of what left', async () => {
  const share = fc.constantFrom(0.1, 0.5, 0.9);
  // What is read first of an id stays, and here that may be what was made up.
  const passing = names.filter(name => name !== 'ids once more with other contents');
  const some = fc.subarray(passing, { minLength: 1, maxLength: 4 });
  const cursors = fc.constantFrom('place', 'offset', 'none');
  const past = fc.constantFrom(300, 2200);
  await fc.assert(
    fc.asyncProperty(some, share, cursors, past, fc.integer(), async (kinds, often, walking, count, seed) => {
      const world = new World({ seed: `${kinds} ${seed}`, cursors: walking, terms: { requestsPerMinute } });
      world.addPast(count, 40 * hour, 0.02);
      const live = async () => {
        if (world.random.chance(0.1)) world.add({ pace: 0.02 });
      };
      world.altered = all => (world.random.chance(often) ? hostility[world.random.pick(kinds)]?.(all, world) : all);
      await world.run(2 * minute, async () => {
        await live();
        await bounded(world);
      });
      world.altered = undefined;
      await endsInTruth(world);
      const { gaps } = await world.place();
      expect(gaps.filter(({ until }) => until > world.theirs - 48 * hour)).toEqual([]);
      world.rows.close();
    }),
    { numRuns: runs(12) },
  );
});
