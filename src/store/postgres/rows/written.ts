import type { Evidence } from '../../../domain/evidence.ts';
import type { EpochMs, MessageIdentity, MessageState } from '../../../domain/message.ts';
import type { DatedReport } from '../../../domain/report.ts';
import type { Place } from './log-row.ts';

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

/** A report that waits for its message; `number` is greater than that of any that came before it. */
export type HeldReport = {
  readonly messageId: string;
  readonly number: number;
  readonly receivedAt: number;
  /** What `waitingText` made. */
  readonly said: string;
};
