import type { EpochMs } from '../../src/domain/message.ts';
import type { Mirrored, MirrorPlan } from '../mirror/plan.ts';
import type { Latencies } from '../statistics.ts';

export const driverNames = ['sentlog', 'sentlog-postgres', 'plain-sqlite', 'plain-postgres'] as const;
export type DriverName = (typeof driverNames)[number];

/** What proves to every server of the bench that it is the bench which asks. */
export type Access = { readonly accountsFile: string; readonly authorization: string };

/** Which store a server process opens. */
export type StoreChoice =
  | { readonly driver: 'sentlog'; readonly folder: string; readonly segmentMessagesMax: number }
  | { readonly driver: 'plain-sqlite'; readonly folder: string }
  | { readonly driver: 'plain-postgres'; readonly url: string }
  | { readonly driver: 'sentlog-postgres'; readonly url: string };

/** What a server process is started with. */
export type ServerSettings = { readonly store: StoreChoice; readonly access: Access; readonly retentionMs: number };

export type ServerCommand =
  /** The first of all; the others come when the server listens. */
  | { readonly kind: 'start'; readonly settings: ServerSettings }
  | { readonly kind: 'timings' }
  | { readonly kind: 'memory' }
  | { readonly kind: 'drop'; readonly before: EpochMs }
  /** Once, on a store with a folder. */
  | { readonly kind: 'mirror'; readonly plan: MirrorPlan }
  /** Records a message of each of so many accounts, over this time. */
  | { readonly kind: 'accounts'; readonly count: number; readonly firstSentAt: EpochMs; readonly spanMs: number }
  | { readonly kind: 'stop' };

export type ServerReply =
  | { readonly kind: 'listening'; readonly port: number }
  /** Of the requests since the last `timings`; absent when there were none. */
  | { readonly kind: 'timings'; readonly latency?: Latencies }
  | { readonly kind: 'memory'; readonly residentBytes: number; readonly peakBytes: number }
  | { readonly kind: 'dropped'; readonly durationMs: number; readonly messages: number }
  | { readonly kind: 'mirrored'; readonly mirrored: Mirrored }
  | { readonly kind: 'accounts' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly reason: string };
