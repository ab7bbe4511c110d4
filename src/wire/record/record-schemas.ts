import Type, { type TSchema } from 'typebox';
import { deliveryErrors, errorGroupNames, statuses, statusGroupNames } from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { dateTimePattern, dateTimeRule } from '../date-time.ts';
import { contentSchema, flag, id, messageCount, number, plainText, priceInput, text } from '../log-schemas.ts';

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

function codeSchema(
  title: string,
  codes: readonly Code[],
  groupNames: readonly string[],
  more: Record<string, TSchema>,
) {
  const ids = Type.Enum([...sole(codes, code => code.id)]);
  const names = Type.Enum([...sole(codes, code => code.name)]);
  const groupId = Type.Integer({ minimum: 0, maximum: groupNames.length - 1 });
  const groupName = Type.Enum([...groupNames]);
  const others = {
    // Where a group is not what decides, any will do.
    groupId: Type.Optional(number),
    groupName: Type.Optional(Type.String()),
    description: optionalWording,
    ...more,
  };
  const [anyId, anyName] = [Type.Optional(number), optionalId];
  const named = (by: string, rest: string) => ({
    title: `${title}By${by}`,
    additionalProperties: false,
    description: `By its ${rest}.`,
  });
  return Type.Union(
    [
      // Whatever is said beside such a number, the number decides.
      Type.Object(
        { ...others, id: ids, name: Type.Optional(Type.String()) },
        named('Id', 'number, if it is registered'),
      ),
      Type.Object({ ...others, id: anyId, name: names }, named('Name', 'name, if it is registered')),
      Type.Object({ ...others, id: anyId, name: id, groupId }, named('NameAndGroupId', 'name and group')),
      Type.Object({ ...others, id: anyId, name: id, groupName }, named('NameAndGroupName', 'name and group')),
      Type.Object({ ...others, id: number, name: anyName, groupId }, named('IdAndGroupId', 'number and group')),
      Type.Object({ ...others, id: number, name: anyName, groupName }, named('IdAndGroupName', 'number and group')),
      ids,
      names,
    ],
    {
      title,
      description: 'What is registered by its number or its name; what is not with its group, and kept as it came.',
    },
  );
}

const moment = Type.String({
  pattern: dateTimePattern,
  description: `${dateTimeRule}; not more than five minutes in the future`,
  examples: ['2023-02-01T23:15:03.379+0000'],
});

const optionalMoment = Type.Optional(Type.String({ pattern: `^(?:${dateTimePattern.slice(1, -1)})?$` }));

/** As the vendor writes what has no price, or none yet: it counts as absent. */
const none = Type.Union([Type.Null(), Type.Literal(''), Type.Literal('UNKNOWN')]);
const givenPrice = Type.Union(
  [
    priceInput,
    Type.Object({ pricePerMessage: none }, { additionalProperties: true, description: 'No price.' }),
    Type.Object({ currency: none }, { additionalProperties: true, description: 'No price.' }),
    Type.Literal('UNKNOWN'),
  ],
  { title: 'GivenPrice', description: 'What the message cost, for each of its `messageCount`.' },
);

const said = {
  status: codeSchema('GivenStatus', statuses, statusGroupNames, { action: optionalWording }),
  error: codeSchema('GivenError', deliveryErrors, errorGroupNames, { permanent: Type.Optional(flag) }),
  doneAt: moment,
  seenAt: moment,
  price: priceInput,
  at: moment,
};
function orNone(schema: TSchema): TSchema {
  return Type.Union([schema, Type.Literal('', { description: 'None.' })]);
}

const optionalSaid = Object.fromEntries(
  Object.entries({ ...said, status: orNone(said.status), error: orNone(said.error), price: givenPrice }).map(
    ([name, schema]) => [name, schema === moment ? optionalMoment : Type.Optional(schema)],
  ),
);

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

/** One of what can be said of a message must be; any of them may be. */
export const messageReportSchema = Type.Union(
  Object.entries(said).map(([name, schema]) =>
    Type.Object(
      { messageId, ...identity, ...optionalSaid, [name]: schema },
      { title: `ReportOf${name.charAt(0).toUpperCase()}${name.slice(1)}`, description: `With its \`${name}\`.` },
    ),
  ),
  {
    title: 'ReportSubmission',
    description: 'What became of a message; it may come before the message does.',
  },
);

export const submissionSchema = Type.Union([newMessageSchema, messageReportSchema], { title: 'Submission' });

export const submissionsSchema = Type.Object(
  { results: Type.Array(submissionSchema, { minItems: 1 }) },
  { title: 'Submissions' },
);
