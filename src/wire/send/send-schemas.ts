import Type, { type Static } from 'typebox';
import { limits } from '../../limits.ts';
import { dateTimePattern, dateTimeRule } from '../date-time.ts';
import { errorSchema, statusSchema } from '../log-schemas.ts';
import { quickReplySchema, sendContentSchema } from './send-content.ts';

/** No control characters, and no half of a surrogate pair: these values name things in the log. */
const plain = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$';
const id = (charsMax: number, charsMin: 0 | 1 = 0) =>
  Type.String({
    minLength: charsMin,
    maxLength: charsMax,
    pattern: plain,
    description: `a text of ${charsMin} to ${charsMax} characters without control characters`,
  });
const anyText = Type.String({ description: 'a text' });
const whole = (min: number, max: number) =>
  Type.Integer({ minimum: min, maximum: max, description: `a whole number from ${min} to ${max}` });
const amount = Type.Integer({ minimum: 1, maximum: 1e9, description: 'a whole number of at least 1' });
const flag = Type.Boolean({ description: 'true or false' });
const oneOf = <const T extends string>(...values: readonly T[]) =>
  Type.Enum([...values], { description: `one of ${values.join(', ')}` });
const object = { description: 'an object' };

const clockTime = Type.Object({ hour: whole(0, 23), minute: whole(0, 59) }, { description: 'an hour and a minute' });
const validityPeriod = Type.Object(
  { amount, timeUnit: Type.Optional(oneOf('SECONDS', 'MINUTES', 'HOURS')) },
  { description: 'an amount and a timeUnit' },
);

const windowSchema = Type.Object(
  {
    days: Type.Array(oneOf('MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'), {
      minItems: 1,
      description: 'a list of days of the week',
    }),
    from: Type.Optional(clockTime),
    to: Type.Optional(clockTime),
  },
  object,
);

const failoverSchema = Type.Object(
  {
    text: anyText,
    sender: Type.Optional(anyText),
    validityPeriod: Type.Optional(validityPeriod),
    regional: Type.Optional(
      Type.Object(
        {
          indiaDlt: Type.Optional(
            Type.Object(
              {
                principalEntityId: anyText,
                contentTemplateId: Type.Optional(anyText),
                telemarketerId: Type.Optional(anyText),
              },
              object,
            ),
          ),
          turkeyIys: Type.Optional(
            Type.Object(
              { recipientType: oneOf('BIREYSEL', 'TACIR'), brandCode: Type.Optional(whole(0, 2 ** 31 - 1)) },
              object,
            ),
          ),
          southKorea: Type.Optional(
            Type.Object(
              {
                title: Type.Optional(Type.String({ maxLength: 66, description: 'a text of at most 66 characters' })),
                resellerCode: Type.Optional(whole(0, 2 ** 31 - 1)),
              },
              object,
            ),
          ),
        },
        object,
      ),
    ),
    destinationMatching: Type.Optional(
      Type.Array(Type.Object({ initial: anyText, failover: anyText }, object), { description: 'a list' }),
    ),
  },
  object,
);

const webhookUrl = Type.String({
  minLength: 1,
  maxLength: 2048,
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s]+$',
  description: 'an http or https address of at most 2048 characters',
});

const webhooksSchema = Type.Object(
  {
    delivery: Type.Optional(
      Type.Object(
        {
          url: Type.Optional(webhookUrl),
          intermediateReport: Type.Optional(flag),
          notify: Type.Optional(flag),
          receiveTriggeredFailoverReports: Type.Optional(flag),
        },
        object,
      ),
    ),
    contentType: Type.Optional(oneOf('application/json', 'application/xml')),
    callbackData: Type.Optional(Type.String({ maxLength: 4000, description: 'a text of at most 4000 characters' })),
    seen: Type.Optional(Type.Object({ url: Type.Optional(webhookUrl) }, object)),
  },
  object,
);

/** One message of it, for one or many destinations. */
export const requestedMessageSchema = Type.Object(
  {
    sender: id(limits.idCharsMax, 1),
    // An empty destination is a message that is rejected, not a request that is.
    destinations: Type.Array(
      Type.Object({ to: id(limits.idCharsMax), messageId: Type.Optional(id(limits.messageIdCharsMax)) }, object),
      { description: 'a list of destinations' },
    ),
    content: sendContentSchema,
    options: Type.Optional(
      Type.Object(
        {
          platform: Type.Optional(
            Type.Object(
              {
                entityId: Type.Optional(id(limits.idCharsMax)),
                applicationId: Type.Optional(id(limits.idCharsMax)),
              },
              object,
            ),
          ),
          validityPeriod: Type.Optional(validityPeriod),
          deliveryTimeWindow: Type.Optional(windowSchema),
          campaignReferenceId: Type.Optional(id(limits.idCharsMax)),
          smsFailover: Type.Optional(failoverSchema),
        },
        object,
      ),
    ),
    webhooks: Type.Optional(webhooksSchema),
    quickReplies: Type.Optional(Type.Array(quickReplySchema, { description: 'a list of quick replies' })),
  },
  { title: 'RequestedMessage', description: 'an object with sender, destinations and content' },
);

/** The body of `POST /messenger/1/messages`. */
export const sendRequestSchema = Type.Object(
  {
    messages: Type.Array(requestedMessageSchema, { description: 'a list of messages' }),
    options: Type.Optional(
      Type.Object(
        {
          schedule: Type.Optional(
            Type.Object(
              {
                bulkId: Type.Optional(id(100)),
                sendAt: Type.Optional(Type.String({ pattern: dateTimePattern, description: dateTimeRule })),
                sendingSpeedLimit: Type.Optional(
                  Type.Object(
                    { amount, timeUnit: Type.Optional(oneOf('MINUTE', 'HOUR', 'DAY')) },
                    { description: 'an amount and a timeUnit' },
                  ),
                ),
              },
              object,
            ),
          ),
        },
        object,
      ),
    ),
  },
  { title: 'SendRequest', description: 'an object with messages' },
);

/** All of it but its messages. */
export const sendFrameSchema = Type.Omit(sendRequestSchema, ['messages']);

/** The answer to it. */
export const sendAnswerSchema = Type.Object(
  {
    bulkId: Type.String(),
    messages: Type.Array(
      Type.Object(
        {
          messageId: Type.String(),
          status: statusSchema,
          destination: Type.String(),
          details: Type.Object({}),
        },
        { title: 'SentMessage' },
      ),
    ),
  },
  { title: 'SendAnswer' },
);

/** Delivery reports, fetched and pushed. */
export const deliveryReportsSchema = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          bulkId: Type.Optional(Type.String()),
          price: Type.Optional(Type.Object({ pricePerMessage: Type.Number(), currency: Type.String() })),
          status: statusSchema,
          error: errorSchema,
          messageId: Type.String(),
          to: Type.String(),
          sender: Type.String(),
          sentAt: Type.String({ description: dateTimeRule }),
          doneAt: Type.Optional(Type.String({ description: dateTimeRule })),
          messageCount: Type.Integer(),
          callbackData: Type.Optional(Type.String()),
          platform: Type.Optional(
            Type.Object({ entityId: Type.Optional(Type.String()), applicationId: Type.Optional(Type.String()) }),
          ),
          campaignReferenceId: Type.Optional(Type.String()),
        },
        { title: 'DeliveryReport' },
      ),
    ),
  },
  { title: 'DeliveryReports' },
);

export type SendRequest = Static<typeof sendRequestSchema>;
export type RequestedMessage = SendRequest['messages'][number];
export type SendFrame = Static<typeof sendFrameSchema>;
