import Type, { type Static } from 'typebox';
import { scopes } from '../../accounts/authenticator.ts';
import { dateTimeRule } from '../../wire/date-time.ts';

// Each description of what is asked for says what the value must be: a violation reads it after "must be".
const line = (charsMax: number) =>
  Type.String({
    minLength: 1,
    maxLength: charsMax,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$',
    description: `a text of 1 to ${charsMax} characters without control characters`,
  });
const whole = (min: number, max: number) =>
  Type.Integer({ minimum: min, maximum: max, description: `a whole number from ${min} to ${max}` });
const object = { description: 'an object', additionalProperties: false };
const dateTime = Type.String({ description: dateTimeRule });

const key = Type.String({
  minLength: 1,
  maxLength: 1024,
  pattern: '^[\\x21-\\x7e]*$',
  description: 'one line of printable characters without spaces',
});

export const newMirrorSchema = Type.Object(
  {
    from: Type.String({
      minLength: 1,
      maxLength: 2048,
      pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s]+$',
      description: 'an http or https address of at most 2048 characters, at a host that may be mirrored from here',
    }),
    key,
    name: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,50}$',
        description: 'a name of 1 to 50 letters, digits, dots, dashes and underscores',
      }),
    ),
    requestsPerMinute: Type.Optional(whole(1, 600)),
    sinceHours: Type.Optional(whole(1, 48)),
  },
  { ...object, title: 'MirrorRequest' },
);

export const resumedMirrorSchema = Type.Object({ key: Type.Optional(key) }, { ...object, title: 'MirrorResumption' });

export const mirrorSchema = Type.Object(
  {
    name: Type.String(),
    from: Type.String(),
    createdAt: dateTime,
    requestsPerMinute: Type.Integer(),
    state: Type.Enum(['starting', 'catching up', 'following', 'in trouble', 'paused']),
    reason: Type.Optional(Type.String({ description: 'Why it rests, or what failed last.' })),
    lagMs: Type.Optional(Type.Integer({ description: 'How far the newest that is read is behind now.' })),
    statusLagMs: Type.Optional(
      Type.Integer({
        description: 'How long ago what is followed was asked for, of that which has waited longest.',
      }),
    ),
    statusesLate: Type.Integer({ description: 'Followed messages that were not asked for within 90 seconds.' }),
    behind: Type.Optional(
      Type.String({
        description: 'Why statuses may be old here, or the newest is missing; absent when it is up to date.',
      }),
    ),
    newestSentAt: Type.Optional(dateTime),
    unreadSince: Type.Optional(dateTime),
    answeredAt: Type.Optional(dateTime),
    restsUntil: Type.Optional({
      ...dateTime,
      description: 'Nothing is asked before, since the other side asked for a pause, or gave no answer.',
    }),
    requestsUsed: Type.Integer({ description: 'In the last minute.' }),
    requestsLeft: Type.Integer(),
    followed: Type.Integer({ description: 'Messages that are asked for again, since their status is not final.' }),
    gaps: Type.Array(Type.Object({ from: dateTime, to: dateTime, reason: Type.String() }, object)),
    recorded: Type.Integer(),
    changed: Type.Integer(),
    refused: Type.Integer(),
    flawed: Type.Integer({ description: 'Messages of which something could not be taken, each time they were seen.' }),
    unsettled: Type.Integer({ description: 'Messages that left the other side before their status was final.' }),
    isBeingChecked: Type.Boolean({ description: 'Both sides are being asked the same questions.' }),
    checkProgress: Type.Optional(Type.String({ description: 'How far the check is that is running, in words.' })),
    checkFailure: Type.Optional(Type.String({ description: 'Why the check that was begun last came to nothing.' })),
    lastCheck: Type.Optional(
      Type.Object(
        {
          at: dateTime,
          from: dateTime,
          to: dateTime,
          messages: Type.Integer({ description: 'That were compared.' }),
          questions: Type.Integer({ description: 'That both sides were asked.' }),
          differences: Type.Integer({ description: '0 is as it should be.' }),
        },
        object,
      ),
    ),
  },
  { ...object, title: 'Mirror' },
);
export const mirrorsSchema = Type.Object({ mirrors: Type.Array(mirrorSchema) }, { ...object, title: 'Mirrors' });

export const priceSchema = Type.Object(
  {
    pricePerMessage: Type.Number({ minimum: 0, format: 'double', description: 'a number of at least 0' }),
    currency: Type.String({ pattern: '^[A-Z]{3}$', description: 'three capital letters' }),
  },
  object,
);

export const newSenderSchema = Type.Object(
  {
    page: Type.String({ pattern: '^[0-9]{1,64}$', description: 'the id of a page: digits' }),
    name: Type.Optional(line(255)),
    token: Type.Optional(Type.String({ ...key, maxLength: 2048 })),
    appSecret: Type.String({ ...key, maxLength: 2048 }),
    isWatched: Type.Optional(Type.Boolean({ description: 'true or false' })),
    price: Type.Optional(priceSchema),
  },
  { ...object, title: 'SenderRequest' },
);

export const senderSchema = Type.Object(
  {
    page: Type.String(),
    name: Type.Optional(Type.String()),
    price: Type.Optional(priceSchema),
    isWatched: Type.Boolean({ description: 'What others send over the page is in the log as well.' }),
    sends: Type.Boolean({ description: 'Without a token nothing is sent over it.' }),
    changedAt: dateTime,
    paused: Type.Optional(Type.String({ description: 'Why it cannot send now.' })),
  },
  { ...object, title: 'Sender' },
);
export const sendersSchema = Type.Object({ senders: Type.Array(senderSchema) }, { ...object, title: 'Senders' });
export const checkedSenderSchema = Type.Object(
  { page: Type.String(), failure: Type.Optional(Type.String({ description: 'Absent when it can be used.' })) },
  { ...object, title: 'CheckedSender' },
);

const scopesSchema = Type.Array(Type.Enum([...scopes], { description: `one of ${scopes.join(', ')}` }), {
  minItems: 1,
  maxItems: scopes.length,
  description: 'a list of one scope or more',
});

const binding = { applicationId: Type.Optional(line(255)), entityId: Type.Optional(line(255)) };
export const keyBindingSchema = Type.Object(binding, { ...object, title: 'KeyBinding' });

export const newKeySchema = Type.Object(
  {
    scopes: Type.Optional(scopesSchema),
    ...binding,
    expiresInDays: Type.Optional(whole(1, 3650)),
  },
  { ...object, title: 'KeyRequest' },
);
const used = { uses: Type.Integer({ description: 'As of some seconds ago.' }), lastUsedAt: Type.Optional(dateTime) };
const isYours = Type.Optional(Type.Boolean({ description: 'The call was made with it.' }));
const keyFields = {
  id: Type.String(),
  scopes: scopesSchema,
  applicationId: Type.Optional(Type.String()),
  entityId: Type.Optional(Type.String()),
  createdAt: dateTime,
  expiresAt: Type.Optional(dateTime),
  revokedAt: Type.Optional(dateTime),
  ...used,
};
export const keySchema = Type.Object({ ...keyFields, isYours }, { ...object, title: 'Key' });
export const madeKeySchema = Type.Object(
  { key: Type.String({ description: 'The whole key, which is shown only now.' }), ...keyFields },
  { ...object, title: 'CreatedKey' },
);

export const newUserSchema = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 100,
      pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff:@]*$',
      description: 'a text of 1 to 100 characters without @, : and control characters',
    }),
    password: Type.Optional(
      Type.String({ minLength: 8, maxLength: 1024, description: 'a text of 8 to 1024 characters' }),
    ),
    scopes: Type.Optional(scopesSchema),
  },
  { ...object, title: 'UserRequest' },
);
const userFields = { name: Type.String(), scopes: scopesSchema, createdAt: dateTime, ...used };
export const userSchema = Type.Object({ ...userFields, isYours }, { ...object, title: 'User' });
export const madeUserSchema = Type.Object(
  {
    password: Type.Optional(Type.String({ description: 'When it was made up, which is shown only now.' })),
    ...userFields,
  },
  { ...object, title: 'CreatedUser' },
);

const accountFields = {
  name: Type.String(),
  createdAt: dateTime,
  requestsPerMinute: Type.Optional(Type.Integer({ description: 'To the log; the setting of the server when absent.' })),
};
export const accountSchema = Type.Object(
  { ...accountFields, keys: Type.Array(keySchema), users: Type.Array(userSchema) },
  { ...object, title: 'Account' },
);
export const accountsSchema = Type.Object(
  {
    accounts: Type.Array(Type.Object(accountFields, { ...object, title: 'ListedAccount' })),
    more: Type.Integer({ description: 'Accounts that are older than those that are listed.' }),
  },
  { ...object, title: 'Accounts' },
);
export const newAccountSchema = Type.Object(
  { name: line(100), requestsPerMinute: Type.Optional(whole(1, 1_000_000)) },
  { ...object, title: 'AccountRequest' },
);
export const madeAccountSchema = Type.Object(
  {
    key: Type.String({ description: 'Its first key, which may do everything in it and is shown only now.' }),
    ...accountFields,
  },
  { ...object, title: 'CreatedAccount' },
);

export type ShownKey = Static<typeof keySchema>;
export type ShownUser = Static<typeof userSchema>;

export type NewMirror = Static<typeof newMirrorSchema>;
export type ShownMirror = Static<typeof mirrorSchema>;
export type NewSender = Static<typeof newSenderSchema>;
export type ShownSender = Static<typeof senderSchema>;
