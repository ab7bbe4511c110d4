import { Slices } from '../../slices.ts';
import type { AddBatch, Claimed, NewMessage, Untold, Want } from '../outbox.ts';
import { laneIndex } from '../states.ts';
import { firstSubmissionOf, type Step, submissionOf } from '../telling.ts';
import { type Cells, number, optionalNumber, string } from './cells.ts';
import type { AddedMessage, AddedMessages, ClaimedRow } from './messages.ts';

/** What is asked of the thread that holds the file, and what it answers, as they go between threads: see `AddedMessage`. */

/** A message may have 64 KiB. */
const messagesAtOnce = 20;

/** Gives way in between: one batch may have ten thousand messages, and megabytes of contents. */
export async function addedOf({ account, messages, now }: AddBatch): Promise<AddedMessages> {
  const texts: string[] = [];
  const slices = new Slices();
  for (let from = 0; from < messages.length; from += messagesAtOnce) {
    texts.push(JSON.stringify(messages.slice(from, from + messagesAtOnce).map(addedMessage)));
    const pause = slices.pause();
    if (pause !== undefined) await pause;
  }
  return { account, texts, now };
}

function addedMessage({ lane, price, end, ...message }: NewMessage): AddedMessage {
  const { messageId, sender, destination, dueAt, expiresAt } = message;
  return [
    messageId,
    sender,
    destination,
    laneIndex(lane),
    dueAt,
    expiresAt,
    price === undefined ? null : JSON.stringify(price),
    JSON.stringify(message),
    end?.statusKey ?? null,
    end?.errorKey ?? null,
  ];
}

/** This process wrote them. */
export function addedIn(text: string): readonly AddedMessage[] {
  return JSON.parse(text);
}

export function claimedIn(wants: readonly Want[], answers: readonly (readonly ClaimedRow[])[]): readonly Claimed[] {
  return answers.flatMap((rows, index) => {
    const want = wants[index];
    if (want === undefined) throw new RangeError('the outbox answered what it was not asked');
    const { account, sender, lane } = want;
    return rows.map(([id, tries, body]) => ({ id, account, sender, lane, message: JSON.parse(body), tries }));
  });
}

/** A row of `TellingRows.untold`. */
export function untoldIn([id, account, messageId, at, status, error, done, seen, body, price]: Cells): Untold {
  const [statusKey, errorKey] = [optionalNumber(status), optionalNumber(error)];
  const [doneAt, seenAt] = [optionalNumber(done), optionalNumber(seen)];
  const step: Step = {
    at: number(at),
    isFirst: body !== null,
    ...(statusKey !== undefined && { statusKey }),
    ...(errorKey !== undefined && { errorKey }),
    ...(doneAt !== undefined && { doneAt }),
    ...(seenAt !== undefined && { seenAt }),
    ...(price !== null && { price: JSON.parse(string(price)) }),
  };
  const submission =
    body === null ? submissionOf(string(messageId), step) : firstSubmissionOf(JSON.parse(string(body)), step);
  return { id: number(id), account: number(account), submission };
}
