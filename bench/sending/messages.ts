/** What accepts messages and sends them. */
export type OutboxChoice =
  | { readonly driver: 'sentlog' | 'plain-sqlite'; readonly folder: string }
  | { readonly driver: 'sentlog-postgres' | 'plain-postgres'; readonly url: string };

/** Where both sides of a trial listen, and the pages that messages go out over. */
export type SendingPlaces = {
  readonly port: number;
  readonly graphPort: number;
  readonly pages: readonly string[];
};

export type SendingCommand =
  /** The first of all, one of the two; the others come when it is ready. */
  | ({ readonly kind: 'serve'; readonly outbox: OutboxChoice } & SendingPlaces)
  | ({ readonly kind: 'graph' } & SendingPlaces)
  | { readonly kind: 'memory' }
  /** What was sent after so many messages. */
  | { readonly kind: 'sends'; readonly after: number }
  | { readonly kind: 'stop' };

/** What the simulated Meta was called for, and called itself, so far. */
export type Sends = {
  readonly kind: 'sends';
  readonly messages: number;
  /** From the first of the messages to the last. */
  readonly durationMs: number;
  /** Of webhooks that were answered, from the first to the last of those calls. */
  readonly events: number;
  readonly eventsMs: number;
  readonly slowestCallMs: number;
  /** Nothing is left to be told. */
  readonly isQuiet: boolean;
};

export type SendingReply =
  | { readonly kind: 'ready'; readonly authorization: string }
  | { readonly kind: 'memory'; readonly residentBytes: number; readonly peakBytes: number }
  | Sends
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly reason: string };

/** The token and the secret of every page of the bench. */
export const token = 'token-of-the-bench';
export const appSecret = 'secret-of-the-bench';
