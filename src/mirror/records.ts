import type { EpochMs, Submission } from '../domain/message.ts';
import { parseDateTime } from '../wire/date-time.ts';
import { fieldSources } from '../wire/json-source.ts';
import { parseRecordText } from '../wire/log-record.ts';

/** What became of one message of an answer. */
export type MirroredRecord = {
  /** Absent when nothing can be made of it. */
  readonly submission?: Submission;
  readonly messageId?: string;
  readonly sentAt?: EpochMs;
  /** What could not be taken as it came. */
  readonly flaws: readonly string[];
};

/** Without these there is no message. */
const essential: ReadonlySet<string> = new Set(['messageId', 'sender', 'destination', 'sentAt', 'content', '']);

/**
 * A message as the other side's log writes it, which is JSON. It is not for us to refuse what is there: a field that
 * cannot be taken is left out, and told.
 */
export function mirroredRecord(text: string): MirroredRecord {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { flaws: ['is no object'] };
  const sentAt = 'sentAt' in value && typeof value.sentAt === 'string' ? parseDateTime(value.sentAt) : undefined;
  const messageId = 'messageId' in value && typeof value.messageId === 'string' ? value.messageId : undefined;
  const known = { ...(messageId !== undefined && { messageId }), ...(sentAt !== undefined && { sentAt }) };
  if (sentAt === undefined) return { ...known, flaws: ['sentAt is no date-time'] };
  return { ...known, ...lenient(text, essential) };
}

/** What can be taken of a record as it is written, which is an object; a flaw in a field of `needed` leaves nothing. */
export function lenient(text: string, needed: ReadonlySet<string>): Pick<MirroredRecord, 'submission' | 'flaws'> {
  const parsed = parseRecordText(text);
  if (parsed.submission !== undefined) return { submission: parsed.submission, flaws: [] };
  const flaws = parsed.violations.map(({ property, violation }) => `${property} ${violation}`.trim());
  const flawed = new Set(parsed.violations.map(({ property }) => property.split('.')[0] ?? ''));
  if ([...flawed].some(property => needed.has(property))) return { flaws };
  const again = parseRecordText(without(flawed, text));
  return { ...(again.submission !== undefined && { submission: again.submission }), flaws };
}

function without(names: ReadonlySet<string>, object: string): string {
  const fields = [...fieldSources(object)].filter(([name]) => !names.has(name));
  return `{${fields.map(([name, source]) => `${JSON.stringify(name)}:${source.text}`).join()}}`;
}
