import { isDeepStrictEqual } from 'node:util';
import { accept, type Course, newCourse, outsideViolations } from '../../domain/acceptance.ts';
import type { Evidence } from '../../domain/evidence.ts';
import type { EpochMs, MessageIdentity, MessageState, Submission, Violation } from '../../domain/message.ts';
import { type DatedReport, identityIn, initialState, newMessageViolations } from '../../domain/report.ts';
import { limits } from '../../limits.ts';
import type { RecordBatch, RecordOutcome, Rejection } from '../store.ts';
import type { Place } from './log-row.ts';

/** What the log already has of one message. */
export type KnownMessage = {
  readonly place: Place;
  readonly course: Course;
  /** Reports since the last that summed up all before it. */
  readonly unsummed: number;
};

export type NewMessage = {
  readonly place: Place;
  readonly identity: MessageIdentity;
  readonly state: MessageState;
  readonly receivedAt: EpochMs;
};

export type NewReport = {
  readonly place: Place;
  /** Counts the accepted reports of its message, from 1 on. */
  readonly version: number;
  readonly receivedAt: EpochMs;
  readonly said: DatedReport;
  readonly before: MessageState;
  readonly after: MessageState;
  /** What all reports until this one come to, now and then: a further report then needs none before it. */
  readonly evidence?: Evidence;
};

export type StateChange = {
  readonly place: Place;
  readonly identity: MessageIdentity;
  readonly before: MessageState;
  readonly state: MessageState;
};

/** What whoever follows the log is shown: a new message (version 0), or its log after an accepted report changed it. */
export type Step = { readonly place: Place; readonly version: number };

/** What a transaction writes of one account. */
export type Written = {
  readonly messages: readonly NewMessage[];
  readonly reports: readonly NewReport[];
  readonly changes: readonly StateChange[];
  /** In the order of the submissions. */
  readonly steps: readonly Step[];
};

/** What a group of batches comes to, with an answer for each. */
export type Folded = Written & { readonly outcomes: readonly RecordOutcome[] };

type Outcome = 'recorded' | 'updated' | 'unchanged';

/**
 * Applies a group's submissions in their order, in memory: to what the log has of them, `known` by message id, and to
 * each other. `placeOf` gives where a message that is not known is recorded.
 */
export function fold(
  batches: readonly RecordBatch[],
  known: ReadonlyMap<string, KnownMessage>,
  placeOf: (messageId: string) => Place,
): Folded {
  const tracks = new Map<string, Track>();
  for (const [messageId, message] of known) tracks.set(messageId, new Track(message, undefined));
  const steps: Step[] = [];
  const outcomes = batches.map(batch => foldBatch(batch, tracks, placeOf, steps));
  const all = [...tracks.values()];
  return {
    outcomes,
    messages: all.flatMap(track => track.recorded() ?? []),
    reports: all.flatMap(track => track.newReports),
    changes: all.flatMap(track => track.change() ?? []),
    steps,
  };
}

function foldBatch(
  batch: RecordBatch,
  tracks: Map<string, Track>,
  placeOf: (messageId: string) => Place,
  steps: Step[],
): RecordOutcome {
  const counts = { recorded: 0, updated: 0, unchanged: 0 };
  const rejected: Rejection[] = [];
  for (const [index, submission] of batch.submissions.entries()) {
    const { messageId } = submission;
    let track = tracks.get(messageId);
    let outcome: Outcome | readonly Violation[];
    if (track !== undefined) outcome = track.report(batch, submission);
    else {
      outcome = newMessageViolations(submission, batch.receivedAt, batch.sentSince);
      if (outcome.length === 0) {
        track = Track.recording(batch, submission, placeOf(messageId));
        tracks.set(messageId, track);
        outcome = 'recorded';
      }
    }
    if (track !== undefined && (outcome === 'recorded' || outcome === 'updated')) steps.push(track.step);
    if (typeof outcome === 'string') counts[outcome]++;
    else rejected.push({ index, messageId, violations: outcome });
  }
  return { ...counts, rejected };
}

/** One message on its way through a group. */
class Track {
  readonly newReports: NewReport[] = [];
  readonly #message: KnownMessage;
  /** When the message itself came, if it is new. */
  readonly #receivedAt: EpochMs | undefined;
  #course: Course;
  #unsummed: number;

  constructor(message: KnownMessage, receivedAt: EpochMs | undefined) {
    this.#message = message;
    this.#receivedAt = receivedAt;
    this.#course = message.course;
    this.#unsummed = message.unsummed;
  }

  static recording(batch: RecordBatch, submission: Submission, place: Place): Track {
    const identity = identityIn(submission, place.sentAt);
    const course = newCourse(identity, initialState(submission, place.sentAt));
    return new Track({ place, course, unsummed: 0 }, batch.receivedAt);
  }

  report(batch: RecordBatch, submission: Submission): Outcome | readonly Violation[] {
    const accepted = accept(this.#course, submission, batch);
    if (accepted.outcome === 'refused') return accepted.violations;
    if (accepted.outcome === 'outside') return outsideViolations(submission, batch.receivedAt, batch.sentSince);
    if (accepted.outcome === 'repeated') return 'unchanged';
    const { said, before, course } = accepted;
    const { receivedAt } = batch;
    const sumsUp = ++this.#unsummed >= limits.repeatsSoughtMax;
    if (sumsUp) this.#unsummed = 0;
    this.#course = course;
    this.newReports.push({
      place: this.#message.place,
      version: course.reports,
      receivedAt,
      said,
      before,
      after: course.state,
      ...(sumsUp && { evidence: course.evidence }),
    });
    return accepted.outcome;
  }

  /** Where the message stands after what was said of it last. */
  get step(): Step {
    return { place: this.#message.place, version: this.#course.reports };
  }

  recorded(): NewMessage | undefined {
    if (this.#receivedAt === undefined) return undefined;
    const { identity, state } = this.#course;
    return { place: this.#message.place, identity, state, receivedAt: this.#receivedAt };
  }

  /** The state to be written to a message that was there before. */
  change(): StateChange | undefined {
    const { place, course } = this.#message;
    const { identity, state } = this.#course;
    if (this.#receivedAt !== undefined || isDeepStrictEqual(state, course.state)) return undefined;
    return { place, identity, before: course.state, state };
  }
}
