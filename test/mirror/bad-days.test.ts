import { expect, test } from 'vitest';
import { simulatedMessage } from '../../simulator/messages.ts';
import { WebhookTraffic } from '../../simulator/webhook-traffic.ts';
import { deliveryJson, simulatedReport } from '../../simulator/webhooks.ts';
import { noError, statuses } from '../../src/domain/registry.ts';
import { Unavailable } from '../../src/failures.ts';
import type { RecordBatch, RecordOutcome } from '../../src/store/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { hour, minute, World } from './world.ts';

/** As a disk that is full for a while: nothing is kept then. */
class FullAtTimes extends MemoryStore {
  isFull = () => false;
  refused = 0;

  override async record(batch: RecordBatch): Promise<RecordOutcome> {
    if (!this.isFull()) return super.record(batch);
    this.refused++;
    throw new Unavailable('the disk is full', 1000);
  }
}

/** Now and then a message, which ends within a minute. */
function traffic(world: World, everyMs = 3000): (ms: number) => void {
  let at = world.theirs;
  return () => {
    for (; at < world.theirs; at += everyMs) world.add({ sentAt: at, pace: 0.001 });
    at = Math.min(at, world.theirs + everyMs);
  };
}

async function endsInTruth(world: World): Promise<void> {
  await world.run(20 * minute);
  expect(await world.kept()).toEqual(world.truth());
  expect((await world.place()).gaps).toEqual([]);
}

test('the disk is full for ten minutes → nothing is asked for again that waits, and all is there in the end', async () => {
  const store = new FullAtTimes();
  const world = new World({ store });
  const add = traffic(world);
  world.addPast(300, 5 * hour);
  await world.run(5 * minute, add);
  const [begins, ends, asked] = [world.now, world.now + 10 * minute, world.infobip.asked.length];
  store.isFull = () => world.now >= begins && world.now < ends;
  await world.run(15 * minute, add);
  expect(store.refused).toBeGreaterThan(100);
  expect(world.infobip.asked.filter(one => one.at > begins + 1000 && one.at < ends).length).toBeLessThanOrEqual(1);
  expect(world.infobip.asked.length).toBeGreaterThan(asked);
  await endsInTruth(world);
});

test('the other side is away for an hour → asked less and less, then all of the hour is there', async () => {
  const world = new World();
  const add = traffic(world);
  await world.run(5 * minute, add);
  const before = world.infobip.asked.length;
  world.infobip.isAway = true;
  await world.run(hour, add);
  // A minute apart at most, whose jitter is half.
  expect(world.infobip.asked.length - before).toBeLessThan(140);
  world.infobip.isAway = false;
  await endsInTruth(world);
});

test('the key is revoked while it follows → rests, and with a key goes on where it was', async () => {
  const world = new World();
  const add = traffic(world);
  world.addPast(200, 5 * hour);
  await world.run(5 * minute, add);
  world.infobip.keys.clear();
  await world.run(minute, add);
  const { id } = await world.mirror();
  expect((await world.rows.mirrors())[0]?.pause?.reason).toContain('refuses the key');
  const asked = world.infobip.asked.length;
  world.now += 30 * minute;
  add(0);
  expect(world.infobip.asked.length).toBe(asked);
  world.infobip.keys.add(world.key);
  await world.rows.pause(id, undefined);
  world.restart();
  await endsInTruth(world);
});

test.each([hour, -hour])(
  'the clock of the other side is %i ms ahead, at first or from some moment on → its truth',
  async ms => {
    for (const isLater of [false, true]) {
      const world = new World({ seed: `clock ${ms} ${isLater}` });
      if (!isLater) world.infobip.skewMs = ms;
      const add = traffic(world);
      world.addPast(200, 5 * hour);
      await world.run(5 * minute, add);
      world.infobip.skewMs = ms;
      await world.run(5 * minute, add);
      if (!isLater || ms > 0) {
        await endsInTruth(world);
        continue;
      }
      // Put back: what was dated ahead, with all that became of it, is nothing that the other side shows any more.
      await world.run(20 * minute);
      const kept = await world.kept();
      expect([...world.truth().keys()].filter(id => !kept.has(id))).toEqual([]);
      // Once the clock there says again what it had said, all of it is as it is there.
      await world.run(hour);
      await endsInTruth(world);
    }
  },
);

test.each([0, 1, 2, 3])(
  'the clock of the other side is put back, and after answer %i nothing runs until it is what it had been → nothing missing',
  async answers => {
    const world = new World();
    world.infobip.skewMs = hour;
    const add = traffic(world);
    await world.run(5 * minute, add);
    world.infobip.skewMs = 0;
    world.addPast(5, minute, 0.0001);
    const end = world.infobip.asked.length + answers;
    while (world.infobip.asked.length < end) await world.run(1);
    world.now += hour + minute;
    world.restart();
    world.addPast(60, hour + minute, 0.0001);
    await endsInTruth(world);
  },
);

test('the other side tells by itself, repeated and in disorder → each change is there before its webhook is answered', async () => {
  const world = new World();
  const told: string[] = [];
  const webhooks = new WebhookTraffic({
    random: world.random,
    repeats: 0.3,
    delayMsMax: 5 * minute,
    post: async body => {
      await world.take(body);
      told.push(body);
      return 200;
    },
  });
  for (let i = 0; i < 200; i++) {
    const message = simulatedMessage(
      { messageId: `w${i}`, sentAt: world.theirs - hour + i * 1000, pace: 0.5 },
      world.random,
    );
    world.infobip.add(message);
    webhooks.add(message);
  }
  await world.run(minute);
  const asked = world.infobip.asked.length;
  for (let i = 0; i < 70; i++) {
    await webhooks.until(world.theirs);
    // At the next read, without anything being asked.
    const { status, messageId } = JSON.parse(told.at(-1) ?? '{"results":[{}]}').results[0];
    const log = messageId === undefined ? undefined : (await world.kept()).get(messageId);
    if (status?.groupName === 'DELIVERED') expect(log).toMatchObject({ status: { groupName: 'DELIVERED' } });
    world.now += minute;
  }
  expect(world.infobip.asked.length).toBe(asked);
  expect(webhooks.sent).toBeGreaterThan(200);
  expect(await world.kept()).toEqual(world.truth());
});

test('a status that comes and goes at the other side → what it is there, at each moment', async () => {
  const world = new World();
  const sentAt = world.theirs;
  const { states, ...others } = simulatedMessage({ messageId: 'm', sentAt, pace: 0.001 }, world.random);
  const [first] = states;
  if (first === undefined) throw new Error('a message without a state');
  const named = ['PENDING_ENROUTE', 'PENDING_ACCEPTED', 'PENDING_WAITING_DELIVERY', 'PENDING_ENROUTE'];
  const phases = [...named, ...named].map((name, i) => {
    const status = statuses.find(one => one.name === name) ?? first.status;
    return { ...first, status, error: noError, from: sentAt + i * 7 * minute };
  });
  world.infobip.add({ ...others, states: phases });
  for (const { from } of phases) {
    await world.run(Math.max(0, from + 2 * minute - world.now));
    expect(await world.kept()).toEqual(world.truth());
  }
});

test('a state of a group that nobody knows → shown as it came, followed on, and what it becomes is there', async () => {
  const world = new World();
  const sentAt = world.theirs - 5 * minute;
  const { states, ...others } = simulatedMessage({ messageId: 'm', sentAt, pace: 0.001 }, world.random);
  const last = states.at(-1);
  if (last === undefined) throw new Error('a message without a state');
  const status = { ...last.status, groupId: 42, groupName: 'SUPPRESSED', id: 4200, name: 'SUPPRESSED_BY_RULE' };
  const suppressed = { ...last, from: sentAt, status };
  const delivered = { ...last, from: world.theirs + 10 * minute };
  world.infobip.add({ ...others, states: [suppressed, delivered] });
  await world.run(5 * minute);
  expect((await world.kept()).get('m')).toMatchObject({ status: { groupId: 42, groupName: 'SUPPRESSED', id: 4200 } });
  expect(await world.kept()).toEqual(world.truth());
  expect((await world.place()).flawed).toBe(0);
  expect(await world.rows.followed((await world.mirror()).id)).toEqual({ messages: 1, byId: 1 });
  await world.run(10 * minute);
  expect(await world.kept()).toEqual(world.truth());
});

test('ten thousand reports, repeated and in disorder, one or many at a time → every message as its other side has it', async () => {
  const world = new World();
  const messages = Array.from({ length: 500 }, (_, i) =>
    simulatedMessage({ messageId: `m${i}`, sentAt: world.theirs - hour + i, pace: 0.01 }, world.random),
  );
  for (const message of messages) world.infobip.add(message);
  await world.run(10_000);
  const reports = Array.from({ length: 10_000 }, (_, i) => {
    const message = messages[(i * 7919) % messages.length];
    if (message === undefined) throw new Error('no message');
    return simulatedReport(message, message.sentAt + world.random.between(0, hour));
  });
  for (let at = 0; at < reports.length; ) {
    const count = world.random.chance(0.5) ? 1 : world.random.between(1, 200);
    await world.take(deliveryJson(reports.slice(at, at + count)));
    at += count;
  }
  await world.take(deliveryJson(messages.map(message => simulatedReport(message, world.theirs))));
  expect(await world.kept()).toEqual(world.truth());
});
