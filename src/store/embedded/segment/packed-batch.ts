import type { AccountId, Binding, EpochMs, Submission } from '../../../domain/message.ts';
import { newMessageViolations } from '../../../domain/report.ts';
import type { RecordBatch } from '../../store.ts';
import { errorWith, extraIn, statusWith, wordsOf } from '../../words.ts';
import { currencyName, currencyNumber } from '../rows/currency.ts';
import { absentHash, fieldCount, fields, hashOf } from './fields.ts';

/** Between the parts of a packed text. Ids hold no control characters; the content comes last and may hold anything. */
export const partSeparator = '\x1f';

const [, ...optionalFields] = fields;

/** The numbers of one record, side by side; `NaN` stands for absent. */
export const numbersPerRecord = 10;
export const numberAt = {
  sentAt: 0,
  messageCount: 1,
  at: 2,
  doneAt: 3,
  seenAt: 4,
  price: 5,
  currency: 6,
  status: 7,
  error: 8,
  complete: 9,
} as const;

/**
 * A batch on its way to the writer. Threads exchange copies, and copying a thousand objects costs more than storing
 * them: one text and a run of numbers a record are cheap to send and close to how a row is kept.
 */
export type PackedBatch = {
  readonly account: AccountId;
  readonly binding: Binding;
  readonly receivedAt: EpochMs;
  readonly sentSince: EpochMs;
  readonly mayRead: boolean;
  readonly isSnapshot: boolean;
  readonly count: number;
  /** messageId, bulkId, sender, destination, entityId, applicationId, campaignReferenceId, content; '' is absent. */
  readonly texts: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
  /** `fieldCount` hashes a record. */
  readonly hashes: Uint32Array<ArrayBuffer>;
  /** JSON of what a status or error has beyond the registry, and of further fields, for the few that have any. */
  readonly extras: ReadonlyMap<number, string>;
};

export function packBatch(batch: RecordBatch, hashSeed: number): PackedBatch {
  const { account, binding, receivedAt, sentSince, mayRead = true, isSnapshot = false, submissions } = batch;
  const count = submissions.length;
  const texts: string[] = new Array(count);
  const numbers = new Float64Array(count * numbersPerRecord);
  const hashes = new Uint32Array(count * fieldCount);
  const extras = new Map<number, string>();
  const before: (string | undefined)[] = new Array(fieldCount).fill(undefined);
  const hashed = new Uint32Array(fieldCount).fill(absentHash);
  for (let i = 0; i < count; i++) {
    const submission = submissions[i];
    if (submission === undefined) throw new RangeError('a batch has holes');
    texts[i] = packText(submission);
    packNumbers(numbers, i * numbersPerRecord, submission);
    const complete = newMessageViolations(submission, receivedAt, sentSince).length === 0;
    numbers[i * numbersPerRecord + numberAt.complete] = complete ? 1 : 0;
    for (let field = 0; field < fieldCount; field++) {
      const name = fields[field];
      const value = name === undefined ? undefined : submission[name];
      // Neighbours mostly share sender, bulk and campaign, and comparing costs a tenth of hashing.
      if (value !== before[field]) hashed[field] = hashOf(hashSeed, account, field, value);
      before[field] = value;
      hashes[i * fieldCount + field] = hashed[field] ?? absentHash;
    }
    const extra = wordsOf(submission);
    if (extra !== undefined) extras.set(i, extra);
  }
  return { account, binding, receivedAt, sentSince, mayRead, isSnapshot, count, texts, numbers, hashes, extras };
}

function packText(s: Submission): string {
  const text = `${s.messageId}\x1f${s.bulkId ?? ''}\x1f${s.sender ?? ''}\x1f${s.destination ?? ''}\x1f${s.entityId ?? ''}\x1f${s.applicationId ?? ''}\x1f${s.campaignReferenceId ?? ''}\x1f`;
  return text + (s.contentJson ?? '');
}

function packNumbers(numbers: Float64Array, base: number, s: Submission): void {
  numbers[base + numberAt.sentAt] = s.sentAt ?? NaN;
  numbers[base + numberAt.messageCount] = s.messageCount ?? NaN;
  numbers[base + numberAt.at] = s.at ?? NaN;
  numbers[base + numberAt.doneAt] = s.doneAt ?? NaN;
  numbers[base + numberAt.seenAt] = s.seenAt ?? NaN;
  numbers[base + numberAt.price] = s.price?.pricePerMessage ?? NaN;
  numbers[base + numberAt.currency] = s.price === undefined ? NaN : currencyNumber(s.price.currency);
  numbers[base + numberAt.status] = s.status?.key ?? NaN;
  numbers[base + numberAt.error] = s.error?.key ?? NaN;
}

/** Reads one record back: the writer needs the whole of it only when it is a report, or cannot be recorded. */
export function unpackSubmission(batch: PackedBatch, index: number): Submission {
  const submission: Writable<Submission> = splitText(batch.texts[index] ?? '');
  const extra = batch.extras.get(index);
  const number = (offset: number): number | undefined => {
    const value = batch.numbers[index * numbersPerRecord + offset];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  };
  for (const name of ['sentAt', 'messageCount', 'at', 'doneAt', 'seenAt'] as const) {
    const value = number(numberAt[name]);
    if (value !== undefined) submission[name] = value;
  }
  const [price, currency] = [number(numberAt.price), number(numberAt.currency)];
  if (price !== undefined && currency !== undefined)
    submission.price = { pricePerMessage: price, currency: currencyName(currency) };
  const [statusKey, errorKey] = [number(numberAt.status), number(numberAt.error)];
  if (statusKey !== undefined) submission.status = statusWith(statusKey, extra);
  if (errorKey !== undefined) submission.error = errorWith(errorKey, extra);
  const extraJson = extraIn(extra);
  if (extraJson !== undefined) submission.extraJson = extraJson;
  return submission;
}

/** The id of one record, without reading the rest of it. */
export function messageIdIn(batch: PackedBatch, index: number): string {
  const text = batch.texts[index] ?? '';
  return text.slice(0, text.indexOf(partSeparator));
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

type Texts = Pick<Submission, (typeof fields)[number] | 'contentJson'>;

/** What is absent is left out, here as on the wire. */
export function splitText(text: string): Texts {
  let end = text.indexOf(partSeparator);
  const texts: Writable<Texts> = { messageId: text.slice(0, end) };
  for (const name of optionalFields) {
    const from = end + 1;
    end = text.indexOf(partSeparator, from);
    if (end > from) texts[name] = text.slice(from, end);
  }
  if (end + 1 < text.length) texts.contentJson = text.slice(end + 1);
  return texts;
}

/** Which group a status key belongs to: keys are group × 10,000 + id (see domain/registry.ts). */
export function groupOfStatus(key: number): number {
  return Math.floor(key / 10_000);
}
