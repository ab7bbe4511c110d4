import type { FastifyBaseLogger } from 'fastify';
import type { Authenticator } from '../accounts/authenticator.ts';
import type { AccountId, EpochMs } from '../domain/message.ts';
import type { WebhookReception } from '../mirror/reception.ts';
import type { Store } from '../store/store.ts';
import type { HeldSweep } from '../sweeper.ts';
import type { Tracing } from '../tracing.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { PageFiles } from './page/page-files.ts';
import type {
  EmulatorControl,
  ManagedAccounts,
  ManagedMirrors,
  ManagedSenders,
  MetaWebhooks,
  MirrorWatch,
  RateLimits,
  ReportDesk,
  Sending,
  Timeouts,
} from './parts.ts';
import type { RequestCounter } from './rate-limit/request-counter.ts';

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
  /** `strict` refuses contents that are not as the vendor's schema has them; `any`, where absent. */
  readonly content?: 'any' | 'strict';
  /** Origins whose pages may call this API from a browser; none by default. */
  readonly corsOrigins: readonly string[];
  readonly metrics: Metrics;
  /** Absent where nothing is mirrored. */
  readonly mirrors?: MirrorWatch;
  /** The sweep that waits because the clock leapt, while one does. */
  readonly heldSweep?: () => HeldSweep | undefined;
  /** Accounts that the log knows, and that are not there. */
  readonly lostAccounts?: () => readonly AccountId[];
  readonly webhooks?: Pick<WebhookReception, 'admit' | 'take'>;
  /** What accounts manage of their own; without it there are no such calls. */
  readonly managedAccounts?: ManagedAccounts;
  readonly managedMirrors?: ManagedMirrors;
  readonly managedSenders?: ManagedSenders;
  /** Absent where nobody is told how long requests take. */
  readonly tracing?: Tracing;
  readonly logger: FastifyBaseLogger;
  readonly timeouts: Timeouts;
  /** What answers on their way may hold over all requests; `limits.answersBytesMax` when absent. */
  readonly answersBytesMax?: number;
  /** Connections at once; as many as leave room for files when absent. */
  readonly connectionsMax?: number;
  /** Proxies whose `X-Forwarded-For` is believed, as addresses or CIDR ranges. */
  readonly trustedProxies?: readonly string[];
  /** The page at `/`; absent when it has not been built. */
  readonly page?: PageFiles | undefined;
  /** Shown in the OpenAPI document. */
  readonly version: string;
};
