import { expect, test } from 'vitest';
import { hour, minute, World } from './world.ts';

test('48 hours → all of them, newest first, in no more requests than their pages and a tenth', async () => {
  const world = new World();
  world.addPast(3000, 48 * hour - 10 * minute);
  await world.run(2 * minute);
  expect(await world.kept()).toEqual(world.truth());
  const { reads, gaps } = await world.place();
  expect(reads).toEqual([]);
  expect(gaps).toEqual([]);
});

test.each(['place', 'offset', 'none'] as const)(
  'catching up with %s cursors → pages of a thousand, and a tenth more at most',
  async cursors => {
    const world = new World({ cursors, terms: { requestsPerMinute: 600 } });
    // Nothing new and nothing pending: what is asked is asked to catch up.
    world.addPast(4000, 47 * hour);
    await world.run(10 * 1000);
    expect((await world.place()).reads.filter(read => read.kind === 'catchUp')).toEqual([]);
    const pages = world.infobip.asked.filter(({ target }) => !target.includes('messageId='));
    // Two heads in those ten seconds.
    expect(pages.length).toBeLessThanOrEqual(Math.ceil(4 * 1.1) + 2);
    expect(await world.kept()).toEqual(world.truth());
  },
);

test.each(['place', 'none'] as const)(
  '3,000 messages in one millisecond, %s cursors → all, or a gap of that millisecond',
  async cursors => {
    const world = new World({ cursors });
    const sentAt = world.theirs - hour;
    for (let i = 0; i < 3000; i++) world.add({ sentAt });
    world.addPast(1500, 3 * hour);
    await world.run(5 * minute);
    const [kept, truth] = [await world.kept(), world.truth()];
    const { gaps } = await world.place();
    const missing = [...truth.keys()].filter(id => !kept.has(id));
    if (cursors === 'place') expect(missing).toEqual([]);
    for (const id of missing) expect(world.infobip.log.message(id)?.sentAt).toBe(sentAt);
    expect(gaps.map(({ from, until }) => [from, until])).toEqual(missing.length > 0 ? [[sentAt, sentAt + 1]] : []);
  },
);

test('a cursor that expires while the mirror is away → the rest is read by time', async () => {
  const world = new World({ cursorMs: 1000, terms: { requestsPerMinute: 60, sinceMs: 47.5 * hour } });
  world.addPast(3500, 47 * hour);
  await world.run(150);
  world.now += minute;
  world.restart();
  await world.run(2 * minute);
  expect(world.infobip.asked.some(({ status }) => status === 400)).toBe(true);
  expect(await world.kept()).toEqual(world.truth());
  expect((await world.place()).gaps).toEqual([]);
});

test('the account keeps shorter than the other side → what is past retention is left out, and nothing is told', async () => {
  const world = new World({ terms: { retentionMs: 10 * hour } });
  world.addPast(2000, 40 * hour);
  await world.run(2 * minute);
  const kept = await world.kept();
  const within = world.infobip.log.messages().filter(one => one.sentAt >= world.now - 10 * hour);
  for (const { messageId } of within) expect(kept.has(messageId)).toBe(true);
  expect((await world.place()).gaps).toEqual([]);
  expect(world.notes).toEqual([]);
});
