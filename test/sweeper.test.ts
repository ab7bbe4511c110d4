import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ClockFile } from '../src/store/embedded/files/clock-file.ts';
import { systemDisk } from '../src/store/embedded/files/disk.ts';
import { type SweepClock, sweepAgainAndAgain } from '../src/sweeper.ts';
import { hourMs, numberedIds, recordNumbered, submission, walkIds } from './support/sqlite-log.ts';
import { dayMs, recorded, retentionMs, World } from './support/sweep-world.ts';

test.each([
  ['while the server runs', false],
  ['between two runs', true],
])('the clock leaps by 400 days %s → nothing is dropped, it is told; put right → sweeps go on', async (_, restarts) => {
  const { world, store } = await recorded();
  let sweeper = world.sweeper();
  await sweeper.sweep();
  world.pass(60_000);
  if (restarts) sweeper = world.sweeper();
  world.nowMs += 400 * dayMs;
  for (let minute = 0; minute < 5; minute++) {
    await sweeper.sweep();
    world.pass(60_000);
  }
  expect(await walkIds(store)).toEqual(numberedIds(0, 200));
  expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
  expect(sweeper.held?.leapMs).toBeGreaterThanOrEqual(400 * dayMs);
  expect(world.notes).toEqual([expect.stringContaining('SENTLOG_SWEEP_HOLD=0s')]);
  world.nowMs -= 400 * dayMs;
  await sweeper.sweep();
  expect(sweeper.held).toBeUndefined();
  expect(world.notes).toHaveLength(2);
  expect(await walkIds(store)).toEqual(numberedIds(0, 200));
  // What is past by the right clock is dropped as ever.
  world.pass(retentionMs + dayMs);
  await sweeper.sweep();
  expect(await walkIds(store)).toEqual([]);
});

test('the leap stays, and its time goes by → dropped, with a word; a leap that is held anew after a start waits anew', async () => {
  const { world, store } = await recorded();
  await world.sweeper().sweep();
  world.nowMs += 3 * dayMs;
  let sweeper = world.sweeper();
  await sweeper.sweep();
  world.pass(dayMs - 1);
  sweeper = world.sweeper();
  await sweeper.sweep();
  expect(sweeper.held?.until).toBe(world.nowMs + dayMs);
  world.pass(dayMs - 1);
  await sweeper.sweep();
  expect(await walkIds(store)).toHaveLength(200);
  world.pass(1);
  await sweeper.sweep();
  expect(sweeper.held).toBeUndefined();
  expect(await walkIds(store)).toEqual([]);
  expect(world.notes.at(-1)).toContain('more than half of what some accounts have is dropped');
  await sweeper.sweep();
  expect(world.notes).toHaveLength(3);
});

test.each([
  ['runs', true],
  ['sweeps', false],
])(
  'the clock is 400 days behind, and then as much ahead, of two %s → what was there before waits',
  async (_, restarts) => {
    const { world, store } = await recorded();
    let sweeper = world.sweeper();
    await sweeper.sweep();
    for (const leapMs of [-400 * dayMs, 800 * dayMs]) {
      world.pass(60_000);
      world.nowMs += leapMs;
      if (restarts) sweeper = world.sweeper();
      await sweeper.sweep();
    }
    expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
    world.nowMs -= 400 * dayMs;
    await sweeper.sweep();
    expect(sweeper.held).toBeUndefined();
    expect(await walkIds(store)).toEqual(numberedIds(0, 200));
  },
);

test('the clock is ahead while there is nothing to lose, put right, and ahead again → what came meanwhile waits', async () => {
  const world = new World();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const store = await world.open();
  const sweeper = world.sweeper();
  await sweeper.sweep();
  world.nowMs += 400 * dayMs;
  await sweeper.sweep();
  world.nowMs -= 400 * dayMs;
  await recordNumbered(store, 0, 200, world.nowMs);
  for (let hour = 0; hour < 3; hour++) {
    await sweeper.sweep();
    world.pass(hourMs);
  }
  world.nowMs += 400 * dayMs;
  await sweeper.sweep();
  expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
  // For as long as sweeps wait for one that leapt, a clock that was put back is not believed; then it is, by the next run too.
  world.nowMs -= 400 * dayMs;
  await sweeper.sweep();
  world.pass(dayMs - 5 * hourMs);
  await sweeper.sweep();
  world.nowMs += 400 * dayMs;
  const next = world.sweeper();
  await next.sweep();
  expect(next.held).toMatchObject({ past: 200, all: 200 });
});

test('somebody says that the clock is right → dropped at once', async () => {
  const { world, store } = await recorded();
  await world.sweeper().sweep();
  world.nowMs += 400 * dayMs;
  const sweeper = world.sweeper(0);
  await sweeper.sweep();
  expect(sweeper.held).toBeUndefined();
  expect(await walkIds(store)).toEqual([]);
});

test('a leap after which less than half is past, or one of minutes → swept', async () => {
  const { world, store } = await recorded();
  const sweeper = world.sweeper();
  await sweeper.sweep();
  world.nowMs += 59 * 60_000;
  await sweeper.sweep();
  world.pass(retentionMs - hourMs);
  await recordNumbered(store, 200, 500, world.nowMs);
  world.nowMs += 3 * hourMs;
  await sweeper.sweep();
  expect(sweeper.held).toBeUndefined();
  expect((await walkIds(store)).length).toBeLessThan(500);
  expect(world.notes).toEqual([]);
});

test.each([10, 50])(
  'the clock leaps by %i minutes again and again → it waits before most is past; put right → it goes on',
  async by => {
    const { world, store } = await recorded();
    const sweeper = world.sweeper();
    await sweeper.sweep();
    for (let leapt = 0; leapt < 60 * hourMs; leapt += by * 60_000) {
      world.pass(6_000);
      world.nowMs += by * 60_000;
      await sweeper.sweep();
    }
    expect(await walkIds(store)).toHaveLength(200);
    expect(sweeper.held).toMatchObject({ all: 200 });
    expect(sweeper.held?.leapMs).toBeGreaterThanOrEqual(retentionMs / 2);
    expect(world.notes).toEqual([expect.stringContaining('SENTLOG_SWEEP_HOLD=0s')]);
    world.nowMs -= 60 * hourMs;
    await sweeper.sweep();
    expect(sweeper.held).toBeUndefined();
  },
);

test('small leaps gathered, and what waits is swept every minute → it waits until the time that was told', async () => {
  const { world, store } = await recorded(retentionMs / 2 - hourMs / 2);
  const sweeper = world.sweeper();
  await sweeper.sweep();
  for (let leap = 0; leap < 25; leap++) {
    world.pass(60_000);
    world.nowMs += 59 * 60_000;
    await sweeper.sweep();
  }
  expect(sweeper.held?.until).toBe(world.nowMs + dayMs);
  for (let passedMs = 0; passedMs < dayMs; passedMs += hourMs / 2) {
    expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
    world.pass(hourMs / 2);
    await sweeper.sweep();
  }
  expect(sweeper.held).toBeUndefined();
  expect(await walkIds(store)).toEqual([]);
  expect(world.notes).toEqual([expect.stringContaining('SENTLOG_SWEEP_HOLD=0s'), expect.stringContaining('by nobody')]);
});

test('small leaps come to half of what an account keeps that keeps little → it waits before most of that is past', async () => {
  const { world, store } = await recorded();
  world.ownMs = new Map([[1, 6 * hourMs]]);
  const sweeper = world.sweeper();
  for (let leap = 0; leap <= 10; leap++) {
    await sweeper.sweep();
    world.pass(60_000);
    world.nowMs += 59 * 60_000;
  }
  expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
  expect(await walkIds(store)).toHaveLength(200);
});

test('servers with one log and clocks that are minutes apart → no leaps gather', async () => {
  const { world, store } = await recorded();
  let seen: number | undefined;
  const shared: SweepClock = {
    seen: async () => seen,
    see: async now => {
      seen = now;
    },
  };
  world.ownMs = new Map([[1, 4 * hourMs]]);
  const sweepers = [world.sweeper(dayMs, shared), world.sweeper(dayMs, shared, hourMs / 2)];
  for (let sweeps = 0; sweeps < 50; sweeps++) {
    world.pass(hourMs / 12);
    const sweeper = sweepers[sweeps % 2];
    await sweeper?.sweep();
    expect(sweeper?.held).toBeUndefined();
  }
  expect(await walkIds(store)).toEqual([]);
});

test('the clock is put right by minutes every day, or the machine sleeps every night → swept as ever', async () => {
  const { world, store } = await recorded();
  const sweeper = world.sweeper();
  await sweeper.sweep();
  for (let day = 0; day < 10; day++) {
    world.pass(16 * hourMs);
    await recordNumbered(store, 200 * (day + 1), 200 * (day + 2), world.nowMs);
    await sweeper.sweep();
    world.nowMs += 10 * 60_000;
    await sweeper.sweep();
    world.nowMs += 8 * hourMs;
    await sweeper.sweep();
    expect(sweeper.held).toBeUndefined();
  }
  expect((await walkIds(store)).length).toBeLessThanOrEqual(600);
});

test('the clock leaps, and more is recorded by it than there was before → what was there stays, after a start too', async () => {
  const { world, store } = await recorded();
  const sweeper = world.sweeper();
  await sweeper.sweep();
  const before = await walkIds(store);
  world.nowMs += 400 * dayMs;
  for (const [from, to] of [
    [200, 500],
    [500, 900],
  ] as const) {
    await recordNumbered(store, from, to, world.nowMs);
    world.pass(hourMs);
    await sweeper.sweep();
    expect(sweeper.held).toMatchObject({ past: before.length, all: before.length });
  }
  const again = world.sweeper();
  await again.sweep();
  expect(again.held).toMatchObject({ past: before.length });
  world.nowMs -= 400 * dayMs;
  await again.sweep();
  expect(again.held).toBeUndefined();
  expect(await walkIds(store)).toEqual(expect.arrayContaining([...before]));
});

test('the clock leaps past what some accounts keep, and others keep most of the log → nothing is dropped', async () => {
  const world = new World();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const store = await world.open();
  const submissions = Array.from({ length: 150 }, (_, i) => submission(i, { sentAt: world.nowMs }));
  await store.record({ account: 2, binding: {}, receivedAt: world.nowMs, sentSince: 0, submissions });
  await recordNumbered(store, 0, 300, world.nowMs);
  world.ownMs = new Map([[1, 1000 * dayMs]]);
  const sweeper = world.sweeper();
  await sweeper.sweep();
  world.nowMs += 60 * dayMs;
  await sweeper.sweep();
  expect(sweeper.held).toMatchObject({ all: 450 });
  expect(await walkIds(store, 97, 2)).toHaveLength(150);
});

test('the file of the clock cannot be read → any clock is a leap, and it is made again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-clock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = new ClockFile(folder);
  expect(await clock.seen()).toBeUndefined();
  writeFileSync(join(folder, 'clock'), 'what is this, and why is it here?\n');
  expect(await clock.seen()).toBe(0);
  await clock.see(1_800_000_000_123);
  writeFileSync(join(folder, 'clock'), '\0\0', { flag: 'r+' });
  expect(await clock.seen()).toBe(0);
  await clock.see(1_800_000_000_456);
  expect(await clock.seen()).toBe(1_800_000_000_456);
});

test.each<[string, (path: string) => void]>([
  ['torn', path => writeFileSync(path, '')],
  ['lost', path => rmSync(path)],
])('the file of the clock is %s, and all is past by the clock → nothing is dropped, it is told', async (_, damage) => {
  const { world, store } = await recorded();
  await world.sweeper().sweep();
  damage(join(world.dataDir, 'clock'));
  world.nowMs += 400 * dayMs;
  const sweeper = world.sweeper();
  await sweeper.sweep();
  expect(sweeper.held).toMatchObject({ past: 200, all: 200 });
  expect(await walkIds(store)).toHaveLength(200);
});

test('the file of the clock cannot be kept → sweeps go on by what this run saw, and a leap is one', async () => {
  const { world, store } = await recorded();
  const sweeper = world.sweeper(dayMs, { seen: async () => undefined, see: async () => {} });
  await sweeper.sweep();
  for (const count of [200, 0]) {
    if (count === 0) world.pass(3 * dayMs);
    await sweeper.sweep();
    expect(sweeper.held).toBeUndefined();
    expect(await walkIds(store)).toHaveLength(count);
  }
  await recordNumbered(store, 200, 300, world.nowMs);
  world.nowMs += 3 * dayMs;
  await sweeper.sweep();
  expect(sweeper.held).toMatchObject({ past: 100, all: 100 });
});

test('the disk has no room for a first file of the clock → there is none, as before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-clock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = () => {
    throw Object.assign(new Error('ENOSPC'), { syscall: 'write', code: 'ENOSPC' });
  };
  const clock = new ClockFile(folder, { ...systemDisk, write });
  await clock.see(1_800_000_000_123);
  expect(await clock.seen()).toBeUndefined();
});

test('the server stops in the middle of a sweep → it has not failed; one that fails before has', async () => {
  const failures: unknown[] = [];
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const calls: (() => Promise<void>)[] = [
    () => Promise.reject('the disk is away'),
    () => {
      begun.resolve();
      return stopped.promise;
    },
  ];
  const end = sweepAgainAndAgain({ sweep: () => calls.shift()?.() ?? Promise.resolve() }, 1, failure =>
    failures.push(failure),
  );
  await begun.promise;
  end();
  stopped.reject(new Error('the store is closed'));
  await stopped.promise.catch(() => {});
  expect(failures).toEqual(['the disk is away']);
  expect(calls).toEqual([]);
});
