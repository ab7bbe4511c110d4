import type { AccountId, EpochMs, Price, Submission } from '../domain/message.ts';
import type { Lane, Outgoing } from '../domain/outgoing.ts';
import type { Reports, Subscribed } from './reporting.ts';

/**
 * Messages on their way: accepted, sent, and followed until nothing more can be heard of them. One interface, one
 * conformance suite (`test/outbox/conformance.ts` and `receipts.ts`).
 *
 * - **Durable.** What a call changed is durable when it resolves. When it rejects with `Unavailable`, it may have
 *   changed anything of what it was asked for, and asking again is safe.
 * - **Claimed before sent.** A message is given to one caller, durably, before it may be sent; who was given it says
 *   what came of it. One whose claimer died is never given again unless `recover` is told that nobody can have got it.
 * - **Order.** Of one conversation (account, sender, destination) one message at a time is claimed, in the order in
 *   which they were added, or became due. After one whose outcome is unknown the next waits `conversationHoldMs`, or
 *   until the echo comes.
 * - **Proven.** A receipt counts for the accounts that it names, also when it is kept for a message that is not known yet.
 * - **Any order, any number.** Receipts may come before the answer to a send, twice, and in any order: the messages end
 *   the same.
 * - **Watched.** An echo of a message that was not sent from here makes it one that was, where its page is watched: what
 *   is heard of it afterwards, or was before, counts as for any other.
 * - **Told.** Whatever the log has to hear is kept until `told`, of the messages that wait longest first; of one message, in the order
 *   it happened.
 */
export interface Outbox extends Reports {
  /** Of each message, in the order of the batch: whether it was taken, or its id is known already. All or none. */
  add(batch: AddBatch): Promise<readonly boolean[]>;
  /** Messages to send now: of each page and lane at most as many as wanted. */
  claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]>;
  /** Of what this caller has claimed all but these is in line again: the answer to its claim was lost, so nobody sends it. */
  unclaim(held: readonly number[]): Promise<void>;
  settle(results: readonly Result[], now: EpochMs): Promise<void>;
  receive(events: readonly Receipt[], now: EpochMs): Promise<void>;
  /** Ends what is past its time, a bounded number at once; `true` when there may be more. */
  lapse(now: EpochMs): Promise<boolean>;
  /**
   * The clock was set back: nothing waits longer than it may from now on, to be tried again, for an echo or to be pushed.
   * A bounded number at once; `true` when there may be more. What a caller wants to be sent at a moment waits for that.
   */
  clockSetBack(now: EpochMs): Promise<boolean>;
  /** Where something waits to be sent, and from when on. */
  waiting(now: EpochMs): Promise<Waiting>;
  /** What the log has not been told, of the messages that wait longest; at most so many. */
  untold(limit: number): Promise<readonly Untold[]>;
  /** The log has been told of these; the reports that are due for them are made. */
  told(ids: readonly number[], now: EpochMs, subscribed?: readonly Subscribed[]): Promise<void>;
  /**
   * Called once, before anything is claimed: what was claimed and not settled is of a process that is gone. `hold` waits
   * for its echo; `requeue` sends it again, for a carrier that went with that process.
   */
  recover(how: 'hold' | 'requeue', now: EpochMs): Promise<void>;
  /** Forgets what there is of an account, a bounded number at once; `true` when there may be more. */
  dropAccount(account: AccountId): Promise<boolean>;
  /** Forgets what ended, and was accepted before this; a bounded number at once, `true` when there may be more. */
  dropBefore(acceptedAt: EpochMs): Promise<boolean>;
  /** Of a kind that has more than ten thousand, about how many. */
  stats(): Promise<OutboxStats>;
  /** Finishes what was asked for. Safe to call twice. */
  close(): Promise<void>;
}

/** A message to be kept; with an `end` it is told to the log as ended and never sent. */
export type NewMessage = Outgoing & {
  readonly lane: Lane;
  readonly price?: Price;
  readonly end?: { readonly statusKey: number; readonly errorKey: number };
};

export type AddBatch = {
  readonly account: AccountId;
  readonly messages: readonly NewMessage[];
  readonly now: EpochMs;
};

export type PageLane = { readonly account: AccountId; readonly sender: string; readonly lane: Lane };
export type Want = PageLane & { readonly count: number };

export type Claimed = PageLane & {
  /** Names the message in `settle`. */
  readonly id: number;
  readonly message: Outgoing;
  /** How often it was tried before; tries that Graph held up do not count. */
  readonly tries: number;
};

/** What came of a claimed message. */
export type Result = { readonly id: number } & (
  | { readonly kind: 'sent'; readonly mid: string; readonly psid?: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly statusKey: number; readonly errorKey: number }
  | {
      readonly kind: 'again';
      readonly dueAt: EpochMs;
      /** What the log is told should the message expire before it is sent. */
      readonly errorKey?: number;
      /** Whether this counts as a try. */
      readonly counts: boolean;
    }
);

/** What a page's webhook tells of its messages: those of the accounts that it was proven for, and of no other. */
export type Receipt = {
  readonly page: string;
  readonly psid: string;
  readonly at: EpochMs;
  readonly accounts: readonly AccountId[];
} & (
  | {
      readonly kind: 'echo';
      readonly mid: string;
      readonly metadata?: string;
      /** What it is to those of the accounts that watch the page, where it is none of their own. */
      readonly foreign?: { readonly accounts: readonly AccountId[]; readonly message: Outgoing };
    }
  /** All that was sent before the watermark is delivered, and the messages that are named. */
  | { readonly kind: 'delivered'; readonly mids: readonly string[]; readonly watermark?: EpochMs }
  /** All that was sent up to the watermark is read. */
  | { readonly kind: 'read'; readonly watermark: EpochMs }
);

export type Waiting = {
  readonly pages: readonly (PageLane & { readonly dueAt: EpochMs })[];
  /** When the next scheduled message is due. */
  readonly nextScheduledAt?: EpochMs;
};

export type Untold = { readonly id: number; readonly account: AccountId; readonly submission: Submission };

export type OutboxStats = {
  /** Accepted and not yet due. */
  readonly scheduled: number;
  /** Waiting to be sent. */
  readonly queued: number;
  /** Claimed and not settled. */
  readonly sending: number;
  /** Nobody knows yet whether they were sent. */
  readonly unknown: number;
  /** Changes the log has not been told of. */
  readonly untold: number;
  /** Receipts of messages that are not known yet. */
  readonly parked: number;
  /** Final reports that nobody was given yet. */
  readonly openReports: number;
  /** Reports that are to be pushed. */
  readonly pushes: number;
};
