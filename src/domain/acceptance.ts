import { limits } from '../limits.ts';
import { type Evidence, evidenceOf, settled, withReport } from './evidence.ts';
import { isWithin } from './filter.ts';
import type { Binding, EpochMs, MessageIdentity, MessageState, Submission, Violation } from './message.ts';
import {
  type DatedReport,
  dated,
  isRepeat,
  isReport,
  isShown,
  momentViolations,
  newMessageViolations,
  type Report,
  reportIn,
  reportViolations,
  showsTheSame,
} from './report.ts';

/** What must be known of a message to accept a report on it: of bounded size, however many there were. */
export type Course = {
  readonly identity: MessageIdentity;
  readonly initial: MessageState;
  /** The present state. */
  readonly state: MessageState;
  readonly evidence: Evidence;
  /** The newest reports, oldest first: `limits.repeatsSoughtMax` of them, or all. */
  readonly recent: readonly DatedReport[];
  /** Accepted reports. */
  readonly reports: number;
};

/** A message that nothing was reported of yet. */
export function newCourse(identity: MessageIdentity, initial: MessageState): Course {
  return { identity, initial, state: initial, evidence: evidenceOf(initial), recent: [], reports: 0 };
}

/** What came before the reports that are at hand, where those are not all. */
export type Past = { readonly reports: number; readonly evidence: Evidence };

/** The course of a message out of its newest reports, oldest first, and what stands for those before them. */
export function courseOf(
  { identity, initial, state }: Pick<Course, 'identity' | 'initial' | 'state'>,
  newest: readonly DatedReport[],
  past: Past = { reports: 0, evidence: evidenceOf(initial) },
): Course {
  return {
    identity,
    initial,
    state,
    evidence: newest.reduce(withReport, past.evidence),
    recent: newest.slice(-limits.repeatsSoughtMax),
    reports: past.reports + newest.length,
  };
}

/** Who says something, and when it arrived. */
export type Arrival = {
  readonly binding: Binding;
  readonly receivedAt: EpochMs;
  /** Whether the caller may read the log: to others nothing may tell what a message holds. True when absent. */
  readonly mayRead?: boolean;
  /**
   * What is said of a message is what its source shows of it at `receivedAt`, as a log that is mirrored does. It may have
   * been said before: it is a repeat when the message is so already, and else it counts. False when absent.
   */
  readonly isSnapshot?: boolean;
};

export type Acceptance =
  | { readonly outcome: 'refused'; readonly violations: readonly Violation[] }
  /** The message lies outside what the caller is bound to: nothing may tell that it is there. */
  | { readonly outcome: 'outside' }
  /** Said before. */
  | { readonly outcome: 'repeated' }
  | Accepted;

export type Accepted = {
  /** `unchanged`: it joins the timeline, and the log of the message stays as it was. */
  readonly outcome: 'updated' | 'unchanged';
  readonly report: Report;
  readonly said: DatedReport;
  readonly before: MessageState;
  /** After it. */
  readonly course: Course;
};

/** What becomes of a report on a known message: the rule of every engine. */
export function accept(course: Course, submission: Submission, arrival: Arrival): Acceptance {
  const { binding, receivedAt, mayRead, isSnapshot } = arrival;
  const { identity, initial } = course;
  if (!isWithin(identity, binding)) return { outcome: 'outside' };
  // For a caller who may not read, what a record repeats of the message counts for nothing: whether it was right, be it
  // all of it but one field, would tell what the message holds.
  const told = mayRead === false ? { messageId: submission.messageId, ...reportIn(submission) } : submission;
  const violations = reportViolations(identity, told, receivedAt);
  if (violations.length > 0) return { outcome: 'refused', violations };
  const report = reportIn(submission);
  if (isSnapshot === true) {
    if (isShown(report, course.state)) return { outcome: 'repeated' };
    // Dated as it dates itself, unless something said before is later than that: what is shown now is later still.
    for (const dating of [report, { ...report, at: receivedAt }]) {
      const accepted = withAccepted(course, dating, receivedAt);
      if (isShown(report, accepted.course.state)) return accepted;
    }
  }
  return isRepeat(report, initial, course.recent) ? { outcome: 'repeated' } : withAccepted(course, report, receivedAt);
}

function withAccepted(course: Course, report: Report, receivedAt: EpochMs): Accepted {
  const said = dated(report, receivedAt);
  const evidence = withReport(course.evidence, said);
  const state = settled(evidence);
  const recent = [...course.recent.slice(1 - limits.repeatsSoughtMax), said];
  return {
    outcome: showsTheSame(course.state, state) ? 'unchanged' : 'updated',
    report,
    said,
    before: course.state,
    course: { ...course, state, evidence, recent, reports: course.reports + 1 },
  };
}

/** What is answered of a report on a known message; `outside` for one that its caller must not know of. */
export type Reported = 'updated' | 'unchanged' | 'outside' | readonly Violation[];

/** Accepts a report, and has it kept where it joins the timeline. */
export function reportOn(
  course: Course,
  submission: Submission,
  arrival: Arrival,
  keep: (accepted: Accepted) => void,
): Reported {
  const accepted = accept(course, submission, arrival);
  if (accepted.outcome === 'refused') return accepted.violations;
  if (accepted.outcome === 'outside') return 'outside';
  if (accepted.outcome === 'repeated') return 'unchanged';
  keep(accepted);
  return accepted.outcome;
}

/** What is answered of a record. */
export type Outcome = 'recorded' | 'updated' | 'unchanged' | 'waiting' | readonly Violation[];

/** What an engine does with a record: what it comes to is not its own to say. */
export type Recording<M> = {
  readonly report: (known: M) => Reported;
  readonly record: () => void;
  /** Keeps a report for the message to come, unless it waits already; `false` when too many wait. */
  readonly wait: () => boolean;
};

/**
 * What becomes of a record, `known` being the message of its id: a report on that, a new message, a report that waits
 * for its message, or refused. A message outside what the caller is bound to is as none, told apart by nothing, but that
 * its id is taken.
 */
export function recordOne<M>(
  known: M | undefined,
  submission: Submission,
  { receivedAt, sentSince }: { readonly receivedAt: EpochMs; readonly sentSince: EpochMs },
  { report, record, wait }: Recording<M>,
): Outcome {
  const reported = known === undefined ? 'outside' : report(known);
  if (reported !== 'outside') return reported;
  const judged = judgeUnknown(submission, receivedAt, sentSince);
  if (judged === 'report') return wait() ? 'waiting' : noRoomViolations;
  if (judged !== 'message') return judged;
  if (known !== undefined) return takenViolations;
  record();
  return 'recorded';
}

/** Says no more than that an id cannot be given to another message. */
export const takenViolations: readonly Violation[] = [
  { property: 'messageId', violation: 'cannot be given to this message' },
];

/** What a record is whose message is not there: a new message, a report that waits for its message, or refused. */
export function judgeUnknown(
  submission: Submission,
  receivedAt: EpochMs,
  sentSince: EpochMs,
): 'message' | 'report' | readonly Violation[] {
  const report = isReport(submission);
  const violations = (report ? momentViolations : newMessageViolations)(submission, receivedAt, sentSince);
  if (violations.length > 0) return violations;
  return report ? 'report' : 'message';
}

/** A report that came before its message, with what its caller may report on. */
export type WaitingReport = Arrival & { readonly submission: Submission };

/** What is told of a report that cannot wait, since too many do already. */
const noRoomViolations: readonly Violation[] = [
  { property: 'messageId', violation: 'is not that of a message, and too many reports wait for theirs already' },
];

/**
 * What becomes of a report that waited, now that its message is recorded; what does not fit the message is dropped. What
 * still waits has not waited too long: the store drops that by a clock of its own, since the moments of two calls may be
 * told by clocks that differ. To a caller who must not know of the message it waits on, as it would then.
 */
export function joinWaiting(
  waiting: WaitingReport,
  report: (waiting: WaitingReport) => Reported,
): 'joined' | 'dropped' | 'waits' {
  const reported = report(waiting);
  if (reported === 'outside') return 'waits';
  return typeof reported === 'string' ? 'joined' : 'dropped';
}

/** The texts of two equal reports of equal callers are equal, whenever these came. */
export function waitingText({ submission, binding, mayRead = true }: Omit<WaitingReport, 'receivedAt'>): string {
  return JSON.stringify([submission, binding, mayRead]);
}

/** Reads what `waitingText` made. */
export function waitingReport(text: string, receivedAt: EpochMs): WaitingReport {
  const [submission, binding, mayRead]: [Submission, Binding, boolean] = JSON.parse(text);
  return { submission, binding, mayRead, receivedAt };
}
