import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Acceptance, accept, type Course, courseOf, newCourse } from '../../src/domain/acceptance.ts';
import { evidenceFrom, evidenceOf, reportsFor, settled, withReport } from '../../src/domain/evidence.ts';
import type { Binding, MessageIdentity, MessageState, Submission } from '../../src/domain/message.ts';
import { noError, pendingAccepted } from '../../src/domain/registry.ts';
import type { DatedReport } from '../../src/domain/report.ts';
import { limits } from '../../src/limits.ts';
import { anyDatedReport, anyInitialState, moment } from '../support/arbitraries.ts';
import { settle } from '../support/settle.ts';

const identity: MessageIdentity = {
  messageId: 'm',
  sender: 's',
  destination: 'd',
  sentAt: 1_700_000_000_000,
  messageCount: 1,
  contentJson: '{"type":"TEXT"}',
  applicationId: 'app',
};
const emptyState: MessageState = { status: pendingAccepted, error: noError, at: 1_700_000_000_000 };
const receivedAt = 1_700_000_100_000;
/** No moment of the arbitraries is later. */
const latestAt = 1_800_000_000_000;

/** Any reports, and some or all of them again in another order. */
const anyReports = fc.array(anyDatedReport, { maxLength: 8 });
const inAnyOrder = anyReports.chain(reports =>
  fc.tuple(
    fc.constant(reports),
    fc.shuffledSubarray([...reports, ...reports], { minLength: reports.length }).map(some => [...some, ...reports]),
  ),
);

/** The course after all of them, and those that were accepted: an engine keeps no repeats. */
const acceptEach = (initial: MessageState, reports: readonly DatedReport[]) => {
  let course = newCourse(identity, initial);
  const kept: DatedReport[] = [];
  for (const report of reports) {
    const accepted = accept(course, { ...report, messageId: 'm' }, { binding: {}, receivedAt });
    if (!('course' in accepted)) continue;
    kept.push(accepted.said);
    course = accepted.course;
  }
  return { course, kept };
};
const acceptAll = (initial: MessageState, reports: readonly DatedReport[]): Course =>
  acceptEach(initial, reports).course;

describe('evidence', () => {
  it('any reports one by one → what all of them together settle on, and so after each', () => {
    fc.assert(
      fc.property(anyInitialState, anyReports, (initial, reports) => {
        let evidence = evidenceOf(initial);
        for (const [i, report] of reports.entries()) {
          evidence = withReport(evidence, report);
          expect(settled(evidence)).toEqual(settle(initial, reports.slice(0, i + 1)));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('any reports, in any order and some of them again → the same evidence', () => {
    fc.assert(
      fc.property(anyInitialState, inAnyOrder, (initial, [reports, again]) => {
        expect(evidenceOf(initial, again)).toEqual(evidenceOf(initial, reports));
      }),
      { numRuns: 3000 },
    );
  });

  it('kept as a few reports → the same evidence, also for what is said next', () => {
    fc.assert(
      fc.property(anyInitialState, anyReports, anyDatedReport, (initial, reports, next) => {
        const evidence = evidenceOf(initial, reports);
        const kept = evidenceFrom(reportsFor(evidence));
        expect(kept).toEqual(evidence);
        expect(settled(withReport(kept, next))).toEqual(settle(initial, [...reports, next]));
      }),
      { numRuns: 3000 },
    );
  });

  it('ten thousand different reports → no more to keep than of a few', () => {
    const reports = fc.sample(anyDatedReport, { numRuns: 10_000, seed: 1 });
    const [initial] = fc.sample(anyInitialState, { numRuns: 1, seed: 1 });
    if (initial === undefined) throw new Error('no state was generated');
    const moved = reports.map((report, i) => ({ ...report, at: report.at + i }));
    const evidence = evidenceOf(initial, moved);
    expect(settled(evidence)).toEqual(settle(initial, moved));
    expect(reportsFor(evidence).length).toBeLessThanOrEqual(12);
  });
});

describe('accept', () => {
  it('any reports in any order, repeats among them → one final state', () => {
    fc.assert(
      fc.property(anyInitialState, inAnyOrder, (initial, [reports, again]) => {
        expect(acceptAll(initial, again).state).toEqual(acceptAll(initial, reports).state);
      }),
      { numRuns: 2000 },
    );
  });

  it('a course out of the newest reports and what those before come to → as if all were there', () => {
    fc.assert(
      fc.property(
        anyInitialState,
        fc.array(anyDatedReport, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (initial, reports, cut) => {
          const { course, kept } = acceptEach(initial, reports);
          const split = cut % (kept.length + 1);
          const past = { reports: split, evidence: evidenceOf(initial, kept.slice(0, split)) };
          const newest = kept.slice(split);
          expect(courseOf({ identity, initial, state: course.state }, newest, past)).toEqual({
            ...course,
            recent: newest,
          });
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('a report again, among the newest or the first since it was recorded → repeated; long before → the state stays', () => {
    const initial = emptyState;
    const reports = Array.from({ length: limits.repeatsSoughtMax + 1 }, (_, i) => ({ at: initial.at + i, seenAt: i }));
    const course = acceptAll(initial, reports);
    const again = (report: DatedReport | undefined) =>
      accept(course, { messageId: 'm', ...report }, { binding: {}, receivedAt });
    expect(again(reports[1])).toEqual({ outcome: 'repeated' });
    expect(again(reports.at(-1))).toEqual({ outcome: 'repeated' });
    expect(again(reports[0])).toMatchObject({ outcome: 'unchanged', course: { state: course.state } });
    expect(course.recent).toHaveLength(limits.repeatsSoughtMax);
  });

  it.each<[string, Partial<Submission>, Binding, Acceptance['outcome']]>([
    ['another sender → refused', { sender: 'x' }, {}, 'refused'],
    ['outside of what the caller is bound to → outside', {}, { applicationId: 'b' }, 'outside'],
    [
      'outside, and another sender → outside, so that nothing is told of it',
      { sender: 'x' },
      { entityId: 'e' },
      'outside',
    ],
  ])('%s', (_condition, said, binding, outcome) => {
    const accepted = accept(newCourse(identity, emptyState), { messageId: 'm', ...said }, { binding, receivedAt });
    expect(accepted.outcome).toBe(outcome);
  });

  it('what another log shows after anything that was said → is what the message is, and once more a repeat', () => {
    const shown = anyDatedReport.map(({ at: _, seenAt: __, ...report }) => ({
      ...report,
      status: report.status ?? pendingAccepted,
    }));
    fc.assert(
      fc.property(anyInitialState, anyReports, shown, (initial, reports, report) => {
        const course = acceptAll(initial, reports);
        const arrival = { binding: {}, receivedAt: latestAt + 1, isSnapshot: true };
        const first = accept(course, { messageId: 'm', ...report }, arrival);
        const after = 'course' in first ? first.course : course;
        // Nothing that is said takes a delivery, an expiry or a stage back.
        const { status } = after.state;
        if (status.key === report.status.key) {
          const { error, price } = after.state;
          if (report.error !== undefined) expect(error).toEqual(report.error);
          if (report.price !== undefined) expect(price).toEqual(report.price);
        } else expect(course.state.status.final || course.state.status.groupName === 'DELIVERED').toBe(true);
        const again = accept(after, { messageId: 'm', ...report }, { ...arrival, receivedAt: latestAt + 2 });
        expect(again.outcome).toBe('repeated');
      }),
      { numRuns: 3000 },
    );
  });

  it('a moment ahead of its arrival → refused', () => {
    fc.assert(
      fc.property(fc.constantFrom('doneAt', 'seenAt', 'at'), moment, (property, now) => {
        const said = { messageId: 'm', [property]: now + limits.futureSkewMs + 1 };
        const accepted = accept(newCourse(identity, emptyState), said, { binding: {}, receivedAt: now });
        expect(accepted).toMatchObject({ outcome: 'refused', violations: [{ property }] });
      }),
    );
  });
});
