import type { Static } from 'typebox';
import type { EpochMs, Price, Submission, Violation } from '../../domain/message.ts';
import { isRegistered } from '../../domain/registry.ts';
import { contentSource } from '../content-text.ts';
import { dateTimeRule, parseDateTime } from '../date-time.ts';
import { contentTypes, recordSchema } from '../log-schemas.ts';
import { type FlawedRecord, isPlainObject, withoutFlaws } from '../record-flaws.ts';
import { checkOf } from '../schema-check.ts';
import { contentFlaws } from './content-flaws.ts';
import { type Groups, readError, readStatus } from './delivery-codes.ts';
import { type Parted, parted } from './further-fields.ts';

/** What came of one record: a submission, or everything that is wrong with it and its `messageId` if that is sound. */
export type ParsedRecord =
  | {
      readonly submission: Submission;
      readonly unregistered?: readonly Unregistered[];
      /** What of its content is not as the vendor's schema has it. */
      readonly contentFlaws?: readonly Violation[];
      readonly messageId?: never;
      readonly violations?: never;
    }
  | {
      readonly submission?: never;
      readonly unregistered?: never;
      readonly contentFlaws?: never;
      readonly messageId?: string;
      readonly violations: readonly Violation[];
    };

/** What of a record is kept although the vendor's lists of this version do not have it. */
export type Unregistered = 'status' | 'error' | 'content type' | 'further field';

type RecordInput = Static<typeof recordSchema>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const knownTypes: ReadonlySet<string> = new Set(contentTypes);
const recordCheck = checkOf(recordSchema);

/**
 * One record from JSON text. A violation of the record as a whole has an empty `property`. Fields that this version does
 * not know are kept in a status and an error, to which vendors add; elsewhere they are refused, since of a mistyped one
 * the message would have what stands for none; or `kept`, where a log comes from a side that may have more.
 */
export function parseRecordText(text: string, further: 'refused' | 'kept' = 'refused'): ParsedRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { violations: [{ property: '', violation: `is not JSON: ${error.message}` }] };
  }
  return further === 'kept' ? parseKept(value, text) : parseRecord(value, text);
}

/** As `parseRecordText(text, 'kept')`, of a text that was parsed already. */
export function parseKept(value: unknown, text: string): ParsedRecord {
  return isPlainObject(value) ? parseWhole(value, text) : parseRecord(value, text);
}

/** With all that it has beside what is known. */
function parseWhole(value: Readonly<Record<string, unknown>>, text: string): ParsedRecord {
  const tooMuch: Violation[] = [];
  const { known, ...further } = parted(value, text, tooMuch);
  const parsed = parseRecord(known, text, 'any');
  if (parsed.submission !== undefined && tooMuch.length === 0)
    return { ...parsed, submission: withFurther(parsed.submission, further) };
  const { messageId, violations = [] } = parsed;
  return { ...(messageId !== undefined && { messageId }), violations: [...violations, ...tooMuch] };
}

function withFurther(submission: Submission, { status, error, extraJson }: Omit<Parted, 'known'>): Submission {
  return {
    ...submission,
    ...(submission.status && status && { status: { ...submission.status, furtherJson: status } }),
    ...(submission.error && error && { error: { ...submission.error, furtherJson: error } }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

/**
 * As `parseRecordText(text)`, of a text that was parsed already. The sound ones take the short way; only a flawed one is
 * looked at field by field.
 */
export function parseRecord(value: unknown, text: string, groups: Groups = 'known'): ParsedRecord {
  if (!recordCheck.Check(value) || hasUnknownFields(value)) return parseFlawed(value, text, groups);
  const violations: Violation[] = [];
  const submission = submissionOf(value, text, violations, groups);
  return violations.length === 0 ? accepted(submission, value) : { messageId: value.messageId, violations };
}

/** A record that is sound once its `null` fields are left out, or all that is wrong with it. */
function parseFlawed(value: unknown, text: string, groups: Groups): ParsedRecord {
  if (!isPlainObject(value)) return { violations: [{ property: '', violation: 'must be a JSON object' }] };
  const tooMuch: Violation[] = [];
  // Where any group is taken, whoever asks has parted the record already.
  const { known, ...further } = groups === 'known' ? parted(value, text, tooMuch, 'codes') : { known: value };
  const { sound, violations }: FlawedRecord = withoutFlaws(known);
  const { messageId } = sound;
  const told = [...violations, ...tooMuch];
  const submission = withFurther(submissionOf({ ...sound, messageId: messageId ?? '' }, text, told, groups), further);
  if (told.length === 0) return accepted(submission, sound);
  if (messageId === undefined) told.push(...lackedByMessage(value));
  return { violations: told, ...(messageId !== undefined && { messageId }) };
}

function accepted(submission: Submission, { content }: Partial<RecordInput>): ParsedRecord {
  const { status, error } = submission;
  const isNewType = content !== undefined && !knownTypes.has(content.type);
  const flaws = content === undefined ? [] : contentFlaws(content);
  // Nearly always so, and asked of every record.
  if (
    !isNewType &&
    flaws.length === 0 &&
    (status === undefined || (isRegistered(status) && status.furtherJson === undefined)) &&
    (error === undefined || (isRegistered(error) && error.furtherJson === undefined))
  )
    return { submission };
  const unregistered: Unregistered[] = [];
  if (status !== undefined && !isRegistered(status)) unregistered.push('status');
  if (error !== undefined && !isRegistered(error)) unregistered.push('error');
  if (isNewType) unregistered.push('content type');
  if ((status?.furtherJson ?? error?.furtherJson) !== undefined) unregistered.push('further field');
  return {
    submission,
    ...(unregistered.length > 0 && { unregistered }),
    ...(flaws.length > 0 && { contentFlaws: flaws }),
  };
}

/** Without a sound id it is no report on a known message: what a new one must have is asked of it, all in one answer. */
function lackedByMessage(value: Readonly<Record<string, unknown>>): readonly Violation[] {
  const { sender, destination, content } = value;
  return Object.entries({ sender, destination, content })
    .filter(([, given]) => given === undefined || given === null || given === '')
    .map(([property]) => ({ property, violation: 'is required for a new message' }));
}

function submissionOf(record: RecordInput, text: string, violations: Violation[], groups: Groups): Submission {
  const submission: Mutable<Submission> = { messageId: record.messageId };
  if (record.sender !== undefined) submission.sender = record.sender;
  if (record.destination !== undefined) submission.destination = record.destination;
  if (record.bulkId !== undefined) submission.bulkId = record.bulkId;
  if (record.campaignReferenceId !== undefined) submission.campaignReferenceId = record.campaignReferenceId;
  if (record.messageCount !== undefined) submission.messageCount = record.messageCount;
  if (record.price !== undefined) submission.price = priceOf(record.price);
  if (record.platform?.entityId !== undefined) submission.entityId = record.platform.entityId;
  if (record.platform?.applicationId !== undefined) submission.applicationId = record.platform.applicationId;
  takeDates(record, submission, violations);
  takeCodes(record, submission, violations, groups);
  if (record.content !== undefined) {
    const contentJson = contentSource(text, violations);
    if (contentJson !== undefined) submission.contentJson = contentJson;
  }
  return submission;
}

/** -0 is 0: a price is written and read as a number, and an engine need not tell the two apart. */
function priceOf(price: Price): Price {
  return price.pricePerMessage === 0 ? { ...price, pricePerMessage: 0 } : price;
}

function takeDates(record: RecordInput, submission: Mutable<Submission>, violations: Violation[]): void {
  const sentAt = moment(record.sentAt, 'sentAt', violations);
  if (sentAt !== undefined) submission.sentAt = sentAt;
  const doneAt = moment(record.doneAt, 'doneAt', violations);
  if (doneAt !== undefined) submission.doneAt = doneAt;
  const seenAt = moment(record.seenAt, 'seenAt', violations);
  if (seenAt !== undefined) submission.seenAt = seenAt;
  const at = moment(record.at, 'at', violations);
  if (at !== undefined) submission.at = at;
}

function takeCodes(
  record: RecordInput,
  submission: Mutable<Submission>,
  violations: Violation[],
  groups: Groups,
): void {
  if (record.status !== undefined && record.status !== '') {
    const status = readStatus(record.status, violations, groups);
    if (status !== undefined) submission.status = status;
  }
  if (record.error !== undefined && record.error !== '') {
    const error = readError(record.error, violations, groups);
    if (error !== undefined) submission.error = error;
  }
}

function moment(text: string | undefined, property: string, violations: Violation[]): EpochMs | undefined {
  if (text === undefined || text === '') return undefined;
  const parsed = parseDateTime(text);
  if (parsed === undefined) violations.push({ property, violation: `must be ${dateTimeRule}` });
  return parsed;
}

/** Counted, not looked up one by one: this is asked of every record. */
function hasUnknownFields(record: RecordInput): boolean {
  const { price, status, error, platform } = record;
  return (
    fieldCount(record) !== knownCount(record) ||
    (price !== undefined && fieldCount(price) !== 2) ||
    (typeof status === 'object' && fieldCount(status) !== codeCount(status) + given(status.action)) ||
    (typeof error === 'object' && fieldCount(error) !== codeCount(error) + given(error.permanent)) ||
    (platform !== undefined && fieldCount(platform) !== given(platform.entityId) + given(platform.applicationId))
  );
}

function knownCount(record: RecordInput): number {
  return (
    1 +
    given(record.sender) +
    given(record.destination) +
    given(record.bulkId) +
    given(record.sentAt) +
    given(record.doneAt) +
    given(record.seenAt) +
    given(record.at) +
    given(record.messageCount) +
    given(record.price) +
    given(record.status) +
    given(record.error) +
    given(record.platform) +
    given(record.content) +
    given(record.campaignReferenceId)
  );
}

type CodeFields = { groupId?: number; groupName?: string; id?: number; name?: string; description?: string };

function codeCount(code: CodeFields): number {
  return given(code.groupId) + given(code.groupName) + given(code.id) + given(code.name) + given(code.description);
}

function given(value: unknown): 0 | 1 {
  return value === undefined ? 0 : 1;
}

function fieldCount(value: object): number {
  let count = 0;
  for (const _field in value) count++;
  return count;
}
