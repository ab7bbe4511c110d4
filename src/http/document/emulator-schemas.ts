import Type from 'typebox';

// Each description of what is asked for says what the value must be: a violation reads it after "must be".
const object = { description: 'an object', additionalProperties: false };

/** What each call that steers a simulated Meta takes. */
export const steeringBodies = {
  reset: Type.Object({}, object),
  clock: Type.Object(
    {
      advance: Type.String({
        pattern: '^[0-9]{1,15}(?:ms|s|m|h|d|w)$',
        description: 'a duration such as 500ms, 90s, 15m, 48h or 30d, of at most 366 days',
      }),
    },
    object,
  ),
  receipts: Type.Object(
    {
      messageId: Type.String({ description: 'the id of a message that was sent' }),
      kind: Type.Optional(Type.Enum(['delivered', 'seen'], { description: 'delivered or seen' })),
    },
    object,
  ),
  faults: Type.Object(
    {
      down: Type.Optional(Type.Boolean({ description: 'true or false' })),
      revokedToken: Type.Optional(Type.String({ description: 'a token' })),
    },
    object,
  ),
};

const moment = Type.Integer({ description: 'Milliseconds since 1970.' });

/** What they answer. */
export const steeringAnswers = {
  reset: Type.Object({ status: Type.Literal('reset'), isLogEmptied: Type.Boolean() }),
  clock: Type.Object({ now: Type.String({ description: 'In UTC.' }) }),
  receipts: Type.Object({ messageId: Type.String(), kind: Type.String() }),
  faults: Type.Object({ down: Type.Boolean() }),
  sent: Type.Object({
    sent: Type.Array(
      Type.Object(
        {
          mid: Type.String(),
          page: Type.String(),
          psid: Type.String(),
          metadata: Type.Optional(Type.String({ description: 'The id of the message in the log.' })),
          at: moment,
          message: Type.Object({}, { description: 'As the Graph API was given it.' }),
          behaviour: Type.String({ description: 'As `/emulator/destinations` names it.' }),
          deliveredAt: Type.Optional(moment),
          seenAt: Type.Optional(moment),
        },
        { title: 'EmulatedMessage' },
      ),
      { description: 'The oldest first; of more than 5,000 the newest.' },
    ),
    forgotten: Type.Integer({ description: 'How many were sent before these.' }),
  }),
  destinations: Type.Object({
    destinations: Type.Array(Type.Object({ name: Type.String(), outcome: Type.String() })),
  }),
};
