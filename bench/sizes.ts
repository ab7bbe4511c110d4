import { loadConfig } from '../src/config.ts';

/** How much of everything; the sizes of sentlog and of the comparators differ where the latter would take hours. */
export type Sizes = {
  /** Messages of the log that sentlog is measured on. */
  readonly largeLog: number;
  /** Messages of the log that every driver is measured on, unless those over PostgreSQL have another. */
  readonly smallLog: number;
  /** Messages of the log that the drivers over PostgreSQL are measured on. */
  readonly postgresLog: number;
  readonly recorded: { readonly sentlog: number; readonly comparators: number };
  readonly singles: { readonly messages: number; readonly timeMs: number };
  readonly reports: { readonly sentlog: number; readonly comparators: number };
  /** Over PostgreSQL it is an hour. */
  readonly dropped: { readonly sentlog: number; readonly 'plain-sqlite': number };
  /** Requests of each kind of query, warm-up not counted, unless the time is over before. */
  readonly reads: { readonly requests: number; readonly warmUps: number; readonly timeMs: number };
  readonly walk: { readonly pages: number; readonly pageLogs: number };
  /** Each phase of following takes `seconds`. */
  readonly stream: {
    readonly listeners: number;
    readonly messagesPerS: number;
    readonly batch: number;
    readonly seconds: number;
  };
  /** A mirror: what it catches up with, what it follows then, and webhooks while nothing else is done. */
  readonly mirror: {
    readonly past: { readonly sentlog: number; readonly comparators: number };
    readonly messagesPerS: number;
    readonly followMinutes: number;
    readonly warmUpMinutes: number;
    readonly webhooksPerS: number;
    readonly webhookSeconds: number;
    /** And as fast as they are answered. */
    readonly webhooksAtOnce: number;
  };
  /** Accepted over one page, and how many of them are waited for; sent over many pages. */
  readonly sends: { readonly queued: number; readonly one: number; readonly many: number };
  /** Quiet accounts beside one that records so many messages. */
  readonly accounts: { readonly count: number; readonly messages: number };
  /** Messages that every driver must give the same answers on. */
  readonly agreement: number;
  /** How long recording goes on before it is cut off. */
  readonly crashAfterMs: number;
  readonly batch: number;
  readonly segmentMessages: number;
};

/** No phase takes longer than this, whatever the machine. */
export const phaseTimeMs = 15 * 60_000;
/** Nor does recording a log that cases are measured on. */
export const preparationTimeMs = 60 * 60_000;

/** `messages`: how many sentlog records in a row; the logs are twice and a fifth of it. */
export function fullSizes(messages: number, postgresLog = Math.ceil(messages / 5)): Sizes {
  const large = messages * 2;
  const small = Math.ceil(messages / 5);
  return {
    largeLog: large,
    smallLog: small,
    postgresLog,
    recorded: { sentlog: messages, comparators: small },
    singles: { messages: Math.ceil(messages / 25), timeMs: 20_000 },
    reports: { sentlog: Math.ceil(messages / 25), comparators: Math.ceil(messages / 100) },
    dropped: { sentlog: Math.floor(large / 10), 'plain-sqlite': Math.floor(small / 10) },
    reads: { requests: 500, warmUps: 30, timeMs: 5_000 },
    walk: { pages: 100, pageLogs: 1_000 },
    stream: { listeners: 1_000, messagesPerS: 1_000, batch: 10, seconds: 5 },
    mirror: {
      past: { sentlog: messages, comparators: small },
      messagesPerS: 500,
      followMinutes: 10,
      warmUpMinutes: 1,
      webhooksPerS: 500,
      webhookSeconds: 10,
      webhooksAtOnce: 20_000,
    },
    sends: { queued: Math.ceil(messages / 50), one: 3_000, many: Math.ceil(messages / 250) },
    accounts: { count: Math.ceil(messages / 50), messages: Math.ceil(messages / 50) },
    agreement: 5_000,
    crashAfterMs: 2_000,
    batch: 1_000,
    segmentMessages: loadConfig({ env: {}, flags: {} }).segmentMessages,
  };
}

/** Seconds for all of it: shows that every case runs on every driver, its figures mean nothing. */
export const smokeSizes: Sizes = {
  largeLog: 4_000,
  smallLog: 2_000,
  postgresLog: 2_000,
  recorded: { sentlog: 4_000, comparators: 2_000 },
  singles: { messages: 300, timeMs: 5_000 },
  reports: { sentlog: 400, comparators: 200 },
  dropped: { sentlog: 3_000, 'plain-sqlite': 200 },
  reads: { requests: 5, warmUps: 1, timeMs: 5_000 },
  walk: { pages: 5, pageLogs: 100 },
  stream: { listeners: 20, messagesPerS: 500, batch: 10, seconds: 0.4 },
  mirror: {
    past: { sentlog: 1_500, comparators: 500 },
    messagesPerS: 5,
    followMinutes: 2,
    warmUpMinutes: 0.1,
    webhooksPerS: 50,
    webhookSeconds: 1,
    webhooksAtOnce: 100,
  },
  sends: { queued: 200, one: 100, many: 200 },
  accounts: { count: 50, messages: 900 },
  agreement: 1_500,
  crashAfterMs: 200,
  batch: 200,
  segmentMessages: 1_000,
};
