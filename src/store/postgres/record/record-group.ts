import { judgeUnknown } from '../../../domain/acceptance.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { integer } from '../../../postgres/cells.ts';
import { isTaken } from '../../../postgres/failure.ts';
import type { Session, Statement, Transaction } from '../../../postgres/session.ts';
import { type RecordBatch, StoreUnavailable } from '../../store.ts';
import { columnMs } from '../rows/column-ms.ts';
import type { Place } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';
import type { Written } from '../rows/written.ts';
import { type Folded, fold } from './fold.ts';
import { knownMessages } from './known-messages.ts';
import {
  begin,
  changeStates,
  claim,
  claimFree,
  goneKey,
  insertMessages,
  insertReports,
  type Key,
  keysOf,
  leaveRecord,
  lockKeys,
  needAccount,
  type Recording,
  release,
} from './record-statements.ts';
import { type Recorders, recordingTransaction } from './recording-transaction.ts';
import { takeOut } from './taking-out.ts';
import { countWaiting, heldReports, writeWaiting } from './waiting.ts';

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
export async function recordGroup(recorders: Recorders, group: Group, isFull: () => boolean): Promise<Folded> {
  const horizons = group.parts.map(({ batch }) => batch.sentSince);
  // Each of those that are known was found within the horizon of its batch.
  const sentSince = columnMs(group.known ? Math.min(...horizons) : Math.max(...horizons));
  const places = newPlaces(group);
  const gone = new Set<string>();
  let idsMayBeTaken = false;
  const once = () =>
    recordingTransaction(
      recorders,
      { slice: group.slice, sentAts: Array.from(places.wanted.values(), place => place.sentAt) },
      session => record(session, recorders, group, { ...places, gone, sentSince, idsMayBeTaken, isFull }),
      error => {
        if (!isTaken(error) || idsMayBeTaken) return error instanceof Overtaken;
        idsMayBeTaken = true;
        return true;
      },
    );
  // As often as there are keys that lead nowhere: many of an id, where many ids were made to have its hash.
  for (;;) {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof DroppedMessages) || error.keys.every(key => gone.has(key))) throw error;
      for (const key of error.keys) gone.add(key);
    }
  }
}

/** Keys that lead to messages that are not there: dropped, while the keys of their time are not yet, or of another id. */
class DroppedMessages extends Error {
  /** By `goneKey`. */
  readonly keys: readonly string[];

  constructor(keys: readonly string[]) {
    super('messages were dropped');
    this.keys = keys;
  }
}

/** A message was recorded at the moment in which a report was to wait for it. */
class Overtaken extends Error {
  constructor() {
    super('a message came before a report that was to wait for it');
  }
}

type Terms = {
  readonly wanted: ReadonlyMap<string, Place>;
  /** By message id: the numbers of reports that wait if their message is not there. */
  readonly waiting: ReadonlyMap<string, Place>;
  /** The ids that there are reports on, also beside a message of the same group. */
  readonly reported: ReadonlySet<string>;
  /** No more reports may wait, of whatever account. */
  readonly isFull: () => boolean;
  /** By `goneKey`. */
  readonly gone: ReadonlySet<string>;
  readonly sentSince: EpochMs;
  /** Others claim the same ids at this moment: who came first must be asked for. */
  readonly idsMayBeTaken: boolean;
};

async function record(session: Transaction, { database }: Recorders, group: Group, terms: Terms): Promise<Folded> {
  const batches = group.parts.map(({ batch }) => batch);
  const messageIds = [...new Set(batches.flatMap(batch => batch.submissions.map(one => one.messageId)))];
  const { damage, keysWereFolded } = database;
  const [recording, found] = await Promise.all([
    begin(session, group.slice, damage),
    // Where nothing can be a new message, keys that are not folded are read when they are locked.
    terms.wanted.size === 0 && !keysWereFolded
      ? new Map<string, Key>()
      : keysOf({ session, account: group.slice, damage, keysAreFolded: keysWereFolded }, messageIds, terms.gone),
  ]);
  if (recording.layout !== group.layout) throw new Misplaced();
  database.keysWereFolded = recording.keysAreFolded;
  const keys = recording.keysAreFolded && !keysWereFolded ? await keysOf(recording, messageIds, terms.gone) : found;
  const claimed = await claimIds(recording, keys, terms);
  const there = messageIds.filter(messageId => !claimed.has(messageId));
  const [allLocked, heldForNew] = await Promise.all([lockKeys(recording, there), heldReports(recording, [...claimed])]);
  const locked = [...allLocked].filter(([messageId, key]) => standsForMessage(messageId, key, terms));
  const isLeft = (messageId: string) => !standsForMessage(messageId, allLocked.get(messageId), terms);
  if ([...terms.wanted.keys()].some(messageId => !claimed.has(messageId) && isLeft(messageId))) throw new Overtaken();
  const known = await knownMessages(
    recording,
    locked.map(([, key]) => key.place),
  );
  const lost = locked.filter(([messageId]) => !known.has(messageId)).map(one => goneKey(...one));
  if (lost.length > 0) throw new DroppedMessages(lost);
  if (group.known && known.size < messageIds.length) throw new Misplaced();
  const awaited = await awaitedIds(
    recording,
    terms,
    messageId => claimed.has(messageId) || known.has(messageId),
    allLocked,
  );
  // Of a message that is there, something can wait only where its caller may not know of it.
  const isBound = batches.some(({ binding }) => Object.keys(binding).length > 0);
  const others = [...awaited.ids, ...(isBound ? known.keys() : [])];
  const heldForOthers = await heldReports(recording, others);
  const mayWait = [...others, ...claimed].some(messageId => terms.reported.has(messageId)) && !terms.isFull();
  const room = mayWait ? limits.waitingOfAccountMax - (await countWaiting(recording)) : 0;
  const folded = fold(batches, known, {
    placeOf: messageId => placeOf(messageId, terms.wanted, claimed),
    held: [...heldForNew, ...heldForOthers],
    room,
    numberOf: numbersIn(group),
  });
  takeOut(
    recording,
    folded.changes.flatMap(({ identity }) => known.get(identity.messageId)?.sealed ?? []),
  );
  write(recording, folded);
  if (folded.waits.length > 0) needAccount(recording);
  writeWaiting(recording, folded);
  release(recording, awaited.claimed);
  return folded;
}

/**
 * Messages that reports of the group wait for. Whoever records one of them meanwhile must wait for this transaction, and
 * then finds the reports: so its id is claimed too, unless there is a key that is locked and stands for no message.
 */
async function awaitedIds(
  recording: Recording,
  { waiting }: Terms,
  isThere: (messageId: string) => boolean,
  locked: ReadonlyMap<string, Key>,
): Promise<{ readonly ids: readonly string[]; readonly claimed: ReadonlyMap<string, Place> }> {
  const absent = [...waiting].filter(([messageId]) => !isThere(messageId));
  const free = absent.filter(([messageId]) => locked.get(messageId)?.generation !== recording.generation);
  const claimed = await claim(recording, new Map(free), []);
  if (claimed.size < free.length) throw new Overtaken();
  return { ids: absent.map(([messageId]) => messageId), claimed: new Map(free) };
}

/**
 * Claims every id that a new message may have; what cannot be claimed was recorded a moment ago, and is there now. Ids whose keys
 * are folded are claimed for the messages that they have: what this leaves in the youngest generation can be locked.
 */
async function claimIds(
  recording: Recording,
  keys: ReadonlyMap<string, Key>,
  terms: Terms,
): Promise<ReadonlySet<string>> {
  const stands = (messageId: string) => standsForMessage(messageId, keys.get(messageId), terms);
  const free = new Map([...terms.wanted].filter(([messageId]) => !stands(messageId)));
  const folded = [...keys].filter(([messageId, key]) => key.isFolded && stands(messageId));
  const replaced = [...free.keys()]
    .flatMap(messageId => keys.get(messageId) ?? [])
    .filter(key => key.generation === recording.generation);
  if (terms.idsMayBeTaken || replaced.length > 0 || folded.length > 0) {
    const places = folded.map(([messageId, { place }]) => [messageId, place] as const);
    const claimed = await claim(recording, new Map([...free, ...places]), replaced);
    return new Set([...claimed].filter(messageId => free.has(messageId)));
  }
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
function standsForMessage(messageId: string, key: Key | undefined, { sentSince, gone }: Terms): boolean {
  return key !== undefined && key.place.sentAt >= sentSince && !gone.has(goneKey(messageId, key));
}

function placeOf(messageId: string, wanted: ReadonlyMap<string, Place>, claimed: ReadonlySet<string>): Place {
  const place = wanted.get(messageId);
  if (place === undefined || !claimed.has(messageId)) throw new Error('a message is recorded whose id was not claimed');
  return place;
}

/**
 * Where each message would be recorded that is new: the first record of its id that has all it needs is the message; and
 * the ids of which there are only reports.
 */
function newPlaces(group: Group): Pick<Terms, 'wanted' | 'waiting' | 'reported'> {
  const [wanted, waiting] = [new Map<string, Place>(), new Map<string, Place>()];
  const numberOf = numbersIn(group);
  for (const [part, { batch }] of group.parts.entries()) {
    const { submissions, receivedAt, sentSince } = batch;
    for (const [i, submission] of submissions.entries()) {
      const judged = judgeUnknown(submission, receivedAt, sentSince);
      const places = judged === 'message' ? wanted : judged === 'report' ? waiting : undefined;
      if (places === undefined || places.has(submission.messageId)) continue;
      places.set(submission.messageId, { sentAt: submission.sentAt ?? receivedAt, number: numberOf(part, i) });
    }
  }
  const reported = new Set(waiting.keys());
  if (group.known) return { wanted: new Map(), waiting: new Map(), reported };
  for (const messageId of wanted.keys()) waiting.delete(messageId);
  return { wanted, waiting, reported };
}

/** The number of each record: those that were taken before, or else the group's own in its order. */
function numbersIn({ parts, firstNumber }: Group): (part: number, index: number) => number {
  const firsts: number[] = [];
  let next = firstNumber;
  for (const { batch, numbers } of parts) {
    firsts.push(next);
    if (numbers === undefined) next += batch.submissions.length;
  }
  return (part, index) => parts[part]?.numbers?.[index] ?? (firsts[part] ?? 0) + index;
}
