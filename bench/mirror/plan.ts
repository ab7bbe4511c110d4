import type { MadeTraffic } from './made-log.ts';

/** A mirror on a clock that is put forward: first what is there is caught up with, then what comes is followed. */
export type MirrorPlan = {
  /** Of the simulated Infobip, which takes the moment from each request. */
  readonly upstream: string;
  readonly traffic: MadeTraffic;
  readonly requestsPerMinute: number;
  readonly followMs: number;
  /** Of following, what counts for nothing: until it is seen how much comes. */
  readonly warmUpMs: number;
};

export const account = 1;
export const upstreamKey = 'bench';
export const mirrorName = 'bench';

/** The clock of all that take part, told with each request, and when what comes began to come; empty before. */
export const clockHeader = 'x-bench-now';
export const liveHeader = 'x-bench-live-from';

/** What the case asks of both ways to keep a log. */
export type Mirrored = {
  readonly catchUpRequests: number;
  /** Those of them that read what was there: not what is new, nor what became of what was read. */
  readonly catchUpPages: number;
  readonly requestsPerMinute: number;
  /** Messages a second of the clock while it followed. */
  readonly kept: number;
  readonly lagP99Ms: number;
  readonly finalP99Ms: number;
  readonly finalMaxMs: number;
  /** The share of final statuses that came later than 90 s, or not at all. */
  readonly lateFinals: number;
  /** CPU of the server's process by the time that passed on the clock. */
  readonly cpuShare: number;
  /** Where webhooks are posted. */
  readonly webhookPath: string;
  readonly liveFrom: number;
  readonly now: number;
};
