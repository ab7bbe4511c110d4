import type { Accounts } from '../accounts/accounts.ts';
import type { AccountId } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import type { MirrorChecks } from '../mirror/check/checks.ts';
import type { MirrorFigures } from '../mirror/figures.ts';
import type { Mirrors } from '../mirror/mirrors.ts';
import type { Gap } from '../mirror/place.ts';
import type { Mirror } from '../mirror/rows.ts';
import type { OutboxStats } from '../outbox/outbox.ts';
import type { Report, ReportQuery } from '../outbox/reporting.ts';
import type { SenderPage } from '../senders/rows.ts';
import type { Senders } from '../senders/senders.ts';
import type { Accepted } from '../wire/send/send-answer.ts';

/** Requests a minute. */
export type RateLimits = {
  /** `GET /messenger/1/logs`, for an account that has no limit of its own. */
  readonly logsPerMinute: number;
  /** Single messages, exports, summaries and streams together, for each account. */
  readonly readsPerMinute: number;
  /** Whatever the web page reads, for each account. */
  readonly pagePerMinute: number;
  /** Recording, for each account; without limit when absent. */
  readonly writesPerMinute?: number;
  /** Wrong credentials, for each client address. */
  readonly failedAuthPerMinute: number;
};

export const defaultRateLimits: RateLimits = {
  logsPerMinute: 120,
  readsPerMinute: 600,
  pagePerMinute: 1200,
  failedAuthPerMinute: 30,
};

export type Timeouts = {
  /** For the request line and the headers to arrive. */
  readonly headersMs: number;
  /** Between two pieces of a body. */
  readonly bodyIdleMs: number;
  /** For a whole JSON body to arrive; NDJSON may go on as long as it keeps coming. */
  readonly bodyMs: number;
  /** How long a connection may stand without a request. */
  readonly keepAliveMs: number;
  /** How long a connection may move no byte in either direction while a request is under way. */
  readonly stalledMs: number;
  /** Pause in an NDJSON stream after which what came so far is recorded. */
  readonly streamPauseMs: number;
  /** In which some of a body that was refused must come, or its connection is closed. */
  readonly lingerMs: number;
  /** Between two comment lines of an event stream. */
  readonly heartbeatMs: number;
  /** How long uploads and exports under way may go on once the server closes. */
  readonly closingMs: number;
};

export const defaultTimeouts: Timeouts = {
  headersMs: 15_000,
  bodyIdleMs: 30_000,
  bodyMs: 300_000,
  keepAliveMs: 65_000,
  stalledMs: 120_000,
  streamPauseMs: 100,
  lingerMs: 5000,
  heartbeatMs: 15_000,
  closingMs: 5_000,
};

/** What is to be told of mirrors, as of a moment ago. */
export type MirrorWatch = {
  figures(): readonly MirrorFigures[];
  /** What of an account could not be read before it was gone. */
  gaps(account: AccountId): readonly Gap[];
};

/** Takes messages to be sent: durable when it resolves. */
export interface Sending {
  accept(account: AccountId, messages: readonly Outgoing[]): Promise<readonly Accepted[]>;
  /** Senders that cannot send now, and why. */
  paused(): readonly PausedSender[];
  /** Why nothing is taken to be sent now, as it was found at the last look, a second or so ago. */
  outage?(): Error | undefined;
  /** Figures for `/metrics` and `/health/ready`, of a second ago at most. */
  figures?(): Promise<SendingFigures>;
}

export type PausedSender = { readonly account: AccountId; readonly sender: string; readonly reason: string };

export type SendingFigures = {
  readonly paused: readonly PausedSender[];
  /** Absent while they cannot be read. */
  readonly outbox?: OutboxStats;
  /** Attempts since the start, by what came of them. */
  readonly sends: Readonly<Record<'sent' | 'failed' | 'again' | 'unknown', number>>;
  /** Reports since the start, by what came of pushing them. */
  readonly pushes: Readonly<Record<'pushed' | 'failed' | 'dropped', number>>;
  /** Events of Meta's webhooks since the start that were proven and are lost, by the reason. */
  readonly lostEvents: Readonly<Record<'too large' | 'not kept', number>>;
};

/** Gives reports to callers; what becomes of an answer is told afterwards. */
export interface ReportDesk {
  take(query: ReportQuery): Promise<readonly Report[]>;
  given(ids: readonly number[]): void;
  giveBack(ids: readonly number[]): void;
}

/** What Meta's webhooks need. */
export interface MetaWebhooks {
  /** Shown by Meta when the webhook is set up; no set-up is taken without it. */
  readonly verifyToken: string | undefined;
  /**
   * The accounts that a body which names these pages is proven for: those whose own secret for the page it is signed with.
   * Empty when it is nobody's.
   */
  prove(
    pages: readonly string[],
    isSignedWith: (secret: string) => boolean,
  ): Promise<ReadonlyMap<string, readonly AccountId[]>>;
  /** Whether a body that names none of our pages, as Meta's test events do, is signed with a secret of ours all the same. */
  isOurs(pages: readonly string[], isSignedWith: (secret: string) => boolean): Promise<boolean>;
  /**
   * Durable when it resolves; `false` when the body is not of a page. Nothing counts beyond what was proven. Of the events
   * so many were left out, which are counted as lost.
   */
  receive(body: unknown, proven: ReadonlyMap<string, readonly AccountId[]>, leftOut: number): Promise<boolean>;
}

/** Steers what plays Meta; `undefined` for a call that it does not know. */
export interface EmulatorControl {
  handle(
    method: string,
    action: string,
    body: unknown,
    account: AccountId,
  ): Promise<{ readonly status: number; readonly body: object } | undefined>;
}

/** Who may use the server, as an account manages its own. */
export type ManagedAccounts = Pick<
  Accounts,
  | 'newestAccounts'
  | 'createAccountWithKey'
  | 'account'
  | 'keys'
  | 'createKey'
  | 'bindKey'
  | 'revokeKey'
  | 'forgetEndedKeys'
  | 'users'
  | 'createUser'
  | 'removeUser'
>;

/** The mirrors of a server, as an account manages its own. */
export type ManagedMirrors = {
  readonly mirrors: Pick<Mirrors, 'add' | 'list' | 'pause' | 'resume' | 'remove'>;
  /** As they are now. */
  readonly figures: (mirror: Mirror) => Promise<MirrorFigures>;
  /** Hosts whose logs may be mirrored; those below them may too. */
  readonly hosts: readonly string[];
  readonly checks: Pick<MirrorChecks, 'begin' | 'state' | 'end'>;
};

/** The pages that messages go out over, as an account manages its own. */
export type ManagedSenders = {
  readonly senders: Pick<Senders, 'add' | 'list' | 'remove'>;
  /** Why a page cannot be used with its token; `undefined` when it can. */
  readonly check: (sender: SenderPage) => Promise<string | undefined>;
};
