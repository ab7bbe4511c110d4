import { expect, test } from 'vitest';
import { figuresOf } from '../../src/mirror/figures.ts';
import { beginning, readPlace, writePlace } from '../../src/mirror/place.ts';
import { settled } from '../../src/mirror/plan.ts';
import { begunAt, hour, minute } from './driven.ts';

const terms = { requestsPerMinute: 60, sinceMs: 48 * hour, retentionMs: 30 * 24 * hour };

test('a place → has what builds before need of it, and what they wrote of that stays', () => {
  expect(JSON.parse(writePlace(beginning))).toMatchObject({ youngPages: 1, oldPages: 1 });
  const theirs = JSON.stringify({ ...beginning, youngPages: 3, oldPages: 2 });
  expect(JSON.parse(writePlace(readPlace(theirs, 'm')))).toMatchObject({ youngPages: 3, oldPages: 2 });
});

test('a build before had a turn → what it read is looked at', () => {
  const look = { from: begunAt - hour, until: begunAt - minute, at: begunAt, pending: 0, messages: 9, changing: 0.1 };
  const place = { ...beginning, head: begunAt, headReadAt: begunAt, looks: [look] };
  const [known, unknown] = settled(place, begunAt, terms).looks ?? [];
  expect(known).toEqual(look);
  expect(unknown).toMatchObject({ from: look.until, until: begunAt });
  expect(unknown?.pending).toBeGreaterThan(0);
  const whole = { ...place, looks: [{ ...look, until: begunAt }] };
  expect(settled(whole, begunAt, terms).looks).toEqual(whole.looks);
});

test.each(['{', 'null', '{"gaps":[]}'])(
  'a place that reads %s → told of its mirror, all of whose time is a gap',
  async text => {
    const mirror = {
      ...{ id: 1, name: 'm', account: 1, from: 'https://other.test', sealedKey: '', requestsPerMinute: 60 },
      ...{ sinceMs: 48 * hour, createdAt: begunAt },
    };
    const rows = {
      place: async () => text,
      spent: async () => ({ requests: 3, patient: 2 }),
      followed: async () => ({ messages: 5, byId: 0 }),
    };
    const reason = 'the place of the mirror m is damaged: remove the mirror, and add it again';
    expect(await figuresOf(mirror, rows, begunAt + hour, terms)).toMatchObject({
      state: 'in trouble',
      reason,
      gaps: [{ from: begunAt - 48 * hour, until: begunAt + hour, reason }],
    });
  },
);
