import { expect, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { ReportDesk } from '../../src/sender/report-desk.ts';

test.each([
  ['an outage', new Unavailable('away'), ['given', 'given']],
  ['a defect', new TypeError('broken'), ['given', 'back']],
] as const)(
  'given, which cannot be kept by %s → tried again, or free for the next caller; never taken for ever',
  async (_, failure, wanted) => {
    const asked: string[] = [];
    const done = Promise.withResolvers<void>();
    const ask = (what: string) => async () => {
      asked.push(what);
      if (asked.length === 1) throw failure;
      done.resolve();
    };
    const outbox = { takeReports: async () => [], reportsGiven: ask('given'), reportsGivenBack: ask('back') };
    const desk = new ReportDesk({ outbox, note: () => {} });
    desk.given([1]);
    await done.promise;
    await desk.close();
    expect(asked).toEqual(wanted);
  },
);
