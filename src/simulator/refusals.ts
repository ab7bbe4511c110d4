import type { GraphError } from './destinations.ts';

/*
 * What Meta refuses of a body that is JSON: its bounds, where a program written for Graph runs into them. Meta says of texts
 * that they are UTF-8 and have so many characters, and not what one is: here it is a code point, as in the vendor's bounds.
 */

const textCharsMax = 2000;
const templateTextCharsMax = 640;
const titleCharsMax = 20;
const payloadCharsMax = 1000;
const cardTextCharsMax = 80;
const optInTitleCharsMax = 65;
const optInsMax = 5;
const quickRepliesMax = 13;
const metadataCharsMax = 1000;

const messagingTypes: readonly unknown[] = [undefined, 'RESPONSE', 'UPDATE', 'MESSAGE_TAG', 'UTILITY'];
const actions: readonly unknown[] = ['mark_seen', 'typing_on', 'typing_off', 'react', 'unreact'];
const mediaTypes: readonly unknown[] = ['image', 'video', 'audio', 'file'];
/** Others are refused since April 2026. */
const tags: readonly unknown[] = ['HUMAN_AGENT', 'CUSTOMER_FEEDBACK'];

type Fields = Readonly<Record<string, unknown>>;

const bad = (message: string, subcode?: number): GraphError => ({
  code: 100,
  message: `(#100) ${message}`,
  ...(subcode !== undefined && { subcode }),
});

/** The error for a body that Graph would not take, or `undefined`. */
export function refusalOf(body: Fields): GraphError | undefined {
  const { recipient, message, sender_action: action, messaging_type: type, tag } = body;
  if (!isFields(recipient) || Object.keys(recipient).length === 0) return bad('The parameter recipient is required');
  if (message !== undefined && action !== undefined) return bad('Message cannot be sent with a sender action', 2018014);
  if (action !== undefined) return actions.includes(action) ? undefined : bad('Param sender_action is not valid');
  if (!messagingTypes.includes(type)) return bad('Param messaging_type is not valid');
  if ((type === 'MESSAGE_TAG' || tag !== undefined) && !tags.includes(tag)) return bad('Invalid message tag');
  if (message === undefined) return bad('Neither a message nor a sender action', 2018015);
  if (!isFields(message)) return bad('Param message must be an object');
  return messageRefusal(message);
}

function messageRefusal(message: Fields): GraphError | undefined {
  const { text, attachment, attachments, quick_replies: replies = [], metadata = '' } = message;
  if (tooLong(text, textCharsMax)) return bad('Length of param message[text] must be less than 2000');
  if (typeof metadata !== 'string' || tooLong(metadata, metadataCharsMax)) return bad('Param metadata is too long');
  if (!Array.isArray(replies) || replies.length > quickRepliesMax) return bad('Too many quick replies');
  for (const reply of replies) {
    if (!isFields(reply) || tooLong(reply.title, titleCharsMax)) return bad('Title of a quick reply is too long');
    if (reply.title === '') return bad('Title of a quick reply is empty');
    if (reply.payload === '' && reply.image_url === undefined) return bad('Payload of a quick reply is empty');
    if (tooLong(reply.payload, payloadCharsMax)) return bad('Payload of a quick reply is too long');
  }
  if (attachment === undefined && attachments === undefined)
    return typeof text === 'string' && text !== '' ? undefined : bad('Message cannot be empty', 2018034);
  if (attachment === undefined) return undefined;
  if (!isFields(attachment) || !isFields(attachment.payload)) return bad('Param attachment must have a payload');
  if (attachment.type === 'template') return templateRefusal(attachment.payload);
  if (!mediaTypes.includes(attachment.type)) return bad('Invalid attachment type');
  return attachment.payload.url === undefined && attachment.payload.attachment_id === undefined
    ? bad('Param url is required')
    : undefined;
}

function templateRefusal(payload: Fields): GraphError | undefined {
  switch (payload.template_type) {
    case 'button': {
      if (tooLong(payload.text, templateTextCharsMax)) return bad('Length of param text must be at most 640');
      if (payload.text === '') return bad('Param text is required');
      const { buttons } = payload;
      if (!Array.isArray(buttons) || buttons.length === 0) return bad('Param buttons is required');
      return buttonsRefusal(buttons);
    }
    case 'generic': {
      const { elements } = payload;
      if (!Array.isArray(elements) || elements.length < 1 || elements.length > 10)
        return bad('Invalid number of elements');
      for (const element of elements) {
        const refusal = isFields(element) ? elementRefusal(element) : bad('Param elements must hold objects');
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    }
    case 'notification_messages': {
      const { elements = [payload] } = payload;
      if (!Array.isArray(elements) || elements.length < 1 || elements.length > optInsMax)
        return bad('Invalid number of elements');
      for (const element of elements) {
        if (!isFields(element) || !element.payload) return bad('Param payload is required');
        if (tooLong(element.title, optInTitleCharsMax)) return bad('Length of param title must be at most 65');
      }
      return undefined;
    }
    case 'media':
    case 'one_time_notif_req':
      return undefined;
    default:
      return bad('Unsupported template type');
  }
}

function elementRefusal(element: Fields): GraphError | undefined {
  const { title, subtitle, buttons, image_url: image, default_action: action } = element;
  if (tooLong(title, cardTextCharsMax) || tooLong(subtitle, cardTextCharsMax))
    return bad('A title or subtitle is too long');
  if (!title) return bad('Title of an element is empty');
  if (subtitle === undefined && buttons === undefined && image === undefined && action === undefined)
    return bad('An element must have at least one property besides title');
  return buttons === undefined ? undefined : buttonsRefusal(buttons);
}

function buttonsRefusal(buttons: unknown): GraphError | undefined {
  if (!Array.isArray(buttons) || buttons.length < 1 || buttons.length > 3) return bad('Invalid number of buttons');
  for (const button of buttons) {
    if (!isFields(button)) return bad('Param buttons must hold objects');
    if (button.title === '') return bad('Title of a button is empty', 2018053);
    if (tooLong(button.title, titleCharsMax)) return bad('Title of a button is too long');
    if (button.type === 'web_url' && !button.url) return bad('Url of a button is empty', 2018041);
    if (button.type === 'postback' && !button.payload) return bad('Payload of a button is empty', 2018040);
    if (button.type === 'postback' && tooLong(button.payload, payloadCharsMax))
      return bad('Payload of a button is too long');
    if (button.type === 'phone_number' && !textOf(button.payload).startsWith('+'))
      return bad('A phone number must begin with +');
  }
  return undefined;
}

/** A value as text, whatever it is. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tooLong(value: unknown, charsMax: number): boolean {
  // Of most texts the units of UTF-16 tell already, of which there are never fewer.
  return typeof value === 'string' && value.length > charsMax && [...value].length > charsMax;
}
