import type { Filter } from '../../src/domain/filter.ts';
import type { LogRecord } from '../../src/domain/message.ts';
import { summaryRange } from '../../src/domain/summary.ts';
import type { Query, Store } from '../../src/store/store.ts';
import {
  absentSender,
  application,
  bulkId,
  bulkNumber,
  campaign,
  destination,
  destinationNumber,
  entity,
  type LogShape,
  messageId,
  rareCampaign,
  rareSender,
  sender,
} from '../dataset/shape.ts';
import { accounts, messagesIn, type RecordedLog, rareErrorName, reportsIn } from './log.ts';

/** Something that is asked of the store, and what its plan is claimed to be. */
export type Question = {
  readonly title: string;
  /** The indexes that lead to the page and to nothing beside it; absent when there is no such claim. */
  readonly claims?: readonly string[];
  /** May read partitions older than the page: each of several values until it is full, or reports, which lie anywhere. */
  readonly readsOlder?: true;
  /** May be asked again; gives the logs of a page. */
  ask(): Promise<readonly LogRecord[]>;
};

export const pageLogs = 50;
const [account] = accounts;
const hourMs = 3_600_000;

/** What the store is asked for, on a log that `recordLog` recorded: pages first, then everything else. */
export async function questionsOn(store: Store, { shape, begin }: RecordedLog): Promise<readonly Question[]> {
  const sentSince = shape.firstSentAt;
  const pageOf = (filter: Filter, more: Partial<Query> = {}) =>
    store.find({ account, filter, sentSince, limit: pageLogs, walk: false, ...more });
  const page = (title: string, filter: Filter, ...claims: readonly string[]): Question => ({
    title,
    ...(claims.length > 0 && { claims }),
    ask: async () => (await pageOf(filter)).logs,
  });
  const middle = Math.floor(shape.messages / 2);
  const bulkAt = (index: number) => bulkId(bulkNumber(index));
  const hour = { sentSince: sentSince + shape.spanMs / 2, sentUntil: sentSince + shape.spanMs / 2 + hourMs };
  const secondPage = async (filter: Filter, more: Partial<Query> = {}) => {
    const { next } = await pageOf(filter, { walk: true, ...more });
    if (next === undefined) throw new Error('the walk has no second page');
    return async () => (await pageOf(filter, { walk: true, after: next, ...more })).logs;
  };
  return [
    page('nothing', {}, 'message_pkey'),
    page('one hour', hour, 'message_pkey'),
    page('sender, frequent', { sender: sender(1) }, 'message_sender'),
    page('sender, of ten messages', { sender: rareSender }, 'message_sender'),
    page('sender, not there', { sender: absentSender }, 'message_sender'),
    page('destination', { destination: destination(destinationNumber(shape, middle)) }, 'message_destination'),
    page('bulk', { bulkId: [bulkAt(middle)] }, 'message_bulk'),
    { ...page('two bulks', { bulkId: [bulkAt(0), bulkAt(middle)] }, 'message_bulk'), readsOlder: true },
    page('campaign', { campaignReferenceId: [campaign(1)] }, 'message_campaign'),
    page('campaign, of ten messages', { campaignReferenceId: [rareCampaign] }, 'message_campaign'),
    page('application', { applicationId: application(1) }, 'message_application'),
    page('entity', { entityId: entity(1) }, 'message_entity'),
    page('status, most', { generalStatus: 'DELIVERED' }, 'message_group', 'message_pkey'),
    page('status, 1 of 100,000', { generalStatus: 'EXPIRED' }, 'message_group'),
    // Each of the keys that an error may have has a read of its own.
    { ...page('error, 1 of 500', { errorName: rareErrorName }, 'message_error'), readsOlder: true },
    page('message id', { messageId: [messageId(shape, middle)] }, 'message_key_pkey', 'message_pkey'),
    page('50 message ids', { messageId: idsOf(shape, 50) }, 'message_key_pkey', 'message_pkey'),
    page('sender and application', { sender: sender(1), applicationId: application(1) }),
    page('sender and a rare status', { sender: sender(1), generalStatus: 'EXPIRED' }),
    page('sender and an error', { sender: sender(1), errorName: rareErrorName }),
    page('any error', { not: { errorName: 'NO_ERROR' } }),
    page('sender and any error', { sender: sender(1), not: { errorName: 'NO_ERROR' } }),
    {
      title: 'status, a walk’s second page',
      claims: ['message_group', 'message_pkey', 'report_left', 'report_pkey'],
      readsOlder: true,
      ask: await secondPage({ generalStatus: 'DELIVERED' }),
    },
    {
      title: 'error, a walk’s second page',
      claims: ['message_error', 'message_pkey', 'report_error', 'report_pkey'],
      readsOlder: true,
      ask: await secondPage({ errorName: rareErrorName }, { limit: 10 }),
    },
    {
      title: 'any error, a walk’s second page',
      readsOlder: true,
      ask: await secondPage({ not: { errorName: 'NO_ERROR' } }, { limit: 10 }),
    },
    ...otherQuestions(store, { shape, begin }),
  ];
}

function idsOf(shape: LogShape, count: number): readonly string[] {
  const step = Math.floor(shape.messages / count);
  return Array.from({ length: count }, (_, place) => messageId(shape, place * step));
}

function otherQuestions(store: Store, { shape, begin }: RecordedLog): readonly Question[] {
  const { firstSentAt: sentSince, spanMs, messages } = shape;
  const until = sentSince + spanMs;
  const range = summaryRange({}, sentSince, until, 60);
  const summary = (title: string, filter: Filter): Question => ({
    title,
    ask: async () => {
      await store.summarize({ account, filter, sentSince, range, budgetMs: 60_000 });
      return [];
    },
  });
  const record = (submissions: (time: number) => ReturnType<typeof messagesIn>) => {
    let times = 0;
    return async () => {
      const batch = { account, binding: {}, receivedAt: until, sentSince, submissions: submissions(times++) };
      const { rejected } = await store.record(batch);
      if (rejected.length > 0) throw new Error(`rejected: ${JSON.stringify(rejected[0])}`);
      return [];
    };
  };
  let hoursDropped = 0;
  const from = Math.floor(messages / 2);
  const batch = Math.min(1_000, Math.floor(messages / 10));
  // Within the last hour, as messages come; their ids are behind those of the log.
  const further = { ...shape, firstId: shape.firstId + messages, firstSentAt: until - hourMs, spanMs: hourMs };
  return [
    {
      title: 'one message with its timeline',
      claims: ['message_key_pkey', 'message_pkey', 'report_pkey'],
      ask: async () => {
        const found = await store.history(account, messageId(shape, messages - 1), sentSince);
        if (found === undefined) throw new Error('a message is not there');
        return [found.log];
      },
    },
    { title: `recording ${batch} messages`, ask: record(n => messagesIn(further, n * batch, (n + 1) * batch)) },
    {
      title: `recording ${batch} reports`,
      ask: record(n => reportsIn(shape, from + n * batch, from + (n + 1) * batch)),
    },
    {
      title: 'following, 50 changes',
      ask: async () =>
        (await store.changes({ account, sentSince, limit: pageLogs, after: begin })).changes.map(({ log }) => log),
    },
    summary('summary, no filter', {}),
    summary('summary of a sender of ten messages', { sender: rareSender }),
    summary('summary of an error', { errorName: rareErrorName }),
    {
      title: 'dropping an hour',
      ask: async () => {
        await store.dropBefore(sentSince + ++hoursDropped * hourMs);
        return [];
      },
    },
  ];
}
