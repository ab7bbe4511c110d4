import Type, { type TSchema } from 'typebox';
import { breakdownFields } from '../../domain/breakdown.ts';
import { type FilterField, filterFields } from '../../domain/filter-fields.ts';
import { statusGroupNames } from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { dateTimePattern } from '../date-time.ts';

const controls = '\\x00-\\x1f\\x7f-\\x9f';

/** Without control characters. */
const text = (description: string) => Type.String({ minLength: 1, pattern: `^[^${controls}]+$`, description });
/** Empty, it is what one has who has none yet. */
const place = (description: string) => Type.String({ pattern: `^[^${controls}]*$`, description });
const dateTime = (description: string) =>
  Type.String({
    pattern: dateTimePattern,
    description,
    examples: ['2020-02-22T17:42:05.390+01:00', '2020-02-22T16:42:05.390Z'],
  });

const listForms =
  'Comma-separated, repeated, as `name[]` or as `name[0]`. `\\,` is a comma inside a value; blanks around a value do not count, unless it was recorded with them.';

const words = (description: string): TSchema =>
  Type.String({
    minLength: 1,
    maxLength: limits.textCharsMax,
    // Beside others one that is neither a control character nor a sign of ASCII.
    pattern: `^[^${controls}]*[^${controls} -/:-@\\[-\`{-~][^${controls}]*$`,
    description,
    examples: ['invoice "due today"', '4f1c-99'],
  });

/** The parameters of every call that reads logs, in the order of the vendor's page. */
export const filterParameters: { readonly [name: string]: TSchema } = {
  ...Object.fromEntries(filterFields.map(field => [field.name, parameterOf(field)])),
  ...Object.fromEntries(filterFields.map(field => [excluded(field.name), exclusionOf(field)])),
  sentSince: dateTime('Sent at this moment or later.'),
  sentUntil: dateTime(
    'Sent before this moment. Alone, `sentBefore` is another name of it. In a range that ends before it begins there is nothing.',
  ),
  sentBefore: dateTime('Another name of `sentUntil`; not beside it.'),
};

/** The parameter that excludes what the one of this name asks for. */
export function excluded(name: string): string {
  return `${name}[not]`;
}

function parameterOf(field: FilterField): TSchema {
  const { noun, many } = field;
  if (field.kind === 'words')
    return words(
      `Ours: messages with all of these words, whatever their order, case and accents, in their content or ids; "a phrase" in quotation marks has its words side by side. Words are whole, but in ids ${limits.textPartCharsMin} characters of any part are enough. At most ${limits.textTermsMax} words and phrases. An answer that looked messages through for too long has \`searchedSince\` and a cursor.`,
    );
  if (!many) return text(`The ${noun}, exact match.`);
  const bound = `at most ${limits.idListCharsMax} characters together`;
  return Type.Array(oneOf(field), { minItems: 1, description: `One of these: the ${noun}, ${bound}. ${listForms}` });
}

function exclusionOf(field: FilterField): TSchema {
  const { name, noun, many } = field;
  if (field.kind === 'words') return words('Ours: messages that `text` would not find by this.');
  const description = `Not this ${noun}. In the forms of \`${name}\`.`;
  return many ? Type.Array(oneOf(field), { minItems: 1, description }) : text(description);
}

/** One value of a list. */
function oneOf({ kind }: Pick<FilterField, 'kind'>): TSchema {
  if (kind === 'group') return Type.Enum([...statusGroupNames]);
  if (kind === 'code') return Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
  // Something beside commas, which alone are no value.
  return Type.String({ minLength: 1, pattern: `^,*[^,${controls}][^${controls}]*$` });
}

/** The parameters of a call that gives pages. */
export const pageParameters = {
  limit: Type.Integer({
    minimum: 1,
    maximum: limits.pageLogsMax,
    default: limits.pageLogsDefault,
    description: 'Logs of one page.',
  }),
  useCursor: Type.Boolean({ default: false, description: 'Asks for a `cursor` in the answer.' }),
  cursor: place(
    'The `nextCursor` of the page before, with the same filters; implies `useCursor`. Empty beside `useCursor`: the first page.',
  ),
};

export const exportFormats = ['ndjson', 'csv'] as const;

export const exportParameters = {
  format: Type.Enum([...exportFormats], { default: 'ndjson', description: 'One log a line, as JSON or as CSV.' }),
};

/** Which other range a summary has the figures of, too. */
export const comparisons = ['previous', 'yesterday', 'week'] as const;

export const summaryParameters = {
  buckets: Type.Integer({
    minimum: 1,
    maximum: limits.summaryBucketsMax,
    default: limits.summaryBucketsDefault,
    description: 'Into how many parts of equal length the time is divided at most; each is a number of whole minutes.',
  }),
  compare: Type.Enum([...comparisons], {
    description:
      'Gives the figures of another range beside: the one as long right before, or the same a day or a week before by the clock of `timeZone`.',
  }),
  timeZone: Type.String({
    pattern: '^[A-Za-z0-9_+:/-]+$',
    description:
      'The name of a time zone of the IANA. By its clock buckets begin on round times (ten minutes, hours, days), and a day has 23 or 25 hours where it is changed. Without it the first bucket begins with the range, and days are those of UTC.',
    examples: ['Europe/Zagreb', 'America/New_York', 'UTC'],
  }),
  by: Type.Array(Type.Enum([...breakdownFields]), {
    minItems: 1,
    maxItems: limits.breakdownFieldsMax,
    description: `Breaks the figures down by one of these, or by two: \`error,campaignReferenceId\` gives what failed most, and in which campaign. ${listForms}`,
  }),
  first: Type.Integer({
    minimum: 1,
    maximum: limits.breakdownRowsShownMax,
    default: limits.breakdownRowsShownDefault,
    description: 'Of how many values, the most frequent first, a breakdown has the figures.',
  }),
};

export const streamParameters = {
  lastEventId: place(
    'Goes on after this event, as the header `Last-Event-ID` does; the header goes first. Empty: from now on.',
  ),
};

/** The parameters of the call that gives reports, each with one value, in the order of the vendor's page. */
export const reportsParameters = {
  bulkId: text('Bulk id, exact match.'),
  messageId: text('Message id, exact match.'),
  limit: Type.Integer({
    minimum: 1,
    maximum: limits.pageLogsMax,
    default: limits.pageLogsDefault,
    description: 'Reports of one answer.',
  }),
  entityId: text('The entity, exact match.'),
  applicationId: text('The application, exact match.'),
  campaignReferenceId: text('Campaign reference, exact match.'),
};
