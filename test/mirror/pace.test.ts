import { expect, test } from 'vitest';
import type { SimulatedInfobip } from '../../simulator/infobip.ts';
import { passes, turnsOf } from '../../src/mirror/pace.ts';
import { beginning, type Place } from '../../src/mirror/place.ts';
import { plan, settled } from '../../src/mirror/plan.ts';
import { hour, minute, World } from './world.ts';

/** The most that was asked in any minute. */
function mostInAMinute({ asked }: SimulatedInfobip): number {
  let most = 0;
  let from = 0;
  for (const [i, { at }] of asked.entries()) {
    while ((asked[from]?.at ?? 0) <= at - minute) from++;
    most = Math.max(most, i - from + 1);
  }
  return most;
}

test.each([1, 6, 60])(
  '%i requests a minute → no minute has more, catching up, following and failing',
  async requestsPerMinute => {
    const world = new World({ terms: { requestsPerMinute } });
    world.addPast(2500, 40 * hour);
    world.infobip.faults = { unavailable: 0.2, cut: 0.1, lost: 0.1 };
    const live = () => world.add({ pace: 0.1 });
    await world.run(5 * minute, live);
    world.restart();
    await world.run(5 * minute, live);
    expect(mostInAMinute(world.infobip)).toBeLessThanOrEqual(requestsPerMinute);
    expect(world.infobip.asked.length).toBeGreaterThan(requestsPerMinute);
  },
);

test('the account of the other side has no requests left → nothing is asked until it says', async () => {
  const world = new World({ requestsPerMinute: 4 });
  world.addPast(2500, 40 * hour);
  await world.run(20 * minute);
  const refused = world.infobip.asked.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  for (const { at } of refused) {
    const next = world.infobip.asked.find(one => one.at > at);
    if (next !== undefined) expect(next.at - at).toBeGreaterThanOrEqual(1000);
  }
  expect(await world.kept()).toEqual(world.truth());
});

test('the key is refused → paused with the reason, and nothing more is asked', async () => {
  const world = new World();
  world.addPast(10, hour);
  await world.run(minute);
  world.infobip.keys.clear();
  const asked = world.infobip.asked.length;
  await world.run(10 * minute);
  expect(world.infobip.asked.length).toBe(asked + 1);
  const [mirror] = await world.rows.mirrors();
  expect(mirror?.pause?.reason).toContain('refuses the key (401: The request lacks valid authentication');
});

test('the reports of the customer → are never taken', async () => {
  const world = new World();
  world.addPast(100, hour);
  await world.run(hour / 4, () => world.add());
  expect(world.infobip.asked.every(({ target }) => target.startsWith('/messenger/1/logs?'))).toBe(true);
});

test.each([3, 6, 60, 600])(
  'a quiet log catches up for a day, %i requests a minute → what came late is looked for at every age',
  requestsPerMinute => {
    const begun = Date.parse('2026-03-01T12:00:00Z');
    const terms = { requestsPerMinute, sinceMs: 48 * hour, retentionMs: 30 * 24 * hour };
    const until = begun - 4 * hour;
    let place: Place = {
      ...beginning,
      head: begun,
      passes: passes.map(({ ageMs }) => begun - ageMs),
      reads: [{ kind: 'catchUp', from: until - hour, until }],
    };
    const { late } = turnsOf(place, terms);
    const looks = passes.map(() => 0);
    for (let now = begun; now < begun + 24 * hour; now += (late * minute) / requestsPerMinute) {
      // The newest was read just now, nothing is pending, and it is the turn of what comes late.
      place = settled({ ...place, looks: [], head: now, headReadAt: now, turn: late - 1 }, now, terms);
      const step = plan(place, [], now, terms);
      const pass = step.kind === 'page' ? step.pass : undefined;
      if (pass === undefined) continue;
      looks[pass] = (looks[pass] ?? 0) + 1;
      place = { ...place, passes: place.passes.map((at, i) => (i === pass ? now - (passes[i]?.ageMs ?? 0) : at)) };
    }
    // A look that is further behind than ten of its turns leaves something out.
    for (const [i, { everyMs }] of passes.entries())
      if (everyMs >= (late * minute) / requestsPerMinute)
        expect(looks[i]).toBeGreaterThanOrEqual((24 * hour) / (10 * everyMs) - 1);
    expect(looks[passes.length - 1]).toBeGreaterThanOrEqual(4);
  },
);
