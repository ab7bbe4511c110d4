import { expect, test } from 'vitest';
import { begunAt, drive, hour, minute, traffic } from './driven.ts';

/** As the vendor's: 55 of them fill a list. */
const idChars = 36;

const quantile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];

test('twelve minutes at 500 messages a second and 60 requests a minute → every end seen within 90 s, by counting', () => {
  const made = traffic({ perSecond: 500, ms: 12 * minute, idChars });
  const { keptAt, seenAt, asked, now } = drive(made, { until: begunAt + 12 * minute });
  // The first minute is what it takes to see how much there is.
  const numbers = Array.from(keptAt.keys()).filter(number => (made.sentAt[number] ?? 0) > begunAt + minute);
  const lags = numbers
    .filter(number => (made.sentAt[number] ?? 0) < now - 90_000)
    .map(number => (keptAt[number] ?? Number.NaN) - (made.sentAt[number] ?? 0));
  expect(quantile(lags, 0.99)).toBeLessThanOrEqual(minute);
  const ended = numbers.filter(number => (made.finalAt[number] ?? 0) < now - 90_000);
  expect(ended.length).toBeGreaterThan(250_000);
  const late = ended.filter(number => (seenAt[number] ?? Number.NaN) - (made.finalAt[number] ?? 0) > 90_000);
  expect(late).toEqual([]);
  for (const [i, { at }] of asked.entries())
    expect((asked[i + 60]?.at ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(minute);
});

/** Messages of the last days that are pending, and end at any moment of two hours. */
const pendingFor = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    sentAt: begunAt - 40 * hour + i * Math.floor((37 * hour) / count),
    finalAt: begunAt + (2 * hour * ((i * 7919) % count)) / count,
  }));

test.each([
  { pending: 8000, perSecond: 50, withinMs: 90_000 },
  { pending: 20_000, perSecond: 20, withinMs: 3 * minute },
])(
  '$pending messages pending for up to 40 hours beside $perSecond a second → their ends seen within $withinMs ms',
  ({ pending, perSecond, withinMs }) => {
    const made = traffic({ perSecond, ms: 12 * minute, idChars, old: pendingFor(pending) });
    const { seenAt, now } = drive(made, { until: begunAt + 12 * minute });
    const ended = Array.from(made.finalAt.keys()).filter(number => {
      const finalAt = made.finalAt[number] ?? 0;
      // First all of them are read, and looked at once.
      return finalAt > begunAt + 4 * minute && finalAt < now - withinMs;
    });
    expect(ended.filter(number => number < pending).length).toBeGreaterThan(pending / 30);
    const late = ended.filter(number => (seenAt[number] ?? Number.NaN) - (made.finalAt[number] ?? 0) > withinMs);
    expect(late).toEqual([]);
  },
);
