import Type, { type Static, type TProperties } from 'typebox';
import { limits } from '../../limits.ts';

/*
 * What a message may hold, by the vendor's own bounds. Where Meta allows less (the title of a button, which has up to 20
 * characters and one at least, the length of a template's text) the message is accepted and fails at Meta, as it does at the
 * vendor's. An empty text of a field that may be absent is as if it was.
 */

// Each description says what the value must be: it is read in the OpenAPI document, and in a violation after "must be".
const text = (charsMax: number) =>
  Type.String({ maxLength: charsMax, description: `a text of at most ${charsMax} characters` });
/** Without a bound of the vendor's: the bound of a content as a whole holds. */
const anyText = Type.String({ description: 'a text' });
const url = (charsMax: number) =>
  Type.String({
    minLength: 1,
    maxLength: charsMax,
    pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s]+$',
    description: `an http or https address of at most ${charsMax} characters`,
  });
const anyUrl = url(limits.urlBytesMax);
const imageUrl = Type.Optional(
  Type.String({
    maxLength: limits.urlBytesMax,
    pattern: '^([Hh][Tt][Tt][Pp][Ss]?://[^\\s]+)?$',
    description: `an http or https address of at most ${limits.urlBytesMax} characters, or empty`,
  }),
);
const oneOf = <const T extends string>(...values: readonly T[]) =>
  Type.Enum([...values], { description: `one of ${values.join(', ')}` });
const typed = <const T extends string, P extends TProperties>(type: T, fields: P) =>
  Type.Object({ type: Type.Literal(type), ...fields }, { description: 'an object' });

const buttonSchema = Type.Union([
  typed('URL', { title: anyText, url: anyUrl }),
  typed('POSTBACK', { title: anyText, payload: anyText }),
  typed('CALL', { title: text(20), payload: anyText }),
]);

const genericElement = Type.Object(
  {
    title: text(80),
    subtitle: Type.Optional(text(80)),
    imageUrl,
    defaultAction: Type.Optional(Type.Object({ url: anyUrl }, { description: 'an object with a url' })),
    buttons: Type.Optional(Type.Array(buttonSchema, { maxItems: 3, description: 'a list of at most 3 buttons' })),
  },
  { description: 'an object with a title' },
);
const genericElements = Type.Array(genericElement, {
  minItems: 1,
  maxItems: 10,
  description: 'a list of 1 to 10 elements',
});

const optInLook = {
  imageUrl,
  notificationMessagesCtaText: Type.Optional(oneOf('ALLOW', 'GET', 'GET_UPDATES', 'OPT_IN', 'SIGN_UP')),
};
const optInFrame = {
  imageAspectRatio: Type.Optional(oneOf('SQUARE', 'HORIZONTAL')),
  notificationMessagesTimezone: Type.Optional(anyText),
};
const optInElements = Type.Array(
  Type.Object({ payload: anyText, title: text(65), ...optInLook }, { description: 'an object with payload and title' }),
  { minItems: 1, maxItems: 5, description: 'a list of 1 to 5 elements' },
);

const templateSchema = Type.Union([
  typed('BUTTON', {
    text: anyText,
    buttons: Type.Array(buttonSchema, { minItems: 1, description: 'a list of at least one button' }),
  }),
  typed('GENERIC', { elements: genericElements }),
  typed('OPT_IN', { payload: anyText, title: Type.Optional(text(65)), ...optInLook, ...optInFrame }),
  typed('OPT_IN_CAROUSEL', { elements: optInElements, ...optInFrame }),
  typed('MARKETING_MESSAGE', { elements: genericElements }),
]);

const messageText = text(2000);
const latitude = Type.Number({ minimum: -90, maximum: 90, description: 'a number from -90 to 90' });
const longitude = Type.Number({ minimum: -180, maximum: 180, description: 'a number from -180 to 180' });

const plainContents = [
  typed('TEXT', { text: messageText }),
  typed('IMAGE', { url: url(1000) }),
  typed('VIDEO', { url: url(800) }),
  typed('AUDIO', { url: url(800) }),
  typed('DOCUMENT', { url: url(800) }),
  typed('LOCATION', {
    latitude,
    longitude,
    name: Type.Optional(anyText),
    address: Type.Optional(anyText),
  }),
  typed('SENDER_ACTION', { senderAction: oneOf('MARK_SEEN', 'TYPING_ON', 'TYPING_OFF') }),
  typed('TEMPLATE', { payload: templateSchema }),
] as const;
const plainContentSchema = Type.Union([...plainContents]);

const marketingContentSchema = Type.Union([
  typed('TEXT', { payload: Type.Object({ text: messageText }, { description: 'an object with a text' }) }),
  typed('TEMPLATE', { payload: templateSchema }),
]);

/** What `content` of a message may be. */
export const sendContentSchema = Type.Union([
  ...plainContents,
  typed('COMMENT', { content: plainContentSchema }),
  typed('POST', { content: plainContentSchema }),
  typed('OPT_IN_FOLLOWUP', { text: anyText }),
  typed('MARKETING_MESSAGE', { campaignId: anyText, content: marketingContentSchema }),
]);

export const quickReplySchema = Type.Union([
  typed('TEXT', { title: text(20), payload: text(1000), imageUrl }),
  typed('PHONE_NUMBER', {}),
  typed('EMAIL', {}),
]);

export type SendContent = Static<typeof sendContentSchema>;
/** A content that can stand alone, or inside of a `COMMENT` or `POST`. */
export type PlainContent = Static<typeof plainContentSchema>;
export type Template = Static<typeof templateSchema>;
export type Button = Static<typeof buttonSchema>;
export type GenericElement = Static<typeof genericElement>;
export type QuickReply = Static<typeof quickReplySchema>;
