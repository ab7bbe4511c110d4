import { expect, test } from 'vitest';
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
