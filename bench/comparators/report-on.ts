import { isWithin } from '../../src/domain/filter.ts';
import type {
  Binding,
  EpochMs,
  MessageIdentity,
  MessageState,
  Submission,
  TimelineEntry,
  Violation,
} from '../../src/domain/message.ts';
import { noError } from '../../src/domain/registry.ts';
import {
  type DatedReport,
  dated,
  isRepeat,
  reportIn,
  reportViolations,
  settle,
  showsTheSame,
} from '../../src/domain/report.ts';

/** A recorded message with the state it was recorded with and every accepted report since. */
export type Known = {
  readonly identity: MessageIdentity;
  readonly initial: MessageState;
  readonly state: MessageState;
  readonly reports: readonly DatedReport[];
};

export type Reported =
  | { readonly outcome: 'rejected'; readonly violations: readonly Violation[] }
  | { readonly outcome: 'unchanged' }
  | {
      readonly outcome: 'accepted';
      readonly report: DatedReport;
      readonly state: MessageState;
      readonly moved: boolean;
    };

/** What a report does to the message it is on, by the rules of the domain. */
export function reportOn(known: Known, submission: Submission, binding: Binding, receivedAt: EpochMs): Reported {
  const { identity, initial, reports } = known;
  if (!isWithin(identity, binding))
    return rejected([{ property: 'messageId', violation: 'belongs to another application or entity' }]);
  const violations = reportViolations(identity, submission, receivedAt);
  if (violations.length > 0) return rejected(violations);
  const report = reportIn(submission);
  if (isRepeat(report, initial, reports)) return { outcome: 'unchanged' };
  const accepted = dated(report, receivedAt);
  const state = settle(initial, [...reports, accepted]);
  const moved = !showsTheSame(known.state, state);
  return { outcome: 'accepted', report: accepted, state, moved };
}

function rejected(violations: readonly Violation[]): Reported {
  return { outcome: 'rejected', violations };
}

/** A report that is kept, with the moment it came. */
export type Kept = { readonly report: DatedReport; readonly receivedAt: EpochMs };

/** The timeline of a message; a report without a status tells the one that held after it. */
export function timelineOf(
  initial: MessageState,
  recordedAt: EpochMs,
  kept: readonly Kept[],
): readonly TimelineEntry[] {
  const first = { at: initial.at, status: initial.status, error: initial.error, receivedAt: recordedAt };
  const reports = kept.map(one => one.report);
  const rest = kept.map(({ report, receivedAt }, index) => {
    const after = settle(initial, reports.slice(0, index + 1));
    return {
      at: report.at,
      status: report.status ?? after.status,
      error: report.error ?? (report.status === undefined ? after.error : noError),
      receivedAt,
    };
  });
  return [first, ...rest];
}
