import { expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { ownLog } from '../../src/http/routes/logs.ts';
import { limits } from '../../src/limits.ts';
import { checkedRange, MirrorChecks } from '../../src/mirror/check/checks.ts';
import { budgetOf, type Terms, withinAllowed } from '../../src/mirror/pace.ts';
import { type Place, writePlace } from '../../src/mirror/place.ts';
import { MirrorError } from '../../src/mirror/rows.ts';
import { formatDateTime } from '../../src/wire/date-time.ts';
import { present } from '../../src/wire/present.ts';
import { account, hour, minute, World } from './world.ts';

type Followed = {
  readonly terms?: Partial<Terms>;
  readonly fetch?: typeof fetch;
  readonly key?: string;
};

/** A mirror that has been running, and what checks it by a clock that each wait puts forward. */
async function followed(messages = 50, { terms = {}, fetch, key }: Followed = {}) {
  const world = new World({ terms });
  world.addPast(messages, 10 * hour);
  await world.run(15 * minute);
  const mirror = await world.mirror();
  const checks = new MirrorChecks({
    mirrors: { key: () => key ?? world.key },
    rows: world.rows,
    retentionOf: () => world.terms.retentionMs,
    fetch: fetch ?? world.infobip.fetch,
    clock: () => world.now,
    wait: async (ms, signal) => {
      signal.throwIfAborted();
      world.now += ms;
    },
    note: note => world.notes.push(note),
  });
  onTestFinished(() => checks.stop());
  const ours = ownLog(account, {
    store: world.store,
    clock: () => world.now,
    retentionOf: () => world.terms.retentionMs,
    cursorSecret: Buffer.alloc(32),
  });
  const over = () => expect.poll(() => checks.state(mirror.id).isRunning).toBe(false);
  const last = async () => (await world.rows.mirrors()).find(one => one.id === mirror.id)?.lastCheck;
  return { world, mirror, checks, ours, over, last };
}

/** A side that is asked and never answers, unless it is told to stop. */
function silent() {
  const asked = Promise.withResolvers<void>();
  const answer = (signal?: AbortSignal | null) => {
    asked.resolve();
    return new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  };
  return { asked: asked.promise, answer };
}

test('begun, of a mirror that has everything → running until it is over, then kept with the mirror', async () => {
  const { mirror, checks, ours, over, last } = await followed();
  checks.begin(mirror, ours);
  expect(checks.state(mirror.id)).toEqual({ isRunning: true });
  expect(() => checks.begin(mirror, ours)).toThrow(MirrorError);
  await over();
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toMatchObject({ differences: 0 });
  expect((await last())?.messages).toBeGreaterThan(40);
});

test('messages that are not here → differences, told in the log by their ids alone, in one line', async () => {
  const { world, mirror, checks, ours, over, last } = await followed();
  const count = limits.checkDifferencesToldMax + 5;
  for (let i = 0; i < count; i++) world.add({ messageId: `only-there-${i}`, sentAt: world.theirs - 2 * hour - i });
  checks.begin(mirror, ours);
  await over();
  expect(await last()).toMatchObject({ differences: count });
  const [note, ...others] = world.notes;
  expect(others).toEqual([]);
  expect(note).toMatchObject({ level: 'warn', detail: { mirror: 'a', differences: count } });
  const first = Reflect.get(note?.detail ?? {}, 'first');
  expect(first).toHaveLength(limits.checkDifferencesToldMax);
  expect(first).toContainEqual({ messageId: 'only-there-0', field: 'messageId' });
});

test('the other side refuses → the reason is told, the last check stays, and another may be begun', async () => {
  const { mirror, checks, ours, over, last } = await followed(50, { key: 'revoked' });
  checks.begin(mirror, ours);
  await over();
  expect(checks.state(mirror.id).failure).toMatch(/refuses to answer: 401/);
  expect(await last()).toBeUndefined();
  checks.begin(mirror, ours);
  expect(checks.state(mirror.id)).toEqual({ isRunning: true });
});

test('the server stops while neither side answers → so does the check at once, and nothing is kept of it', async () => {
  const [there, here] = [silent(), silent()];
  const { world, mirror, checks, last } = await followed(50, { fetch: (_, init) => there.answer(init?.signal) });
  checks.begin(mirror, (_, signal) => here.answer(signal));
  await Promise.all([there.asked, here.asked]);
  await checks.stop();
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toBeUndefined();
  expect(world.notes).toEqual([]);
});

test('the mirror is paused or removed meanwhile → its check ends at once, and tells nothing', async () => {
  const { world, mirror, checks, last } = await followed();
  const here = silent();
  const told: unknown[] = [];
  checks.begin(mirror, (_, signal) => {
    signal?.addEventListener('abort', () => told.push('stopped'));
    return here.answer(signal);
  });
  await here.asked;
  checks.end(mirror.id);
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(told).toEqual(['stopped']);
  await checks.stop();
  expect(await last()).toBeUndefined();
  expect(world.notes).toEqual([]);
});

test.each([
  ['paused', /is paused/],
  ['removed', undefined],
])('another process has %s it → nothing more is asked of the other side', async (change, failure) => {
  const { world, mirror, checks, ours, over } = await followed();
  const asked = world.infobip.asked.length;
  let isChanged = false;
  checks.begin(mirror, async (...question) => {
    if (!isChanged) {
      isChanged = true;
      if (change === 'paused') await world.rows.pause(mirror.id, { reason: 'by command', at: world.now });
      else await world.rows.remove(mirror.id);
    }
    return ours(...question);
  });
  await over();
  expect(checks.state(mirror.id).failure ?? '').toMatch(failure ?? /^$/);
  expect(world.infobip.asked.length - asked).toBeLessThanOrEqual(1);
});

test('a mirror that is paused → not checked, and the reason is told', async () => {
  const { world, mirror, checks, ours } = await followed();
  expect(() => checks.begin({ ...mirror, pause: { reason: 'x', at: world.now } }, ours)).toThrow(/is paused/);
});

test('checks of several accounts → one after the other; an account has one at a time', async () => {
  const { world, mirror, checks, ours, over } = await followed();
  const { id: _, sealedKey, ...terms } = mirror;
  const make = (name: string, owner: number) => world.rows.add({ ...terms, name, account: owner }, sealedKey);
  const [sibling, stranger] = [await make('sibling', account), await make('stranger', account + 1)];
  if (sibling === undefined || stranger === undefined) throw new Error('the names are taken');
  const place = (await world.rows.place(mirror.id)) ?? '';
  await world.rows.keep(stranger.id, 'this process', { place, follow: [], unfollow: [] });
  const here = silent();
  checks.begin(mirror, (_, signal) => here.answer(signal));
  await here.asked;
  expect(() => checks.begin(sibling, ours)).toThrow(
    new MirrorError('the mirror "a" is being checked: an account has one check at a time'),
  );
  let strangerAsked = 0;
  checks.begin(stranger, (...question) => {
    strangerAsked++;
    return ours(...question);
  });
  expect(checks.state(stranger.id)).toEqual({ isRunning: true });
  expect(strangerAsked).toBe(0);
  checks.end(mirror.id);
  await over();
  await expect.poll(() => checks.state(stranger.id)).toEqual({ isRunning: false });
  expect(strangerAsked).toBeGreaterThan(0);
});

test('the log here is away for a moment → the check goes on; what the operator is told is not told to the account', async () => {
  const { world, mirror, checks, ours, over, last } = await followed();
  let away = 3;
  checks.begin(mirror, async (...question) => {
    if (away-- > 0) throw new Unavailable('connect ECONNREFUSED 10.0.0.9:5432', 5000);
    return ours(...question);
  });
  await over();
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toMatchObject({ differences: 0 });
  checks.begin(mirror, async () => {
    throw new Unavailable('connect ECONNREFUSED 10.0.0.9:5432', minute);
  });
  await over();
  expect(checks.state(mirror.id).failure).toBe('it cannot be checked now: try again later');
  expect(JSON.stringify(world.notes)).toContain('10.0.0.9');
});

test.each([
  ['before the mirror began', { sinceMs: 2 * hour }],
  ['past the retention of the account', { retentionMs: 2 * hour }],
])('messages from %s → not compared, and no differences', async (_, terms) => {
  const { mirror, checks, ours, over, last } = await followed(100, { terms });
  checks.begin(mirror, ours);
  await over();
  expect(checks.state(mirror.id)).toEqual({ isRunning: false });
  expect(await last()).toMatchObject({ differences: 0 });
  // A tenth of ten hours, each.
  expect((await last())?.messages).toBeGreaterThan(12);
  expect((await last())?.messages).toBeLessThan(25);
});

test.each([
  ['as far as both go', {}, undefined, []],
  ['more than the other side shows', {}, 100, [/the other side shows 48 hours/]],
  ['more than the log here goes back', { retentionMs: 30 * hour }, 40, [/the log here goes back 30 hours/]],
  ['more than the mirror was to read', { sinceMs: 5 * hour }, 47, [/the mirror was told to read from then on/]],
  ['less than all of these', { retentionMs: 30 * hour }, 20, []],
])('a check of %s → what both can have, and a line for what is left out', async (_, terms, hours, leftOut) => {
  const { world, mirror } = await followed(20, { terms });
  const { retentionMs } = world.terms;
  const now = world.now;
  const range = await checkedRange(mirror, world.rows, { clock: () => now, retentionMs, ...present({ hours }) });
  expect(range.leftOut).toEqual(leftOut.map(why => expect.stringMatching(why)));
  expect(range.from).toBeGreaterThan(now - Math.min(48 * hour, retentionMs));
  expect(range.from).toBeGreaterThanOrEqual(now - (hours ?? 48) * hour);
  if (leftOut.length === 0 && hours !== undefined) expect(range.from).toBe(now - hours * hour);
});

test('a gap within what is checked → told as left out; one before it → not', async () => {
  const { world, mirror } = await followed();
  const place = await world.place();
  const [recent, older] = [world.theirs - 2 * hour, world.theirs - 20 * hour].map(from => ({
    from,
    until: from + 5,
    reason: 'away',
  }));
  if (recent === undefined || older === undefined) throw new Error('no gaps');
  const kept = { place: writePlace({ ...place, gaps: [older, recent] }), follow: [], unfollow: [] };
  await world.rows.keep(mirror.id, 'this process', kept);
  const { retentionMs } = world.terms;
  const { leftOut } = await checkedRange(mirror, world.rows, { clock: () => world.now, retentionMs, hours: 10 });
  expect(leftOut).toEqual([
    `what was sent from ${formatDateTime(recent.from)} to ${formatDateTime(recent.until)}: away`,
  ]);
});

test('what is in a gap → not compared; while it catches up → no check, and the reason is told', async () => {
  const { world, mirror, checks, ours, over, last } = await followed();
  const place = await world.place();
  const at = world.theirs - 2 * hour;
  world.add({ messageId: 'never-read', sentAt: at });
  const keep = (changes: Partial<Place>) =>
    world.rows.keep(mirror.id, 'this process', {
      place: writePlace({ ...place, ...changes }),
      follow: [],
      unfollow: [],
    });
  await keep({ gaps: [{ from: at - 1, until: at + 1, reason: 'away' }] });
  checks.begin(mirror, ours);
  await over();
  expect(await last()).toMatchObject({ differences: 0 });
  await keep({ reads: [{ kind: 'catchUp', from: at - hour, until: at }] });
  checks.begin(mirror, ours);
  await over();
  expect(checks.state(mirror.id).failure).toMatch(/is catching up: it can be checked once/);
});

test('a check of a mirror that does much → half of what can wait is left to the mirror', async () => {
  const { world, mirror, checks, ours, over, last } = await followed(100);
  const place = await world.place();
  const { patient } = budgetOf(place, withinAllowed(place, world.terms));
  const spent: number[] = [];
  checks.begin(mirror, async (...question) => {
    spent.push((await world.rows.spent(mirror.id, world.now)).patient);
    return ours(...question);
  });
  await over();
  expect(await last()).toMatchObject({ differences: 0 });
  // The mirror itself rests meanwhile; every few seconds the check takes one of what it leaves.
  expect(Math.max(...spent)).toBeGreaterThan(5);
  expect(Math.max(...spent)).toBeLessThanOrEqual(Math.floor(patient / 2) + 6);
});
