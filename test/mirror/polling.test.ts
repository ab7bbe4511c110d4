import { expect, test } from 'vitest';
import { begunAt, type Driven, drive, hour, minute, type Traffic, traffic } from './driven.ts';

/** As the vendor's: 55 of them fill a list. */
const idChars = 36;

const quantile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];

/** Messages of the last days that are pending, and end at any moment of two hours. */
const pendingFor = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    sentAt: begunAt - 40 * hour + i * Math.floor((37 * hour) / count),
    finalAt: begunAt + (2 * hour * ((i * 7919) % count)) / count,
  }));

/** Which of some messages that ended were seen later than so long after it, or not. */
function lateOf({ finalAt }: Traffic, { seenAt, now }: Driven, numbers: readonly number[], withinMs: number) {
  const ended = numbers.filter(number => (finalAt[number] ?? 0) < now - withinMs);
  return { ended, late: ended.filter(number => (seenAt[number] ?? Number.NaN) - (finalAt[number] ?? 0) > withinMs) };
}

/** Those that were sent since, after the first minute: it takes that long to see how much there is. */
const sentSince = ({ sentAt }: Traffic) =>
  Array.from(sentAt.keys()).filter(number => (sentAt[number] ?? 0) > begunAt + minute);

/** Of the older ones that are first, once all of them were looked at. */
function expectOlderInTime(made: Traffic, driven: Driven, count: number): void {
  const older = Array.from({ length: count }, (_, i) => i).filter(i => (made.finalAt[i] ?? 0) > begunAt + 4 * minute);
  const { ended, late } = lateOf(made, driven, older, 90_000);
  expect(ended.length).toBeGreaterThan(count / 30);
  expect(late).toEqual([]);
}

const neverMoreThan = ({ asked }: Driven, requestsPerMinute: number) => {
  for (const [i, { at }] of asked.entries())
    expect((asked[i + requestsPerMinute]?.at ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(minute);
};

test('500 messages a second, 1,000 older ones, 60 requests a minute → every end seen within 90 s', () => {
  const made = traffic({ perSecond: 500, ms: 12 * minute, idChars, old: pendingFor(1000) });
  const driven = drive(made, { until: begunAt + 12 * minute });
  const { keptAt, now } = driven;
  const lags = sentSince(made)
    .filter(number => (made.sentAt[number] ?? 0) < now - 90_000)
    .map(number => (keptAt[number] ?? Number.NaN) - (made.sentAt[number] ?? 0));
  expect(quantile(lags, 0.99)).toBeLessThanOrEqual(minute);
  const { ended, late } = lateOf(made, driven, sentSince(made), 90_000);
  expect(ended.length).toBeGreaterThan(250_000);
  expect(late).toEqual([]);
  expectOlderInTime(made, driven, 1000);
  neverMoreThan(driven, 60);
  // And none is told to be late most of the time, once all of the older were looked at.
  const told = driven.asked.flatMap(({ at, statuses }) => (at > begunAt + 4 * minute ? [statuses?.late ?? 1000] : []));
  expect(told.length).toBeGreaterThan(100);
  expect(quantile(told, 0.5)).toBe(0);
});

test('more than the requests can follow → ends that are late are told to be, as long as they are', () => {
  const made = traffic({ perSecond: 20, ms: 20 * minute, idChars, old: pendingFor(12_000) });
  const driven = drive(made, { until: begunAt + 20 * minute, requestsPerMinute: 10 });
  const { ended, late } = lateOf(
    made,
    driven,
    Array.from({ length: 12_000 }, (_, i) => i),
    90_000,
  );
  expect(late.length).toBeGreaterThan(ended.length / 3);
  const statuses = driven.place.asked;
  expect(statuses?.late).toBeGreaterThan(1000);
  const unseen = late.filter(number => (driven.seenAt[number] ?? 0) > driven.now);
  // What ended before all that is followed was asked for is seen.
  expect(Math.min(...unseen.map(number => made.finalAt[number] ?? 0))).toBeGreaterThan((statuses?.since ?? 0) - 1000);
  expect(unseen.length).toBeGreaterThan(100);
});

test('150 messages a second that all end after three minutes, and 1,000 older ones → read by time, and every end seen within 90 s', () => {
  const made = traffic({ perSecond: 150, ms: 12 * minute, idChars, old: pendingFor(1000) });
  const endsAt = made.sentAt.map((at, i) => (i < 1000 ? (made.finalAt[i] ?? 0) : at + 3 * minute));
  const ending = { ...made, pendingUntil: endsAt, finalAt: endsAt };
  const driven = drive(ending, { until: begunAt + 12 * minute });
  const { ended, late } = lateOf(ending, driven, sentSince(ending), 90_000);
  expect(ended.length).toBeGreaterThan(50_000);
  expect(late).toEqual([]);
  expectOlderInTime(ending, driven, 1000);
  neverMoreThan(driven, 60);
});

test('15,000 that are pending leave within half an hour beside 500 a second → each asked for once more before', () => {
  const old = Array.from({ length: 15_000 }, (_, i) => ({
    sentAt: begunAt - 48 * hour + 5 * minute + i * 120,
    // A third of them end, at any moment.
    finalAt: i % 3 === 0 ? begunAt + 120 * ((i * 7919) % 15_000) : Number.POSITIVE_INFINITY,
  }));
  const made = traffic({ perSecond: 500, ms: 20 * minute, idChars, old });
  const { seenAt, unsettled, now } = drive(made, { until: begunAt + 20 * minute });
  expect(unsettled).toEqual([]);
  const gone = old.flatMap(({ sentAt, finalAt }, i) =>
    sentAt < now - 48 * hour && finalAt < sentAt + 48 * hour - 15 * minute ? [i] : [],
  );
  expect(gone.length).toBeGreaterThan(50);
  expect(gone.filter(i => seenAt[i] === Number.POSITIVE_INFINITY)).toEqual([]);
});

test.each([
  { pending: 8000, perSecond: 50, withinMs: 90_000 },
  { pending: 10_000, perSecond: 200, withinMs: 90_000 },
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

test('20,000 older ones beside 500 a second, far more than can be looked at in time → most ends within minutes', () => {
  const count = 20_000;
  const old = Array.from({ length: count }, (_, i) => {
    const sentAt = begunAt - 3 * hour + i * Math.floor((3 * hour) / count);
    const lot = (i * 7919) % 1000;
    // Few end, and those the sooner the younger they are.
    const finalAt = Math.max(begunAt, sentAt + 10 * minute) + (lot * minute) / 2;
    return { sentAt, finalAt: lot < 90 ? finalAt : Number.POSITIVE_INFINITY };
  });
  const made = traffic({ perSecond: 500, ms: 14 * minute, idChars, old });
  const { seenAt, now } = drive(made, { until: begunAt + 14 * minute });
  const waits = old.flatMap(({ finalAt }, i) =>
    finalAt > begunAt + 4 * minute && finalAt < now - 5 * minute ? [(seenAt[i] ?? Number.NaN) - finalAt] : [],
  );
  expect(waits.length).toBeGreaterThan(100);
  expect(waits.filter(ms => ms <= 5 * minute).length).toBeGreaterThan(0.9 * waits.length);
});
