import type { FastifyBaseLogger } from 'fastify';
import type { Authenticator } from '../accounts/authenticator.ts';
import type { AccountId, EpochMs } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import type { MirrorFigures } from '../mirror/figures.ts';
import type { Gap } from '../mirror/place.ts';
import type { WebhookReception } from '../mirror/reception.ts';
import type { OutboxStats } from '../outbox/outbox.ts';
import type { Report, ReportQuery } from '../outbox/reporting.ts';
import type { Store } from '../store/store.ts';
import type { HeldSweep } from '../sweeper.ts';
import type { Accepted } from '../wire/send-answer.ts';
import type { ManagedAccounts } from './management/access.ts';
import type { ManagedMirrors } from './management/mirrors.ts';
import type { ManagedSenders } from './management/senders.ts';
import type { Metrics } from './metrics.ts';
import type { PageFiles } from './page-files.ts';
import type { RequestCounter } from './request-counter.ts';

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
   * The accounts that a body is proven for, by the pages it names: those whose own secret for the page it is signed with.
   * Empty when it is nobody's.
   */
  prove(body: unknown, isSignedWith: (secret: string) => boolean): Promise<ReadonlyMap<string, readonly AccountId[]>>;
  /** Whether a body that names none of our pages, as Meta's test events do, is signed with a secret of ours all the same. */
  isOurs(body: unknown, isSignedWith: (secret: string) => boolean): Promise<boolean>;
  /** Durable when it resolves; `false` when the body is not of a page. Nothing counts beyond what was proven. */
  receive(body: unknown, proven: ReadonlyMap<string, readonly AccountId[]>): Promise<boolean>;
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

/** What the HTTP server is built from. */
export type ServerDeps = {
  readonly store: Store;
  readonly authenticator: Authenticator;
  /** Without it nothing is sent, and there is no such call. */
  readonly sending?: Sending;
  /** Only where messages are sent. */
  readonly reports?: ReportDesk;
  /** Only where Meta carries messages. */
  readonly metaWebhooks?: MetaWebhooks;
  /** Only where Meta is played. */
  readonly emulator?: EmulatorControl;
  readonly clock: () => EpochMs;
  /** How long an account keeps its messages, at this moment. */
  readonly retentionOf: (account: AccountId) => number;
  /** How far back `GET /messenger/1/logs` goes at most; as far as is kept when absent. */
  readonly compatibleRetentionMs?: number | undefined;
  readonly rateLimits: RateLimits;
  /** Counts for the rate limits; in memory when absent. */
  readonly requestCounter?: RequestCounter;
  /** At least 16 random bytes; cursors live as long as it does, so it should be kept with the data. */
  readonly cursorSecret: Uint8Array;
  /** One of them must come with a call of `/metrics`; open to everybody when there are none. */
  readonly metricsTokens?: readonly string[];
  /** Origins whose pages may call this API from a browser; none by default. */
  /** `strict` refuses contents that are not as the vendor's schema has them; `any`, where absent. */
  readonly content?: 'any' | 'strict';
  readonly corsOrigins: readonly string[];
  readonly metrics: Metrics;
  /** Absent where nothing is mirrored. */
  readonly mirrors?: MirrorWatch;
  /** The sweep that waits because the clock leapt, while one does. */
  readonly heldSweep?: () => HeldSweep | undefined;
  readonly webhooks?: Pick<WebhookReception, 'admit' | 'take'>;
  /** What accounts manage of their own; without it there are no such calls. */
  readonly managedAccounts?: ManagedAccounts;
  readonly managedMirrors?: ManagedMirrors;
  readonly managedSenders?: ManagedSenders;
  readonly logger: FastifyBaseLogger;
  readonly timeouts: Timeouts;
  /** What answers on their way may hold over all requests; `limits.answersBytesMax` when absent. */
  readonly answersBytesMax?: number;
  /** Proxies whose `X-Forwarded-For` is believed, as addresses or CIDR ranges. */
  readonly trustedProxies?: readonly string[];
  /** The page at `/`; absent when it has not been built. */
  readonly page?: PageFiles | undefined;
  /** Shown in the OpenAPI document. */
  readonly version: string;
};
