import Type, { type TSchema } from 'typebox';
import { deliveryErrors, errorGroupNames, statuses, statusGroupNames } from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { dateTimePattern, dateTimeRule } from '../date-time.ts';
import {
  contentSchema,
  flag,
  id,
  messageCount,
  number,
  plainText,
  portableText,
  priceInput,
  text,
} from '../log-schemas.ts';

/*
 * A record as the API's description has it: two shapes, a new message and a report, each with what is asked of it. What
 * comes in is checked by `recordSchema`, since which of the two it is shows only in the log.
 */

/** Where it may be absent an empty text counts as that. */
const optionalId = Type.Optional(Type.String({ maxLength: limits.idCharsMax, pattern: plainText }));
const optionalWording = Type.Optional(Type.String({ maxLength: limits.descriptionCharsMax, pattern: plainText }));

type Code = { readonly id: number; readonly name: string };

/** Those that name one code by themselves. */
function sole<T extends string | number>(codes: readonly Code[], of: (code: Code) => T): readonly T[] {
  return [...Map.groupBy(codes, of)].filter(([, alike]) => alike.length === 1).map(([value]) => value);
}

/**
 * What holds of an object besides the kinds of its fields. Said so that generators pass over it: of alternatives that have
 * fields, many make one class that asks for those of all.
 */
function oneOfThese(...anyOf: readonly Condition[]) {
  return { if: { anyOf }, else: { not: {} } };
}

type Condition = { readonly required: readonly string[]; readonly properties: Readonly<Record<string, object>> };

const codeText = { type: 'string', minLength: 1, maxLength: limits.idCharsMax, pattern: portableText };

function codeSchema(
  title: string,
  codes: readonly Code[],
  groupNames: readonly string[],
  more: Record<string, TSchema>,
) {
  const ids = sole(codes, code => code.id);
  const names = sole(codes, code => code.name);
  const groups = { groupId: { enum: groupNames.map((_, groupId) => groupId) }, groupName: { enum: groupNames } };
  const ofGroups = Object.entries(groups).flatMap(([group, given]) => [
    { required: ['name', group], properties: { name: codeText, [group]: given } },
    {
      required: ['id', group],
      properties: {
        id: { type: 'integer' },
        name: { ...codeText, type: ['string', 'null'], minLength: 0 },
        [group]: given,
      },
    },
  ]);
  const fields = Type.Object(
    {
      groupId: Type.Optional(number),
      groupName: Type.Optional(Type.String()),
      id: Type.Optional(number),
      name: Type.Optional(Type.String()),
      description: optionalWording,
      ...more,
    },
    {
      title: `${title}Fields`,
      // The vendor adds fields: an error has permanent, and a status of its webhooks too.
      additionalProperties: true,
      description:
        'By its number or its name, if that is registered; else by either, and its group by number or name. Further fields are kept as they came.',
      ...oneOfThese(
        // Whatever is said beside such a number or name, that decides.
        { required: ['id'], properties: { id: { enum: ids } } },
        {
          required: ['name'],
          properties: { name: { enum: names } },
        },
        ...ofGroups,
      ),
    },
  );
  // An empty text counts as none.
  return oneOf(
    title,
    'What is registered by its number or its name; what is not with its group, and kept as it came.',
    [fields, Type.Enum([...ids]), Type.Enum([...names, ''])],
  );
}

/** Of alternatives that exclude each other by their fields, generators make types that can be told apart. */
function oneOf(title: string, description: string, alternatives: readonly TSchema[]): TSchema {
  return Type.Unsafe({ title, description, oneOf: alternatives });
}

const optionalMoment = Type.Optional(
  Type.String({
    pattern: `^(?:${dateTimePattern.slice(1, -1)})?$`,
    description: `${dateTimeRule}; not more than five minutes in the future`,
    examples: ['2023-02-01T23:15:03.379+0000'],
  }),
);

/** As the vendor writes what has no price, or none yet: it counts as absent. */
const none = { enum: ['UNKNOWN', '', null] };
/**
 * Not as `oneOf`: a price and one that says there is none have the same fields, and Java's clients, which count what a value
 * fits, look at names alone. Of `anyOf` clients take the first that fits. Some make one class of all, so a field that two
 * alternatives have is of one type in both.
 */
const givenPrice = Type.Unsafe({
  title: 'GivenPrice',
  description: 'What the message cost, for each of its `messageCount`.',
  anyOf: [
    Type.Object(priceInput.properties, {
      title: 'GivenAmount',
      description: 'What it cost, and in what currency.',
    }),
    Type.Object(
      { currency: Type.Optional(Type.String()) },
      {
        title: 'GivenNoPrice',
        additionalProperties: true,
        description: 'No price: `pricePerMessage` or `currency` is `UNKNOWN`, empty or null.',
        ...oneOfThese(
          { required: ['pricePerMessage'], properties: { pricePerMessage: none } },
          { required: ['currency'], properties: { currency: none } },
        ),
      },
    ),
    Type.Enum(['UNKNOWN']),
  ],
});

const said = {
  status: codeSchema('GivenStatus', statuses, statusGroupNames, { action: optionalWording }),
  error: codeSchema('GivenError', deliveryErrors, errorGroupNames, { permanent: Type.Optional(flag) }),
  doneAt: optionalMoment,
  seenAt: optionalMoment,
  price: givenPrice,
  at: optionalMoment,
};
const optionalSaid = Object.fromEntries(Object.entries(said).map(([name, schema]) => [name, Type.Optional(schema)]));

const identity = {
  bulkId: optionalId,
  sentAt: optionalMoment,
  messageCount: Type.Optional(messageCount),
  platform: Type.Optional(
    Type.Object(
      { entityId: optionalId, applicationId: optionalId },
      { title: 'GivenPlatform', description: 'Of either what there is.' },
    ),
  ),
  campaignReferenceId: optionalId,
};

const messageId = text(limits.messageIdCharsMax);

export const newMessageSchema = Type.Object(
  { messageId, sender: id, destination: id, content: contentSchema, ...identity, ...optionalSaid },
  {
    title: 'MessageSubmission',
    description: 'A message that is not in the log yet. Of a message that is, the same may be said again.',
  },
);

const isSaid = { not: { enum: [null, ''] } };
const isPrice = {
  type: 'object',
  required: ['pricePerMessage', 'currency'],
  properties: { pricePerMessage: { type: 'number' }, currency: { type: 'string', pattern: '^[A-Z]{3}$' } },
};

export const messageReportSchema = Type.Object(
  { messageId, ...identity, ...optionalSaid },
  {
    title: 'ReportSubmission',
    description: `What became of a message; it may come before the message does. Of ${Object.keys(said).join(', ')} it says one at least.`,
    ...oneOfThese(
      ...Object.keys(said).map(name => ({
        required: [name],
        properties: { [name]: name === 'price' ? isPrice : isSaid },
      })),
    ),
  },
);

export const submissionSchema = oneOf('Submission', 'A message, or a report on one.', [
  newMessageSchema,
  messageReportSchema,
]);

export const submissionsSchema = Type.Object(
  { results: Type.Array(submissionSchema, { minItems: 1 }) },
  { title: 'Submissions' },
);
