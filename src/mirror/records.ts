import type { EpochMs, Submission } from '../domain/message.ts';
import { parseDateTime } from '../wire/date-time.ts';
import { fieldSources } from '../wire/json-source.ts';
import { parseKept, parseRecordText } from '../wire/record/log-record.ts';

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
  return { ...known, ...lenient(text, essential, value) };
}

/**
 * What can be taken of a record as it is written, which is an object, and what that parses to; a flaw in a field of `needed`
 * leaves nothing.
 */
export function lenient(
  text: string,
  needed: ReadonlySet<string>,
  value: unknown,
): Pick<MirroredRecord, 'submission' | 'flaws'> {
  const parsed = parseKept(value, text);
  if (parsed.submission !== undefined) return { submission: parsed.submission, flaws: [] };
  const flaws = parsed.violations.map(({ property, violation }) => `${property} ${violation}`.trim());
  let flawed = parsed.violations.map(({ property }) => property);
  let left = text;
  // First what is wrong alone, such as a field inside a status that is not known yet; then what is wrong as a whole.
  for (const isWhole of [false, true]) {
    if (flawed.some(property => needed.has(property.split('.')[0] ?? ''))) return { flaws };
    left = without(new Set(flawed.map(property => (isWhole ? (property.split('.')[0] ?? '') : property))), left);
    const again = parseRecordText(left, 'kept');
    if (again.submission !== undefined) return { submission: again.submission, flaws };
    flawed = again.violations.map(({ property }) => property);
  }
  return { flaws };
}

/** The object without some fields: `price`, or `price.tax` for one inside another. */
function without(paths: ReadonlySet<string>, object: string, under = ''): string {
  const fields = [...fieldSources(object)].filter(([name]) => !paths.has(under + name));
  const written = fields.map(([name, { text, depth }]) => {
    const path = `${under}${name}.`;
    const isInside = depth > 0 && text.startsWith('{') && [...paths].some(one => one.startsWith(path));
    return `${JSON.stringify(name)}:${isInside ? without(paths, text, path) : text}`;
  });
  return `{${written.join()}}`;
}
