import { expect, onTestFinished } from 'vitest';
import type { AccountId, EpochMs, LogRecord, Submission } from '../../../src/domain/message.ts';
import { deliveryErrors, noError, pendingAccepted, type Status, statuses } from '../../../src/domain/registry.ts';
import type { Bookmark, Query, RecordBatch, RecordOutcome, Store, StoreObserver } from '../../../src/store/store.ts';
import { type SharedEngine, SharedStores } from './sharing.ts';

/** What a test asks of the engine's shape; an engine may ignore it. */
export type EngineHints = {
  /** Small, so that few messages make many segments. */
  readonly segmentMessagesMax?: number;
  /** Those that are recorded for; without it a few of small and large numbers. */
  readonly accounts?: readonly AccountId[];
  /** Hears what becomes durable. */
  readonly committed?: StoreObserver['committed'];
};

export type OpenedEngine = {
  readonly store: Store;
  /** Closes the store and opens one again on the same data. */
  reopen(): Promise<Store>;
  /** Closes whichever store is open, and removes its data. */
  close(): Promise<void>;
};

export type OpenEngine = (hints: EngineHints) => Promise<OpenedEngine>;

/** The cases of a suite run one after the other; those that share stores do so by the engine. */
const sharing = new Map<OpenEngine, SharedStores>();

/**
 * An engine for one test: a store that all tests share, where what this test records as accounts 1, 2 … are accounts
 * of its own. What concerns the store as a whole (its figures, dropping, closing) takes `ownEngineFor`.
 */
export async function engineFor(openEngine: OpenEngine, hints: EngineHints = {}): Promise<SharedEngine> {
  const stores = sharing.get(openEngine) ?? new SharedStores(openEngine);
  sharing.set(openEngine, stores);
  return stores.engine(hints);
}

/** An engine of its own for one test, closed when the test has ended. */
export async function ownEngineFor(openEngine: OpenEngine, hints: EngineHints = {}): Promise<OpenedEngine> {
  const engine = await openEngine(hints);
  onTestFinished(() => engine.close());
  return engine;
}

/** Closes the stores that the tests of an engine shared. */
export async function closeShared(openEngine: OpenEngine): Promise<void> {
  await sharing.get(openEngine)?.close();
  sharing.delete(openEngine);
}

/** The store as it was opened, then the one that is opened anew on its data. */
export async function* openings(engine: Pick<SharedEngine, 'store' | 'reopen'>): AsyncGenerator<Store> {
  yield engine.store;
  yield await engine.reopen();
}

/** When the tests' batches are received. */
export const now: EpochMs = Date.UTC(2026, 5, 1, 12);
export const hourMs = 3_600_000;
export const horizon: EpochMs = now - 48 * hourMs;
export const account = 1;

/** A new message, complete; by default it was sent a second before `now`. */
export function message(messageId: string, fields: Partial<Submission> = {}): Submission {
  return {
    messageId,
    sender: '44113496000',
    destination: '66855538125',
    contentJson: '{"text":"hello","type":"TEXT"}',
    sentAt: now - 1000,
    ...fields,
  };
}

export function messages(count: number, fields: (i: number) => Partial<Submission> = () => ({})): Submission[] {
  return Array.from({ length: count }, (_, i) => message(`m${i}`, fields(i)));
}

/** The log that a submission becomes when it is recorded as a new message. */
export function logOf(submission: Submission): LogRecord {
  const { sender = '', destination = '', contentJson = '', sentAt = now } = submission;
  const recorded = { status: pendingAccepted, error: noError, at: sentAt, messageCount: 1 };
  return { ...recorded, ...submission, sender, destination, contentJson, sentAt };
}

type BatchFields = Partial<Omit<RecordBatch, 'submissions'>>;

export function record(
  store: Store,
  submissions: readonly Submission[],
  fields: BatchFields = {},
): Promise<RecordOutcome> {
  return store.record({ account, binding: {}, receivedAt: now, sentSince: horizon, submissions, ...fields });
}

/** Records, and fails the test unless every submission was accepted as a new message. */
export async function recordAll(store: Store, submissions: readonly Submission[], fields?: BatchFields): Promise<void> {
  for (let i = 0; i < submissions.length; i += 1000) {
    const batch = submissions.slice(i, i + 1000);
    expect(await record(store, batch, fields)).toEqual(outcome({ recorded: batch.length }));
  }
}

export function outcome(counts: Partial<RecordOutcome>): RecordOutcome {
  return { recorded: 0, updated: 0, unchanged: 0, waiting: 0, rejected: [], ...counts };
}

export function query(fields: Partial<Query> = {}): Query {
  return { account, filter: {}, sentSince: horizon, limit: 1000, walk: false, ...fields };
}

export async function findIds(store: Store, filter: Query['filter'] = {}): Promise<readonly string[]> {
  const { logs } = await store.find(query({ filter }));
  return logs.map(log => log.messageId);
}

export async function find1(store: Store, messageId: string, fields: Partial<Query> = {}): Promise<LogRecord> {
  const { logs } = await store.find(query({ filter: { messageId: [messageId] }, ...fields }));
  const [log] = logs;
  if (log === undefined || logs.length > 1) throw new Error(`${logs.length} messages have the id ${messageId}`);
  return log;
}

/** A whole walk; `meanwhile` runs after each page but the last. */
export async function walk(
  store: Store,
  fields: Partial<Query>,
  meanwhile: (page: number) => Promise<void> = async () => {},
): Promise<readonly LogRecord[]> {
  const logs: LogRecord[] = [];
  let after: Bookmark | undefined;
  for (let page = 0; ; page++) {
    const asked = query({ ...fields, walk: true, ...(after !== undefined && { after }) });
    const found = await store.find(asked);
    expect(found.logs.length).toBeLessThanOrEqual(asked.limit);
    logs.push(...found.logs);
    if (found.next === undefined) return logs;
    expect(found.logs.length).toBe(asked.limit);
    after = found.next;
    await meanwhile(page);
  }
}

export const idsOf = (logs: readonly LogRecord[]): readonly string[] => logs.map(log => log.messageId);

export function status(name: string): Status {
  const found = statuses.find(candidate => candidate.name === name);
  if (found === undefined) throw new Error(`no status is named ${name}`);
  return found;
}

export function deliveryError(name: string) {
  const found = deliveryErrors.find(candidate => candidate.name === name);
  if (found === undefined) throw new Error(`no error is named ${name}`);
  return found;
}

export const enroute = status('PENDING_ENROUTE');
export const operator = status('DELIVERED_TO_OPERATOR');
export const delivered = status('DELIVERED_TO_HANDSET');
export const expired = status('EXPIRED_EXPIRED');
export const undeliverable = status('UNDELIVERABLE_NOT_DELIVERED');
export const rejected = status('REJECTED_NETWORK');
export const absentSubscriber = deliveryError('EC_ABSENT_SUBSCRIBER');
