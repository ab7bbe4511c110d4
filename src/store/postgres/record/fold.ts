import { isDeepStrictEqual } from 'node:util';
import {
  type Course,
  joinWaiting,
  newCourse,
  type Outcome,
  type Reported,
  recordOne,
  reportOn,
  type WaitingReport,
  waitingReport,
  waitingText,
} from '../../../domain/acceptance.ts';
import type { EpochMs, MessageState, Submission } from '../../../domain/message.ts';
import { identityIn, initialState } from '../../../domain/report.ts';
import { limits } from '../../../limits.ts';
import { type Outcomes, OutcomeTally } from '../../outcomes.ts';
import type { RecordBatch, RecordOutcome, Rejection } from '../../store.ts';
import type { Place } from '../rows/log-row.ts';
import type { HeldReport, NewMessage, NewReport, StateChange, Step, Written } from '../rows/written.ts';
import type { Sealed } from '../sealed/sealed-block.ts';

/** What the log already has of one message. */
export type KnownMessage = {
  readonly place: Place;
  readonly course: Course;
  /** Reports since the last that summed up all before it. */
  readonly unsummed: number;
  /** Where it is sealed. */
  readonly sealed?: Sealed;
};

/** What a group of batches comes to, with an answer for each. */
export type Folded = Written & {
  readonly outcomes: readonly RecordOutcome[];
  /** Reports that wait for their messages from now on. */
  readonly waits: readonly HeldReport[];
  /** Reports that wait no more. */
  readonly joins: readonly HeldReport[];
  /** Of all that waited, those that were dropped. */
  readonly dropped: number;
  /** What messages came to. */
  readonly cameTo: Outcomes;
};

/** What a group may find, and do, where a message is not there. */
export type Ground = {
  /** Where a message that is not known is recorded. */
  readonly placeOf: (messageId: string) => Place;
  /** What waits for the messages of the group already, in the order it came. */
  readonly held: readonly HeldReport[];
  /** Further reports that may wait. */
  readonly room: number;
  /** The number of a record: by the batch, and by its index there. */
  readonly numberOf: (batch: number, index: number) => number;
};

/**
 * Applies a group's submissions in their order, in memory: to what the log has of them, `known` by message id, and to
 * each other.
 */
export function fold(
  batches: readonly RecordBatch[],
  known: ReadonlyMap<string, KnownMessage>,
  ground: Ground,
): Folded {
  const folding = new Folding(known, ground);
  const outcomes = batches.map((batch, i) => folding.batch(batch, index => ground.numberOf(i, index)));
  return { outcomes, ...folding.result() };
}

class Folding {
  readonly #ground: Ground;
  readonly #tracks = new Map<string, Track>();
  readonly #steps: Step[] = [];
  /** By message id. */
  readonly #waiting: Map<string, HeldReport[]>;
  readonly #held: ReadonlySet<HeldReport>;
  readonly #joined = new Set<HeldReport>();
  readonly #cameTo = new OutcomeTally();
  #room: number;
  #dropped = 0;

  constructor(known: ReadonlyMap<string, KnownMessage>, ground: Ground) {
    for (const [messageId, message] of known) this.#tracks.set(messageId, new Track(message, undefined));
    this.#ground = ground;
    this.#held = new Set(ground.held);
    this.#waiting = Map.groupBy(ground.held, ({ messageId }) => messageId);
    this.#room = ground.room;
  }

  batch(batch: RecordBatch, numberOf: (index: number) => number): RecordOutcome {
    const counts = { recorded: 0, updated: 0, unchanged: 0, waiting: 0 };
    const rejected: Rejection[] = [];
    for (const [index, submission] of batch.submissions.entries()) {
      const outcome = this.#fold(batch, submission, numberOf(index));
      if (typeof outcome === 'string') counts[outcome]++;
      else rejected.push({ index, messageId: submission.messageId, violations: outcome });
    }
    return { ...counts, rejected };
  }

  result(): Omit<Folded, 'outcomes'> {
    const all = [...this.#tracks.values()];
    const waiting = [...this.#waiting.values()].flat();
    return {
      messages: all.flatMap(track => track.recorded() ?? []),
      reports: all.flatMap(track => track.newReports),
      changes: all.flatMap(track => track.change() ?? []),
      steps: this.#steps,
      waits: waiting.filter(report => !this.#held.has(report)),
      joins: [...this.#joined].filter(report => this.#held.has(report)),
      dropped: this.#dropped,
      cameTo: this.#cameTo.take(),
    };
  }

  #fold(batch: RecordBatch, submission: Submission, number: number): Outcome {
    return recordOne(this.#tracks.get(submission.messageId), submission, batch, {
      report: track => this.#report(track, { ...batch, submission }),
      record: () => this.#record(batch, submission),
      wait: () => this.#wait(batch, submission, number),
    });
  }

  #record(batch: RecordBatch, submission: Submission): void {
    const { messageId } = submission;
    const track = Track.recording(batch, submission, this.#ground.placeOf(messageId));
    this.#tracks.set(messageId, track);
    this.#steps.push(track.step);
    this.#cameTo.change(undefined, track.state);
    for (const held of [...(this.#waiting.get(messageId) ?? [])]) {
      const joined = joinWaiting(waitingReport(held.said, held.receivedAt), one => this.#report(track, one));
      if (joined === 'waits') continue;
      this.#leave(held);
      if (joined === 'dropped') this.#dropped++;
    }
  }

  #report(track: Track, report: WaitingReport): Reported {
    const before = track.state;
    const outcome = track.report(report);
    if (outcome === 'updated') {
      this.#steps.push(track.step);
      this.#cameTo.change(before, track.state);
    }
    return outcome;
  }

  #wait(batch: RecordBatch, submission: Submission, number: number): boolean {
    const { messageId } = submission;
    const { receivedAt } = batch;
    const said = waitingText({ ...batch, submission });
    const others = this.#waiting.get(messageId) ?? [];
    if (others.some(other => other.said === said)) return true;
    if (others.length >= limits.waitingOnMessageMax || this.#room === 0) return false;
    this.#room--;
    this.#waiting.set(messageId, [...others, { messageId, number, receivedAt, said }]);
    return true;
  }

  #leave(held: HeldReport): void {
    const { messageId } = held;
    this.#joined.add(held);
    this.#waiting.set(
      messageId,
      (this.#waiting.get(messageId) ?? []).filter(one => one !== held),
    );
    this.#room++;
  }
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

  report({ submission, ...arrival }: WaitingReport): Reported {
    return reportOn(this.#course, submission, arrival, ({ said, before, course }) => {
      const sumsUp = ++this.#unsummed >= limits.repeatsSoughtMax;
      if (sumsUp) this.#unsummed = 0;
      this.#course = course;
      this.newReports.push({
        place: this.#message.place,
        version: course.reports,
        receivedAt: arrival.receivedAt,
        said,
        before,
        after: course.state,
        ...(sumsUp && { evidence: course.evidence }),
      });
    });
  }

  get state(): MessageState {
    return this.#course.state;
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
