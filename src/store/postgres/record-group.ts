import type { EpochMs } from '../../domain/message.ts';
import { newMessageViolations } from '../../domain/report.ts';
import { integer } from '../../postgres/cells.ts';
import { isTaken } from '../../postgres/failure.ts';
import type { Session, Statement, Transaction } from '../../postgres/session.ts';
import { type RecordBatch, StoreUnavailable } from '../store.ts';
import { type Folded, fold, type Written } from './fold.ts';
import { knownMessages } from './known-messages.ts';
import type { Place } from './log-row.ts';
import { moment } from './moment.ts';
import {
  begin,
  changeStates,
  claim,
  claimFree,
  insertMessages,
  insertReports,
  type Key,
  keysOf,
  leaveRecord,
  lockKeys,
  type Recording,
} from './record-statements.ts';
import { type Recorders, recordingTransaction } from './recording-transaction.ts';
import type { Slice } from './slices.ts';

/** A batch, or what of it belongs into one slice. */
export type Part = {
  readonly batch: RecordBatch;
  /** The message number of each record, where they were taken before. */
  readonly numbers?: readonly number[];
};

/** What is recorded together in one slice, in its order. */
export type Group = {
  readonly slice: Slice;
  readonly parts: readonly Part[];
  /** The first of as many message numbers as the group has records; not for those that have theirs. */
  readonly firstNumber: number;
  /** The layout that led to this slice. */
  readonly layout: number;
  /** Every id was found here though by the present layout it would be elsewhere: nothing may be recorded anew. */
  readonly known: boolean;
};

/** A group is in the wrong slice: the layout is another one by now, or a message was dropped. */
export class Misplaced extends Error {
  constructor() {
    super('records were led to a slice that is not theirs');
  }
}

/** How often what was misplaced is led anew. */
export const misplacedMax = 6;

/** It was misplaced too often. */
export function neverSettled(): StoreUnavailable {
  return new StoreUnavailable('the layout of the account changes too often');
}

const nextNumbers: Statement = { name: 'next numbers', text: `SELECT nextval('message_number')` };

/** What the sequence counts up by. */
export const numbersAtOnce = 8192;

/** Takes the numbers for a group, `numbersAtOnce` of them: greater than any taken before, by whatever process. */
export async function takeNumbers(session: Pick<Session, 'query'>): Promise<number> {
  const [[first] = []] = await session.query(nextNumbers);
  return integer(first);
}

/** Records a group in one transaction; when this resolves, all of it is durable. Throws `Misplaced`. */
export function recordGroup(recorders: Recorders, group: Group): Promise<Folded> {
  const horizons = group.parts.map(({ batch }) => batch.sentSince);
  // Each of those that are known was found within the horizon of its batch.
  const sentSince = moment(group.known ? Math.min(...horizons) : Math.max(...horizons));
  const wanted = newPlaces(group);
  const gone = new Set<number>();
  let idsMayBeTaken = false;
  return recordingTransaction(
    recorders,
    { slice: group.slice, sentAts: Array.from(wanted.values(), place => place.sentAt) },
    session => record(session, group, { wanted, gone, sentSince, idsMayBeTaken }),
    error => {
      if (error instanceof DroppedMessages) for (const number of error.numbers) gone.add(number);
      else if (isTaken(error) && !idsMayBeTaken) idsMayBeTaken = true;
      else return false;
      return true;
    },
  );
}

/** Keys that lead to messages that are not there any more: dropped, while the keys of their time are not yet. */
class DroppedMessages extends Error {
  readonly numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    super('messages were dropped');
    this.numbers = numbers;
  }
}

type Terms = {
  readonly wanted: ReadonlyMap<string, Place>;
  readonly gone: ReadonlySet<number>;
  readonly sentSince: EpochMs;
  /** Others claim the same ids at this moment: who came first must be asked for. */
  readonly idsMayBeTaken: boolean;
};

async function record(session: Transaction, group: Group, terms: Terms): Promise<Folded> {
  const batches = group.parts.map(({ batch }) => batch);
  const messageIds = [...new Set(batches.flatMap(batch => batch.submissions.map(one => one.messageId)))];
  const [recording, keys] = await Promise.all([
    begin(session, group.slice),
    // Where nothing can be a new message, the keys are read when they are locked.
    terms.wanted.size === 0 ? new Map<string, Key>() : keysOf({ session, account: group.slice }, messageIds),
  ]);
  if (recording.layout !== group.layout) throw new Misplaced();
  const claimed = await claimIds(recording, keys, terms);
  const there = messageIds.filter(messageId => !claimed.has(messageId));
  const locked = [...(await lockKeys(recording, there))].filter(([, key]) => standsForMessage(key, terms));
  const known = await knownMessages(
    recording,
    locked.map(([, key]) => key.place),
  );
  if (group.known && known.size < messageIds.length) throw new Misplaced();
  const lost = locked.filter(([messageId]) => !known.has(messageId)).map(([, key]) => key.place.number);
  if (lost.length > 0) throw new DroppedMessages(lost);
  const folded = fold(batches, known, messageId => placeOf(messageId, terms.wanted, claimed));
  write(recording, folded);
  return folded;
}

/** Claims every id that a new message may have; what cannot be claimed was recorded a moment ago, and is there now. */
async function claimIds(
  recording: Recording,
  keys: ReadonlyMap<string, Key>,
  terms: Terms,
): Promise<ReadonlySet<string>> {
  const free = new Map([...terms.wanted].filter(([messageId]) => !standsForMessage(keys.get(messageId), terms)));
  const replaced = [...free.keys()]
    .flatMap(messageId => keys.get(messageId) ?? [])
    .filter(key => key.generation === recording.generation);
  if (terms.idsMayBeTaken || replaced.length > 0) return claim(recording, free, replaced);
  claimFree(recording, free);
  return new Set(free.keys());
}

/** Sends what is new of one account, whose ids must have been claimed or locked; it is written when the transaction ends. */
export function write(recording: Recording, written: Written): void {
  insertMessages(recording, written.messages);
  insertReports(recording, written.reports);
  changeStates(recording, written.changes);
  leaveRecord(recording, written);
}

/** Not so when the message is past retention, or was dropped. */
function standsForMessage(key: Key | undefined, { sentSince, gone }: Terms): boolean {
  return key !== undefined && key.place.sentAt >= sentSince && !gone.has(key.place.number);
}

function placeOf(messageId: string, wanted: ReadonlyMap<string, Place>, claimed: ReadonlySet<string>): Place {
  const place = wanted.get(messageId);
  if (place === undefined || !claimed.has(messageId)) throw new Error('a message is recorded whose id was not claimed');
  return place;
}

/** Where each message would be recorded that is new: the first record of its id that has all it needs is the message. */
function newPlaces({ parts, firstNumber, known }: Group): ReadonlyMap<string, Place> {
  const wanted = new Map<string, Place>();
  if (known) return wanted;
  let number = firstNumber;
  for (const { batch, numbers } of parts) {
    const { submissions, receivedAt, sentSince } = batch;
    for (const [i, submission] of submissions.entries()) {
      const own = numbers?.[i] ?? number++;
      if (wanted.has(submission.messageId)) continue;
      if (newMessageViolations(submission, receivedAt, sentSince).length > 0) continue;
      wanted.set(submission.messageId, { sentAt: submission.sentAt ?? receivedAt, number: own });
    }
  }
  return wanted;
}
