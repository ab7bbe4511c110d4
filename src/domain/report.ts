import { isDeepStrictEqual } from 'node:util';
import { limits } from '../limits.ts';
import type { EpochMs, MessageIdentity, MessageState, Price, Submission, TimelineEntry, Violation } from './message.ts';
import { type DeliveryError, noError, pendingAccepted, type Status } from './registry.ts';
import { isSameJson } from './same-json.ts';

/** What a record says of a known message; every field may be absent. */
export type Report = Pick<Submission, 'status' | 'error' | 'doneAt' | 'price' | 'seenAt' | 'at' | 'extraJson'>;

/** A report with the moment it counts for: its own word, or the best guess when it came. */
export type DatedReport = Report & { readonly at: EpochMs };

/** When a report happened: it says so itself, or its `doneAt` or `seenAt` does, or it is taken to happen on arrival. */
export function dated(report: Report, receivedAt: EpochMs): DatedReport {
  return { ...report, at: report.at ?? report.doneAt ?? report.seenAt ?? receivedAt };
}

/** What a timeline shows of a report: its own word, or what held after it. */
export function timelineEntry(said: DatedReport, after: MessageState, receivedAt: EpochMs): TimelineEntry {
  const error = said.error ?? (said.status === undefined ? after.error : noError);
  return { at: said.at, status: said.status ?? after.status, error, receivedAt };
}

/** The first entry of a timeline. */
export function recordedEntry({ at, status, error }: MessageState, receivedAt: EpochMs): TimelineEntry {
  return { at, status, error, receivedAt };
}

/** What a submission lacks, or has wrong, to be a new message; empty when it can be recorded. */
export function newMessageViolations(
  submission: Submission,
  receivedAt: EpochMs,
  sentSince: EpochMs,
): readonly Violation[] {
  const violations: Violation[] = [];
  for (const property of ['sender', 'destination'] as const)
    if (submission[property] === undefined) violations.push({ property, violation: 'is required for a new message' });
  if (submission.contentJson === undefined)
    violations.push({ property: 'content', violation: 'is required for a new message' });
  violations.push(...momentViolations(submission, receivedAt, sentSince));
  return violations;
}

/** Of a message that is not there: it may be past retention, and what is said of it may lie ahead. */
export function momentViolations(
  submission: Submission,
  receivedAt: EpochMs,
  sentSince: EpochMs,
): readonly Violation[] {
  const violations = momentsAhead(submission, receivedAt);
  if ((submission.sentAt ?? receivedAt) >= sentSince) return violations;
  return [{ property: 'sentAt', violation: 'is older than the log keeps messages' }, ...violations];
}

/**
 * Whether a record says what became of a message, and has nothing of what every new message must have. Such a record
 * may come before its message.
 */
export function isReport(submission: Submission): boolean {
  const { sender, destination, contentJson } = submission;
  if (sender !== undefined || destination !== undefined || contentJson !== undefined) return false;
  return Object.keys(reportIn(submission)).length > 0;
}

const moments = ['sentAt', 'doneAt', 'seenAt', 'at'] as const;

/**
 * What is said to have happened further ahead than clocks may differ. Of two reports the later wins: one from the future
 * would win over all that really happened until then.
 */
function momentsAhead(said: Pick<Submission, (typeof moments)[number]>, receivedAt: EpochMs): readonly Violation[] {
  const latest = receivedAt + limits.futureSkewMs;
  return moments
    .filter(property => (said[property] ?? latest) > latest)
    .map(property => ({ property, violation: 'is more than five minutes in the future' }));
}

/**
 * The same, of what this server did itself before its clock was put back: what is further ahead than clocks may differ
 * counts as that far ahead, so that the log takes it.
 */
export function notAhead(submission: Submission, now: EpochMs): Submission {
  const latest = now + limits.futureSkewMs;
  const ahead = moments.filter(property => (submission[property] ?? latest) > latest);
  return ahead.length === 0 ? submission : { ...submission, ...Object.fromEntries(ahead.map(one => [one, latest])) };
}

/** What a submission says of a message that is known already. */
export function reportIn({ status, error, doneAt, price, seenAt, at, extraJson }: Submission): Report {
  return {
    ...(status !== undefined && { status }),
    ...(error !== undefined && { error }),
    ...(doneAt !== undefined && { doneAt }),
    ...(price !== undefined && { price }),
    ...(seenAt !== undefined && { seenAt }),
    ...(at !== undefined && { at }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

/** What identifies a new message; a `TypeError` for a submission that `newMessageViolations` would not let through. */
export function identityIn(submission: Submission, receivedAt: EpochMs): MessageIdentity {
  const { messageId, sender, destination, contentJson, bulkId, entityId, applicationId, campaignReferenceId } =
    submission;
  if (sender === undefined || destination === undefined || contentJson === undefined)
    throw new TypeError('a new message lacks what every message has');
  return {
    messageId,
    sender,
    destination,
    sentAt: submission.sentAt ?? receivedAt,
    messageCount: submission.messageCount ?? 1,
    contentJson,
    ...(bulkId !== undefined && { bulkId }),
    ...(entityId !== undefined && { entityId }),
    ...(applicationId !== undefined && { applicationId }),
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
  };
}

/** The state a new message starts with. */
export function initialState(submission: Submission, sentAt: EpochMs): MessageState {
  const { doneAt, price, seenAt, extraJson } = submission;
  return {
    status: submission.status ?? pendingAccepted,
    error: submission.error ?? noError,
    at: submission.at ?? doneAt ?? sentAt,
    ...(doneAt !== undefined && { doneAt }),
    ...(price !== undefined && { price }),
    ...(seenAt !== undefined && { seenAt }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

const identityProperties: readonly (readonly [keyof MessageIdentity, property: string])[] = [
  ['sender', 'sender'],
  ['destination', 'destination'],
  ['sentAt', 'sentAt'],
  ['messageCount', 'messageCount'],
  ['bulkId', 'bulkId'],
  ['entityId', 'platform.entityId'],
  ['applicationId', 'platform.applicationId'],
  ['campaignReferenceId', 'campaignReferenceId'],
];

/** Where a submission would change what identifies a known message; empty when it only repeats it. */
export function contradictions(known: MessageIdentity, submission: Submission): readonly Violation[] {
  const violations: Violation[] = [];
  const refuse = (property: string) =>
    violations.push({ property, violation: 'differs from the recorded message and cannot be changed' });
  for (const [field, property] of identityProperties)
    if (submission[field] !== undefined && submission[field] !== known[field]) refuse(property);
  const { contentJson } = submission;
  if (contentJson !== undefined && !isSameJson(contentJson, known.contentJson)) refuse('content');
  return violations;
}

/** What is wrong with a submission as a report on a known message; empty when it can be accepted. */
export function reportViolations(
  known: MessageIdentity,
  submission: Submission,
  receivedAt: EpochMs,
): readonly Violation[] {
  return [...contradictions(known, submission), ...momentsAhead(reportIn(submission), receivedAt)];
}

/** Whether a report says nothing that the message was not recorded with, or that one report before it did not say. */
export function isRepeat(report: Report, initial: DatedReport, earlier: readonly DatedReport[]): boolean {
  return (
    repeats(report, initial) ||
    earlier.some(one => repeats(report, one) && (one.status === undefined || !qualifiesAnyStatus(report)))
  );
}

/** Whether a state says all that a report does; when that happened aside. */
export function isShown({ at: _, ...report }: Report, state: DatedReport): boolean {
  return repeats(report, state);
}

/**
 * An `at` that was not given cannot tell two reports apart: a receipt delivered twice has two times of arrival.
 */
function repeats(report: Report, earlier: DatedReport): boolean {
  return (
    (report.at === undefined || report.at === earlier.at) &&
    (report.doneAt === undefined || report.doneAt === earlier.doneAt) &&
    (report.seenAt === undefined || report.seenAt === earlier.seenAt) &&
    (report.status === undefined || isSame(report.status, earlier.status)) &&
    (report.error === undefined || isSame(report.error, earlier.error)) &&
    (report.price === undefined || isSamePrice(report.price, earlier.price)) &&
    (report.extraJson === undefined || report.extraJson === earlier.extraJson)
  );
}

/** Nearly every status and error is the registry's own object, and two different ones of it have different keys. */
function isSame<Code extends Status | DeliveryError>(a: Code, b: Code | undefined): boolean {
  return a === b || (a.key === b?.key && isDeepStrictEqual(a, b));
}

function isSamePrice(a: Price | undefined, b: Price | undefined): boolean {
  return a?.pricePerMessage === b?.pricePerMessage && a?.currency === b?.currency;
}

/**
 * An error or `doneAt` without a status counts for whichever status wins, and with one only for that: taken for a
 * repeat of the latter, it would count or not by which of the two came first.
 */
function qualifiesAnyStatus({ status, error, doneAt }: Report): boolean {
  return status === undefined && (error !== undefined || doneAt !== undefined);
}

/** Whether a report left the log of its message as it was; when it happened does not show there. */
export function showsTheSame(before: MessageState, after: MessageState): boolean {
  return (
    before.doneAt === after.doneAt &&
    before.seenAt === after.seenAt &&
    isSame(before.status, after.status) &&
    isSame(before.error, after.error) &&
    isSamePrice(before.price, after.price) &&
    before.extraJson === after.extraJson
  );
}
