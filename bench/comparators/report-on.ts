import { type Acceptance, accept, courseOf } from '../../src/domain/acceptance.ts';
import { evidenceOf, settled } from '../../src/domain/evidence.ts';
import type {
  Binding,
  EpochMs,
  MessageIdentity,
  MessageState,
  Submission,
  TimelineEntry,
} from '../../src/domain/message.ts';
import { noError } from '../../src/domain/registry.ts';
import type { DatedReport } from '../../src/domain/report.ts';

/** A recorded message with the state it was recorded with and every accepted report since. */
export type Known = {
  readonly identity: MessageIdentity;
  readonly initial: MessageState;
  readonly state: MessageState;
  readonly reports: readonly DatedReport[];
};

/** What a report does to the message it is on, by the rules of the domain. */
export function reportOn(known: Known, submission: Submission, binding: Binding, receivedAt: EpochMs): Acceptance {
  return accept(courseOf(known, known.reports), submission, { binding, receivedAt });
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
    const after = settled(evidenceOf(initial, reports.slice(0, index + 1)));
    return {
      at: report.at,
      status: report.status ?? after.status,
      error: report.error ?? (report.status === undefined ? after.error : noError),
      receivedAt,
    };
  });
  return [first, ...rest];
}
