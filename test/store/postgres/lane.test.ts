import { expect, it } from 'vitest';
import { Lane } from '../../../src/store/postgres/record/lane.ts';
import type { Led } from '../../../src/store/postgres/record/parts.ts';
import { account, message, now } from '../conformance/engine.ts';

const way = { slice: account, known: false };
const hour = 3_600_000;
let order = 0;

/** A batch of one message; `looks` counts how often somebody went through it. */
function led(messageId: string, sentAt = now, looks = { count: 0 }): Led {
  const submissions = [message(messageId, { sentAt })];
  const batch = {
    account,
    binding: {},
    receivedAt: now,
    sentSince: now - 48 * hour,
    get submissions() {
      looks.count++;
      return submissions;
    },
  };
  return { ...way, batch, layout: 0, order: order++, misplaced: 0, resolve: () => {}, reject: () => {} };
}

const idsIn = (taken: readonly Led[]) => taken.flatMap(({ batch }) => batch.submissions.map(one => one.messageId));
const lacksNothing = () => false;
const lacksOld = (sentAts: Iterable<number>) => [...sentAts].some(sentAt => sentAt < now - hour);

function lane(...waiting: readonly Led[]): Lane {
  const one = new Lane(account, way);
  for (const each of waiting) one.put(each);
  return one;
}

it('some need a partition that is missing → they are taken by themselves, and what has their ids waits for them', () => {
  const old = now - 24 * hour;
  const one = lane(led('a'), led('old 1', old), led('b'), led('old 2', old), led('old 1'), led('c'));
  expect(idsIn(one.take(lacksOld))).toEqual(['a', 'b', 'c']);
  expect(idsIn(one.take(lacksOld))).toEqual(['old 1', 'old 2']);
  expect(idsIn(one.take(lacksOld))).toEqual(['old 1']);
  // Beyond retention it is refused, and needs none.
  const past = lane(led('a'), led('past', now - 72 * hour));
  expect(idsIn(past.take(lacksOld))).toEqual(['a', 'past']);
});

it('all that waits must wait → gone through once, until something comes or ends', () => {
  const looks = { count: 0 };
  const one = lane(...Array.from({ length: 50 }, () => led('a', now, looks)));
  const ids = new Set(['a']);
  one.begin(ids);
  looks.count = 0;
  for (let call = 0; call < 1000; call++) expect(one.take(lacksNothing)).toEqual([]);
  // Each is looked at to see its ids and to remember them.
  expect(looks.count).toBeLessThanOrEqual(100);
  one.put(led('b'));
  expect(idsIn(one.take(lacksNothing))).toEqual(['b']);
  one.end(ids);
  expect(one.take(lacksNothing)).toHaveLength(50);
});

it('waits behind what is aside, be it by others → told; behind an ordinary commit → not', async () => {
  const one = lane(led('ordinary'), led('aside'), led('free'));
  one.begin(new Set(['ordinary', 'aside']));
  expect(one.behindAside()).toEqual([]);
  const both = led('aside');
  const through = { ...both, batch: { ...both.batch, submissions: [message('aside'), message('third')] } };
  one.put(through);
  one.put(led('third'));
  const partition = Promise.withResolvers<void>();
  const aside = one.aside(new Set(['aside']), () => partition.promise);
  const behind = one.behindAside();
  expect(idsIn(behind)).toEqual(['aside', 'aside', 'third', 'third']);
  one.remove(new Set(behind));
  partition.resolve();
  await aside;
  expect(one.behindAside()).toEqual([]);
  one.end(new Set(['ordinary', 'aside']));
  expect(idsIn(one.take(lacksNothing))).toEqual(['ordinary', 'free']);
});
