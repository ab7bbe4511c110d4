import Type, { type TSchema } from 'typebox';
import { breakdownFields } from '../domain/breakdown.ts';
import { errorGroupNames, statusGroupNames } from '../domain/registry.ts';
import { limits } from '../limits.ts';
import { dateTimeRule } from './date-time.ts';

/** The kinds of content the vendor sends. */
export const contentTypes: readonly string[] = [
  'TEXT',
  'IMAGE',
  'VIDEO',
  'AUDIO',
  'DOCUMENT',
  'LOCATION',
  'SENDER_ACTION',
  'TEMPLATE',
  'COMMENT',
  'POST',
  'OPT_IN_FOLLOWUP',
  'MARKETING_MESSAGE',
];

/** No control characters, and no half of a surrogate pair, which no encoding could carry back. */
export const plainText = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$';

/** The same for engines of regular expressions that know no surrogates, and so have no text with half of a pair. */
export const portableText = '^[^\\x00-\\x1f\\x7f-\\x9f]*$';

// Each description says what the value must be: it is read in the OpenAPI document, and in a violation after "must be".
export const text = (charsMax: number) =>
  Type.String({
    minLength: 1,
    maxLength: charsMax,
    pattern: plainText,
    description: `a text of 1 to ${charsMax} characters without control characters`,
  });

export const id = text(limits.idCharsMax);
export const wording = text(limits.descriptionCharsMax);
const name = Type.String({ description: 'a text' });
export const number = Type.Integer({
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'a whole number',
});
export const flag = Type.Boolean({ description: 'true or false' });
export const dateTime = Type.String({ description: dateTimeRule, examples: ['2023-02-01T23:15:03.379+0000'] });

const codeFields = { groupId: number, groupName: name, id: number, name, description: wording };
const statusFields = { ...codeFields, action: wording };
const errorFields = { ...codeFields, permanent: flag };

/** What is registered is known by its id, whatever stands beside it; what is not is kept as it came. */
const codeRule = 'its id, its name, or an object with one of them; and with its group, where it is not registered';
const statusInput = Type.Union([Type.Partial(Type.Object(statusFields)), number, name], {
  description: `a status: ${codeRule}`,
});
const errorInput = Type.Union([Type.Partial(Type.Object(errorFields)), number, name], {
  description: `an error: ${codeRule}`,
});

const currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'three capital letters' });
export const priceInput = Type.Object(
  {
    pricePerMessage: Type.Number({
      minimum: 0,
      maximum: limits.pricePerMessageMax,
      description: `a number from 0 to ${limits.pricePerMessageMax}`,
    }),
    currency,
  },
  { description: 'an object with pricePerMessage and currency' },
);
/** Version 0.1.0 recorded greater prices, too. */
const priceSchema = Type.Object({ pricePerMessage: Type.Number({ minimum: 0 }), currency }, { title: 'Price' });

const platformSchema = Type.Partial(Type.Object({ entityId: id, applicationId: id }), {
  description: 'an object with entityId, applicationId or both',
});

/** A type that the vendor adds is kept like any other. */
export const contentSchema = Type.Object(
  { type: text(limits.idCharsMax) },
  {
    title: 'GivenContent',
    additionalProperties: true,
    isMap: true,
    description: `an object with a type, at most ${limits.contentBytesMax / 1024} KiB as JSON`,
  },
);

const keptContent = Type.Object(
  { type: Type.String() },
  {
    title: 'Content',
    isMap: true,
    description:
      'To the byte as it was recorded, spaces, digits and equal keys too. Where a log is one line (NDJSON, events), a blank stands for each line break in it.',
  },
);

export const messageCount = Type.Integer({
  minimum: 1,
  maximum: limits.messageCountMax,
  description: `a whole number from 1 to ${limits.messageCountMax}`,
});

/** One record as it comes in: a new message, or a report on a known one. A field without a value may be `null`. */
export const recordSchema = Type.Object({
  sender: Type.Optional(id),
  destination: Type.Optional(id),
  bulkId: Type.Optional(id),
  messageId: text(limits.messageIdCharsMax),
  sentAt: Type.Optional(dateTime),
  doneAt: Type.Optional(dateTime),
  seenAt: Type.Optional(dateTime),
  at: Type.Optional(dateTime),
  messageCount: Type.Optional(messageCount),
  price: Type.Optional(priceInput),
  status: Type.Optional(statusInput),
  error: Type.Optional(errorInput),
  platform: Type.Optional(platformSchema),
  content: Type.Optional(contentSchema),
  campaignReferenceId: Type.Optional(id),
});

/** The fields of a record, each with those inside it; none where it is no object, or one whose fields are free. */
export const recordFields: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.keys(recordSchema.properties).map(field => [field, new Set<string>()] as const),
)
  .set('status', new Set(Object.keys(statusFields)))
  .set('error', new Set(Object.keys(errorFields)))
  .set('price', new Set(Object.keys(priceInput.properties)))
  .set('platform', new Set(Object.keys(platformSchema.properties)));

/** A code that is not registered has of these what it came with. */
const readCode = {
  id: Type.Optional(number),
  name: Type.Optional(name),
  description: Type.Optional(wording),
};
/** Of a mirrored log it may be another one, or none. */
function readGroup(names: readonly string[]) {
  const description = `One of ${names.join(', ')}; of a mirrored log what its source calls it, where that is none of these.`;
  return { groupId: Type.Optional(number), groupName: Type.Optional({ ...name, description }) };
}
export const statusSchema = Type.Object(
  { ...readGroup(statusGroupNames), ...readCode, action: Type.Optional(wording) },
  { title: 'Status' },
);
export const errorSchema = Type.Object(
  { ...readGroup(errorGroupNames), ...readCode, permanent: Type.Optional(flag) },
  { title: 'DeliveryError' },
);
const readPlatform = Type.Partial(Type.Object({ entityId: id, applicationId: id }), { title: 'Platform' });

const logFields = {
  sender: id,
  // Of a message that was to be sent to nobody it is empty.
  destination: Type.String({ maxLength: limits.idCharsMax, pattern: plainText }),
  bulkId: Type.Optional(id),
  messageId: text(limits.messageIdCharsMax),
  sentAt: dateTime,
  doneAt: Type.Optional(dateTime),
  messageCount,
  price: Type.Optional(priceSchema),
  status: statusSchema,
  error: errorSchema,
  platform: Type.Optional(readPlatform),
  content: keptContent,
  campaignReferenceId: Type.Optional(id),
} satisfies Record<string, TSchema>;

/** One log as it is read. */
export const logSchema = Type.Object(logFields, { title: 'Log' });

export const pageSchema = Type.Object(
  {
    results: Type.Array(logSchema),
    cursor: Type.Optional(
      Type.Object(
        {
          limit: Type.Integer({ minimum: 1, maximum: limits.pageLogsMax }),
          nextCursor: Type.Optional(Type.String({ description: 'Absent on the last page.' })),
        },
        { title: 'Cursor' },
      ),
    ),
    searchedSince: Type.Optional(
      Type.String({
        description:
          'Where `text` was looked for until the time was over: what was sent later than this has been looked through. `nextCursor` goes on from there, also where no cursor was asked for.',
      }),
    ),
  },
  { title: 'Page' },
);

/** One message with what was reported of it, oldest first. */
export const historySchema = Type.Object(
  {
    ...logFields,
    seenAt: Type.Optional(dateTime),
    timeline: Type.Array(
      Type.Object(
        { at: dateTime, status: statusSchema, error: errorSchema, receivedAt: dateTime },
        { title: 'TimelineEntry' },
      ),
    ),
    omitted: Type.Optional(
      Type.Integer({
        description: `How many reports the timeline leaves out, between its first ${limits.timelineFirstMax} reports and its newest ${limits.timelineNewestMax}; absent when it has all.`,
      }),
    ),
  },
  { title: 'Message' },
);

export const violationSchema = Type.Object(
  { property: Type.String(), violation: Type.String() },
  { title: 'Violation' },
);

export const errorBodySchema = Type.Object(
  {
    errorCode: Type.String({ pattern: '^E[0-9]{3}$' }),
    description: Type.String(),
    action: Type.String(),
    violations: Type.Array(violationSchema),
    resources: Type.Array(Type.Object({ name: Type.String(), url: Type.String() }, { title: 'Resource' })),
  },
  { title: 'ApiError' },
);

const count = Type.Integer({ minimum: 0 });

export const outcomeSchema = Type.Object(
  {
    recorded: count,
    updated: count,
    unchanged: Type.Integer({
      minimum: 0,
      description: 'Counted under `updated` for a key that may only write: it would tell what the message is.',
    }),
    waiting: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Reports whose message was not there when they were taken; they are applied when it is recorded. Absent when there are none.',
      }),
    ),
    flawed: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          "Contents that were taken though a field is missing or beyond its bounds by the vendor's schema of their type. Absent when there are none.",
      }),
    ),
    rejected: Type.Array(
      Type.Object(
        { index: count, messageId: Type.Optional(Type.String()), violations: Type.Array(violationSchema) },
        { title: 'Rejection' },
      ),
    ),
    rejectedCount: Type.Optional(
      Type.Integer({ minimum: 0, description: 'All rejected records, where there are more than `rejected` lists.' }),
    ),
  },
  { title: 'Outcome' },
);

const groupsSchema = Type.Object(Object.fromEntries(statusGroupNames.map(groupName => [groupName, count])), {
  title: 'GroupCounts',
  description: 'Messages by the group of their present status.',
});
const milliseconds = Type.Integer({ minimum: 0, description: 'Milliseconds.' });
const failureCounts = (key: string) =>
  Type.Optional(Type.Array(Type.Object({ [key]: Type.String(), count }), { description: 'The most frequent first.' }));

const deliverySchema = Type.Object(
  { p50: Type.Optional(milliseconds), p95: Type.Optional(milliseconds), count },
  { description: 'From `sentAt` to `doneAt` of delivered messages that have one, to within 1 %.' },
);
const pricesSchema = Type.Array(Type.Object({ currency: Type.String(), sum: Type.Optional(Type.Number()), count }), {
  description: 'What messages cost, by currency. A sum is absent where a price in it is too great to be added.',
});
const breakdownSchema = Type.Object(
  {
    by: Type.Array(Type.Enum([...breakdownFields])),
    rows: Type.Array(
      Type.Object(
        {
          ...Object.fromEntries(breakdownFields.map(field => [field, Type.Optional(Type.String())])),
          messages: count,
          failed: Type.Integer({ minimum: 0, description: 'Of the messages, undeliverable, expired or rejected.' }),
          deliveryMs: deliverySchema,
          prices: pricesSchema,
        },
        { title: 'BreakdownRow', description: 'A field of `by` is absent in the row of messages that have none.' },
      ),
      {
        description:
          'By messages, the most first; by failed ones, where `error` is among the fields. Beside figures that are compared, the same rows in the same order.',
      },
    ),
    more: Type.Integer({ minimum: 0, description: 'Further rows, which are not told.' }),
  },
  {
    title: 'Breakdown',
    description: `Absent where there was not the time for it, beyond ${limits.breakdownRowsMax} rows, and over PostgreSQL beyond ${limits.breakdownFiguresMax} figures, one for each group, currency and length of delivery time of a row; then the summary is not \`complete\`.`,
  },
);

const summaryFields = {
  from: dateTime,
  to: dateTime,
  bucketMs: milliseconds,
  complete: Type.Boolean({
    description:
      'False when time ran out, and what is absent then is unknown, and not 0; when there are `gaps`; and when the log lost some of the range to damage, which is then in no figure.',
  }),
  gaps: Type.Optional(
    Type.Array(Type.Object({ from: dateTime, to: dateTime, reason: Type.String() }), {
      description: 'Ranges of time that a mirror could not read; what was sent then may be missing in every figure.',
    }),
  ),
  total: Type.Optional(count),
  groups: Type.Optional(groupsSchema),
  buckets: Type.Array(Type.Object({ from: dateTime, groups: groupsSchema })),
  deliveryMs: Type.Optional(deliverySchema),
  prices: Type.Optional(pricesSchema),
  failures: Type.Optional(
    Type.Object(
      {
        errors: failureCounts('name'),
        senders: failureCounts('sender'),
        campaigns: failureCounts('campaignReferenceId'),
      },
      { description: 'What stands most often in messages that are undeliverable, expired or rejected.' },
    ),
  ),
  breakdown: Type.Optional(breakdownSchema),
};

/** Figures of all that matches; what is absent could not be finished in time. */
export const summarySchema = Type.Object(
  {
    ...summaryFields,
    compared: Type.Optional(
      Type.Object(summaryFields, {
        title: 'ComparedSummary',
        description:
          'The same of the range that `compare` names, in buckets as long, of which there may be more. Not `complete`, and without figures, where some of it is older than the log keeps messages.',
      }),
    ),
  },
  { title: 'Summary' },
);
