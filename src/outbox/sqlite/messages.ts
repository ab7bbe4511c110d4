import type { AccountId, EpochMs } from '../../domain/message.ts';
import type { Result, Want } from '../outbox.ts';
import type { PushOutcome, PushPlace, ReportQuery, Subscribed } from '../reporting.ts';
import type { OutboxMemory } from './outbox-file.ts';

/** What the thread that holds the file is started with. */
export type OutboxStart = {
  readonly path: string;
  readonly memory: OutboxMemory;
  /** A thread before had it open: none is made in its place. */
  readonly isKnown: boolean;
  /** Reports that callers have: a thread before may have given them. */
  readonly takenReports: readonly number[];
};

/**
 * A message as its row is to be. Messages go between threads as lists of plain values: objects would be written with their
 * names each time, and read once more.
 */
export type AddedMessage = readonly [
  messageId: string,
  sender: string,
  destination: string,
  lane: number,
  dueAt: EpochMs,
  expiresAt: EpochMs,
  price: string | null,
  body: string,
  statusKey: number | null,
  errorKey: number | null,
];
export type AddedMessages = {
  readonly account: AccountId;
  /** As JSON, some in each: as objects a batch of ten thousand takes the thread that sends them 50 ms in one piece. */
  readonly texts: readonly string[];
  readonly now: EpochMs;
};

/** A message that was claimed, by the want that it was claimed for. */
export type ClaimedRow = readonly [id: number, tries: number, body: string];

/** What the thread that holds the file is asked for. */
export type OutboxCall =
  | { readonly call: 'add'; readonly batch: AddedMessages }
  | { readonly call: 'claim'; readonly wants: readonly Want[]; readonly now: EpochMs }
  | { readonly call: 'unclaim'; readonly held: readonly number[] }
  | { readonly call: 'settle'; readonly results: readonly Result[]; readonly now: EpochMs }
  /** Receipts as JSON: as objects they take two and a half times the processor of both threads. */
  | { readonly call: 'receive'; readonly events: string; readonly now: EpochMs }
  | { readonly call: 'lapse'; readonly now: EpochMs }
  | { readonly call: 'clockSetBack'; readonly now: EpochMs }
  | { readonly call: 'waiting'; readonly now: EpochMs }
  | { readonly call: 'untold'; readonly limit: number }
  | {
      readonly call: 'told';
      readonly ids: readonly number[];
      readonly now: EpochMs;
      readonly subscribed: readonly Subscribed[];
    }
  | { readonly call: 'takeReports'; readonly query: ReportQuery }
  | { readonly call: 'reportsGiven' | 'reportsGivenBack'; readonly ids: readonly number[] }
  | { readonly call: 'duePushes'; readonly busy: readonly PushPlace[]; readonly places: number; readonly now: EpochMs }
  | { readonly call: 'pushed'; readonly outcomes: readonly PushOutcome[] }
  | { readonly call: 'recover'; readonly how: 'hold' | 'requeue'; readonly now: EpochMs }
  | { readonly call: 'dropAccount'; readonly account: AccountId }
  | { readonly call: 'dropBefore'; readonly acceptedAt: EpochMs }
  | { readonly call: 'stats' };

export type OutboxRequest = { readonly id: number; readonly asked: OutboxCall } | 'close';

export type OutboxReply =
  | { readonly kind: 'opened' }
  /** The file cannot be used. */
  | { readonly kind: 'broken'; readonly message: string; readonly isUnusable: boolean }
  | { readonly kind: 'answers'; readonly answers: readonly { readonly id: number; readonly value: unknown }[] }
  | { readonly kind: 'failed'; readonly ids: readonly number[]; readonly message: string; readonly of: FailedBy };

/** The world outside, the values of the request, or neither: a defect. */
export type FailedBy = 'outage' | 'values' | 'defect';
