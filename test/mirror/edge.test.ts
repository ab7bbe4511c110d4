import { expect, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import type { Place } from '../../src/mirror/place.ts';
import { begunAt, type Driven, drive, hour, minute, past, type Traffic } from './driven.ts';

const windowMs = 48 * hour;
const hasCaughtUp = ({ head, reads }: Place) => head !== undefined && !reads.some(read => read.kind === 'catchUp');

/** Of what was sent in a range: what is neither kept nor told as missing, and what is both. */
function wronglyTold({ sentAt }: Traffic, { keptAt, place }: Driven, since: number, until = Number.POSITIVE_INFINITY) {
  const [untold, invented]: [number[], number[]] = [[], []];
  for (const [number, at] of sentAt.entries()) {
    if (at < since || at >= until) continue;
    const isKept = (keptAt[number] ?? 0) < Number.POSITIVE_INFINITY;
    const gap = place.gaps.find(one => at >= one.from && at < one.until);
    if (!isKept && gap === undefined) untold.push(number);
    // Whether the last millisecond that was read of is read whole, nobody can tell.
    if (isKept && gap !== undefined && at < gap.until - 1) invented.push(number);
  }
  return { untold, invented };
}

test.each([
  ['evenly', false],
  ['by day', true],
])(
  '5 million messages of 48 hours, %s, at 60 requests a minute → none leaves unread, in their pages and a tenth',
  (_, byDay) => {
    const made = past(5_000_000, byDay);
    const driven = drive(made, {
      until: begunAt + 3 * hour,
      isOver: hasCaughtUp,
      cursorMs: 5 * minute,
    });
    expect(hasCaughtUp(driven.place)).toBe(true);
    expect(driven.place.gaps).toEqual([]);
    // What leaves within the first minute goes before it could be asked for.
    expect(wronglyTold(made, driven, begunAt + 2 * minute - windowMs)).toEqual({
      untold: [],
      invented: [],
    });
    expect(driven.asked.length).toBeLessThanOrEqual((made.sentAt.length / limits.pageLogsMax) * 1.1);
  },
);

test('more of 48 hours than its requests can read → what left is told to the millisecond, and nothing else', () => {
  const made = past(2_400_000);
  const driven = drive(made, {
    until: begunAt + 5 * hour,
    requestsPerMinute: 1,
  });
  const { gaps } = driven.place;
  expect(gaps.reduce((ms, gap) => ms + gap.until - gap.from, 0)).toBeGreaterThan(4 * hour);
  const left = driven.now - windowMs - minute;
  expect(wronglyTold(made, driven, begunAt + 4 * minute - windowMs, left)).toEqual({ untold: [], invented: [] });
});
