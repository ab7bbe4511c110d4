import type { ReportOrder } from '../dataset/report-writer.ts';
import type { LogShape } from '../dataset/shape.ts';
import type { Latencies } from '../statistics.ts';

/** Messages `from` … `to` - 1 recorded once each. */
export type RecordPlan = {
  readonly kind: 'record';
  readonly shape: LogShape;
  readonly from: number;
  readonly to: number;
  /** More than one: NDJSON. One: `application/json`. */
  readonly batchMessages: number;
  readonly connections: number;
  /** Of further servers over the same log: each server is given as many connections and batches as the others. */
  readonly alsoPorts?: readonly number[];
  /** Begins no request after this; what was not sent by then is not sent. */
  readonly timeMs: number;
  /** The server will be killed meanwhile: a broken connection ends the plan without an error. */
  readonly untilBroken: boolean;
};

/** Reports `from` … `to` - 1 of the order. */
export type ReportPlan = {
  readonly kind: 'report';
  readonly shape: LogShape;
  readonly order: ReportOrder;
  readonly from: number;
  readonly to: number;
  readonly batchReports: number;
  readonly connections: number;
  readonly timeMs: number;
};

/** The paths one after the other on one connection. */
export type ReadPlan = {
  readonly kind: 'read';
  readonly paths: readonly string[];
  readonly timeMs: number;
  /** Begins again with the first path until it is stopped. */
  readonly untilStopped: boolean;
};

/** Follows `nextCursor` from `path` on. */
export type WalkPlan = { readonly kind: 'walk'; readonly path: string; readonly pages: number };

/** What each path answers, as a digest that leaves out what may differ: cursors and times of arrival. */
export type DigestPlan = {
  readonly kind: 'digest';
  readonly paths: readonly string[];
  readonly walks: readonly string[];
};

/** What a listener asks for: one destination of its own, one of the senders, or nothing in particular. */
export type Following = 'destination' | 'sender' | 'everything';

/** Messages `from` … `to` - 1 recorded in NDJSON batches at a steady pace, with listeners to the stream or none. */
export type FollowPlan = {
  readonly kind: 'follow';
  readonly shape: LogShape;
  readonly from: number;
  readonly to: number;
  readonly batchMessages: number;
  readonly messagesPerS: number;
  readonly connections: number;
  /** Absent: nobody listens. */
  readonly listeners?: { readonly count: number; readonly following: Following };
  /** How long events may still come once everything is recorded. */
  readonly settleMs: number;
};

/** Messages `from` … `to` - 1 to be sent, over the pages in turn. */
export type SendPlan = {
  readonly kind: 'send';
  readonly pages: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly batchMessages: number;
  readonly connections: number;
  readonly timeMs: number;
};

export type Plan = RecordPlan | ReportPlan | ReadPlan | WalkPlan | DigestPlan | FollowPlan | SendPlan;

/** What the listeners of a plan were sent. */
export type Followed = {
  /** Events that were to come, over all listeners. */
  readonly expected: number;
  readonly missing: number;
  /** Events that a listener had already, or had not asked for. */
  readonly surplus: number;
  /** Listeners that the server cut off. */
  readonly dropped: number;
  /** From the answer to the recording to an event of it, 0 when the event was first; absent when none came. */
  readonly delay?: Latencies;
};

export type LoadResult = {
  /** Messages, reports or logs that the answers acknowledged or held. */
  readonly records: number;
  readonly durationMs: number;
  /** From request to whole answer, in milliseconds. Absent when nothing was answered. */
  readonly latency?: Latencies;
  readonly digests: readonly string[];
  /** Of a plan with listeners. */
  readonly followed?: Followed;
};

export type LoadCommand = {
  readonly kind: 'run';
  readonly port: number;
  readonly authorization: string;
  readonly plan: Plan;
};
export type StopCommand = { readonly kind: 'stop' };
export type LoadReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly reason: string };
