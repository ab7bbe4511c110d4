import type { BreakdownField } from '../domain/breakdown.ts';
import type { Filter } from '../domain/filter.ts';
import type {
  AccountId,
  Binding,
  EpochMs,
  LogRecord,
  MessageHistory,
  Submission,
  Violation,
} from '../domain/message.ts';
import type { Summary, SummaryRange } from '../domain/summary.ts';
import type { LogForm } from '../wire/text/log-text.ts';
import type { Dropping } from './dropping.ts';
import type { OwnHorizons } from './horizons.ts';
import type { Outcomes } from './outcomes.ts';

export type { Dropping } from './dropping.ts';

/**
 * Where messages are kept. One interface, one conformance suite (`test/store/conformance.ts`), several engines.
 *
 * - **Accounts are walls.** Every call names one account, and nothing of another account shows in any answer.
 * - **Order.** Newest `sentAt` first; of equal `sentAt`, the one recorded later first. The order of two messages
 *   never changes.
 * - **An empty filter** means every message of the account inside the time horizon, never "nothing".
 * - **A missing message** is `undefined`, not an error.
 * - **Turns.** Accounts take turns: whatever one of them asks for, the calls of others wait for a slice of it at most.
 * - **Giving up.** A call whose `signal` is aborted rejects with its reason, and no more work is done for it.
 * - **Errors.** Calls reject with `StoreUnavailable` when the store cannot serve or keep data now; nothing that was
 *   answered before is affected, and the same call may succeed later. Anything else that rejects is a defect.
 */
export interface Store {
  /**
   * Records new messages and applies reports to known ones, in the batch's order: a message and its report may stand
   * in the same batch, in either order. Resolves when every accepted record is durable. When it rejects, any part of
   * the batch may have been recorded, and sending the whole batch again is safe.
   *
   * - Known means: this account has that `messageId` in the log and not past retention.
   * - A batch is at most `limits.batchRecordsMax` long. `account` with `binding`: submissions must already carry the
   *   bound ids; a known message outside the binding is answered for as if it were not there, and left alone.
   * - What becomes of a report is `accept` of `domain/acceptance.ts`; every accepted report joins the timeline.
   * - A report on a message that is not known waits for it: a record that says what became of a message, and has none of
   *   `sender`, `destination` and content. It is durable as all the rest is. When the message is recorded, by whatever
   *   call, the reports that wait for it are applied in the order they came, each as it would have been had it come
   *   after the message: with its own `receivedAt`, and only within the binding of its own caller. One that waits is as
   *   one that was never said until then; it shows nowhere. What does not fit its message is dropped when that comes.
   * - To a caller with a binding, a message outside it is as one that is not known: reports on it wait, and join nothing.
   * - Waiting is bounded by `limits.waiting…`: a report beyond them is rejected, and one that waited `limits.waitingMs`
   *   is dropped, which `stats` counts. The same report said again waits once.
   */
  record(batch: RecordBatch): Promise<RecordOutcome>;

  /** How many records whoever has many had best hand over at once; `limits.batchRecordsMax` at most. */
  readonly batchRecords: number;

  /**
   * One page of logs.
   *
   * A walk (`query.walk`, or `query.after` from the page before) returns every message that matched when the walk
   * began exactly once, and nothing recorded since, whatever arrives or changes status meanwhile; a message that no
   * longer has the asked `generalStatus` is shown as it was then. Only retention may cut a walk short.
   */
  find(query: Query): Promise<Page>;

  /** As `find`, but the logs come as text, rendered off the serving thread where the engine can. */
  render(query: Query, form: LogForm, signal?: AbortSignal): Promise<RenderedPage>;

  /** One message with its timeline, oldest entry first; `undefined` when the account has no such message. */
  history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined>;

  /**
   * What was recorded and reported after a place, oldest first, for whoever follows the log.
   *
   * - Going on from each answer's `next`, every message recorded is given once, and every report that changed the log
   *   of its message once: a message before its reports, and reports on it in the order they were accepted. Each
   *   carries the log as it was right after. Reports that changed nothing do not show.
   * - Without `after` there are no changes, and `next` is the place of this moment: what is recorded by a call that
   *   begins later comes after it, and what was recorded by one that ended before does not.
   * - An answer may hold no changes and still have `more`.
   * - What is past `sentSince`, or was set aside as damaged, does not show.
   *
   * Rejects with `InvalidBookmark` for a place this engine did not make, or has no longer: data was restored, say.
   */
  changes(query: ChangesQuery): Promise<Changes>;
  /**
   * Calls `wake` within a second of anything of this account becoming durable, whatever process recorded it; it may
   * call for less. Returns what ends it. `wake` must not throw.
   */
  watch(account: AccountId, wake: () => void): () => void;
  /**
   * Counts what matches, by its present state. Without a condition but time it is answered from counts that are kept;
   * otherwise it is counted until `budgetMs` is over, and what could not be finished is left out (see `Summary`). A
   * breakdown is counted message by message, too; without one, all else is told as if none had been asked for.
   */
  summarize(query: SummaryQuery, signal?: AbortSignal): Promise<Summary>;
  /** Figures for `/metrics` and `/health/ready`. */
  stats(): Promise<StoreStats>;

  /**
   * Drops what is wholly past retention: what was sent before `sentAt`, or, of an account that is among `own`, before
   * its moment there. What lies together with something that is kept stays until that goes, and does not show: queries
   * come with their account's own `sentSince`. Costs the same for a thousand messages as for a hundred million.
   */
  dropBefore(sentAt: EpochMs, own?: OwnHorizons): Promise<void>;

  /**
   * How many messages `dropBefore` would drop, give or take what lies together with others, of all that were sent before
   * `sentUntil`: what was recorded by a clock that is ahead says nothing of what was there before.
   */
  wouldDrop(sentAt: EpochMs, own?: OwnHorizons, sentUntil?: EpochMs): Promise<Dropping>;

  /**
   * The accounts that messages are of, a part of the log after the other: each comes as often as parts have it. Those of the
   * last seconds may be missing, and others be among them whose messages are all past retention.
   */
  accounts(): AsyncIterable<Iterable<AccountId>>;

  /** Takes no more, finishes what was taken, lets go of everything. Safe to call twice. */
  close(): Promise<void>;
}

export type RecordBatch = {
  readonly account: AccountId;
  readonly binding: Binding;
  /** Whether the caller may read the log, and may therefore be told where a submission contradicts it. True when absent. */
  readonly mayRead?: boolean;
  /** Whether each submission is all that another log shows of its message at `receivedAt`; see `Arrival`. */
  readonly isSnapshot?: boolean;
  readonly receivedAt: EpochMs;
  /** Messages sent before this are past retention: they are rejected, and known ones count as unknown. */
  readonly sentSince: EpochMs;
  readonly submissions: readonly Submission[];
};

export type RecordOutcome = {
  /** New messages. */
  readonly recorded: number;
  /** Reports that changed the log of their message. */
  readonly updated: number;
  /** Repeated messages and reports, and reports that came too late to change the log. */
  readonly unchanged: number;
  /** Reports whose message was not there when they were taken: they wait for it, or it came with them. */
  readonly waiting: number;
  /** `index` counts within the batch; properties are relative to the record (`sender`, `price.currency`). */
  readonly rejected: readonly Rejection[];
};

export type Rejection = {
  readonly index: number;
  readonly messageId?: string;
  readonly violations: readonly Violation[];
};

export type Query = {
  readonly account: AccountId;
  readonly filter: Filter;
  /** Nothing sent before this is returned: the retention horizon of the moment. */
  readonly sentSince: EpochMs;
  /** 1 … `limits.pageLogsMax`. */
  readonly limit: number;
  /** Asks for a `next` bookmark. */
  readonly walk: boolean;
  /** The `next` of the page before, with the same account and filter; the caller guards that they are the same. */
  readonly after?: Bookmark;
  /**
   * How long messages are looked through for words (`filter.text`): the page ends then with what was found, and has
   * `reached`. Without it they are all looked through, and it concerns no other filter.
   */
  readonly budgetMs?: number;
};

/** Where a walk, or whoever follows the log, goes on. Opaque, printable ASCII, made by the engine; `InvalidBookmark` when it is not one of its own. */
export type Bookmark = string;

export type Page = { readonly logs: readonly LogRecord[] } & PageEnd;

/** `text` holds `count` logs in the asked form, UTF-8 encoded. */
export type RenderedPage = { readonly text: Uint8Array; readonly count: number } & PageEnd;

export type PageEnd = {
  readonly next?: Bookmark;
  /**
   * Its time was over: what was sent later than this was looked through, with some of what was sent then. `next` goes on
   * from there, also where no walk was asked for. At least one more message was looked at than at the page before.
   */
  readonly reached?: EpochMs;
};

export type ChangesQuery = {
  readonly account: AccountId;
  readonly sentSince: EpochMs;
  /** The `next`, or the `place` of a change, of an earlier answer for the same account. */
  readonly after?: Bookmark;
  /**
   * Gives nothing beyond this place: a `next` of an earlier answer, not before `after`. When all up to it is given,
   * the answer's `next` is this very place, and `more` is false.
   */
  readonly until?: Bookmark;
  /** At most so many changes in the answer, 1 … `limits.pageLogsMax`. */
  readonly limit: number;
};

/** `more`: there was more already when this was answered. */
export type Changes = { readonly changes: readonly Change[]; readonly next: Bookmark; readonly more: boolean };

/** `place` is where whoever has taken this change goes on. */
export type Change = { readonly log: LogRecord; readonly place: Bookmark };

export type SummaryQuery = {
  readonly account: AccountId;
  /** Its times are those of the range. */
  readonly filter: Filter;
  readonly sentSince: EpochMs;
  readonly range: SummaryRange;
  /** What it is broken down by, too: different fields, at least one. */
  readonly by?: readonly BreakdownField[];
  /** How many rows of the breakdown are told, those that come first; all when absent. */
  readonly first?: number;
  readonly budgetMs: number;
};

export type StoreStats = {
  readonly segments: number;
  readonly messages: number;
  readonly reports: number;
  /** Bytes on disk, indexes and all. */
  readonly bytes: number;
  /** Bytes still free on the disk of the log, where the engine can tell. */
  readonly freeBytes?: number;
  readonly oldestSentAt?: EpochMs;
  /** Records taken but not yet durable. */
  readonly queuedRecords: number;
  /** Reports that wait for their messages, and how many this process dropped: they waited too long, or did not fit. */
  readonly waiting: { readonly reports: number; readonly dropped: number };
  /** Parts of the log that were set aside because they are damaged. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
  /** Set while records cannot be stored (a full disk, say): the reason. */
  readonly writeFailure?: string;
  /**
   * Parts of the log that cannot be served or recorded into now while the others can: servers that some of it lies on, or
   * times that there is no partition for. Figures may be older meanwhile.
   */
  readonly away?: readonly AwayPart[];
  /** Where reads were answered; absent where there is only one place. */
  readonly reads?: StoreReads;
};

/** `accounts` is how many it holds up, of those that were served; absent where that is not known. */
export type AwayPart = { readonly name: string; readonly reason: string; readonly accounts?: number };

/** Reads since the start, by the place that answered them. */
export type StoreReads = {
  /** The one that is written to. */
  readonly primary: number;
  readonly replicas: readonly ReplicaReads[];
};

export type ReplicaReads = {
  readonly name: string;
  readonly reads: number;
  readonly isUsed: boolean;
  /** What is older than this it is known to show; absent until it showed anything. */
  readonly behindMs?: number;
};

export type Committed = {
  readonly durationMs: number;
  readonly messages: number;
  readonly reports: number;
  readonly outcomes: Outcomes;
};

/** What an engine tells while it works; none of the calls may throw. */
export type StoreObserver = {
  /** A group of records became durable. */
  committed(group: Committed): void;
  /** A part of the log was found damaged and set aside; the rest serves on. */
  damaged(part: { readonly name: string; readonly reason: string }): void;
  /** Something worth a line in the operator's log. */
  note(event: { readonly message: string; readonly level: 'info' | 'warn' | 'error'; readonly detail?: object }): void;
};

export { Unavailable as StoreUnavailable, Unusable as StoreUnusable } from '../failures.ts';

/** A bookmark that this engine did not make. */
export class InvalidBookmark extends Error {
  constructor() {
    super('not a bookmark of this store');
    this.name = 'InvalidBookmark';
  }
}
