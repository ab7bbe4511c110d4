import { limits } from '../limits.ts';
import { fieldsAsWritten } from '../wire/json-source.ts';
import { present } from '../wire/present.ts';
import { checkOf } from '../wire/schema-check.ts';
import { sendContentSchema } from '../wire/send/send-content.ts';
import { fieldsOf } from './webhook-events.ts';

type Fields = Readonly<Record<string, unknown>>;

const contentCheck = checkOf(sendContentSchema);
const mediaTypes: ReadonlyMap<unknown, string> = new Map([
  ['image', 'IMAGE'],
  ['video', 'VIDEO'],
  ['audio', 'AUDIO'],
  ['file', 'DOCUMENT'],
]);

/** What of an echo is about its sending, and no content. */
const besides: ReadonlySet<string> = new Set(['mid', 'is_echo', 'app_id', 'metadata', 'seq']);

/**
 * The content of a message that somebody else sent, as JSON, from its echo: one of the vendor's where it has one, with
 * whatever Meta told beside it as it is written in the echo's `text`; else `{"type":"UNKNOWN","raw":…}`.
 */
export function contentOfEcho(message: Fields, text = JSON.stringify(message)): string {
  const raw = Object.fromEntries(Object.entries(message).filter(([name]) => !besides.has(name)));
  const { known, rest } = split(raw);
  const isKnown = known !== undefined && contentCheck.Check(known);
  const made: Fields = isKnown ? { ...known } : {};
  const kept = isKnown ? rest : raw;
  const fields = [
    ...fieldsAsWritten(text, name => Object.hasOwn(kept, name) && !Object.hasOwn(made, name)),
    ...Object.entries(made).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`),
  ];
  const object = `{${fields.join()}}`;
  const content = isKnown ? object : `{"type":"UNKNOWN","raw":${object}}`;
  return Buffer.byteLength(content) <= limits.contentBytesMax ? content : '{"type":"UNKNOWN"}';
}

/** What a content of the vendor's can be made of, and what is left. */
function split(raw: Fields): { readonly known?: object; readonly rest: Fields } {
  const { text, attachments, attachment, ...rest } = raw;
  const attached = Array.isArray(attachments) ? attachments : attachment === undefined ? [] : [attachment];
  if (attached.length === 0) return { known: { type: 'TEXT', text }, rest };
  if (attached.length > 1 || text !== undefined) return { rest: raw };
  const { type, payload } = fieldsOf(attached[0]);
  const media = mediaTypes.get(type);
  if (media !== undefined) return { known: { type: media, url: fieldsOf(payload).url }, rest };
  const template = type === 'template' ? templateOf(fieldsOf(payload)) : undefined;
  return { ...(template !== undefined && { known: { type: 'TEMPLATE', payload: template } }), rest };
}

function templateOf(payload: Fields): object | undefined {
  const { template_type: kind, text, elements, ...others } = payload;
  switch (kind) {
    case 'button':
      return { type: 'BUTTON', text, buttons: listOf(others.buttons).map(buttonOf) };
    case 'generic':
      return { type: 'GENERIC', elements: listOf(elements).map(elementOf) };
    case 'notification_messages': {
      const frame = {
        imageAspectRatio: others.image_aspect_ratio,
        notificationMessagesTimezone: others.notification_messages_timezone,
      };
      if (elements !== undefined)
        return present({ type: 'OPT_IN_CAROUSEL', elements: listOf(elements).map(optInOf), ...frame });
      return present({ type: 'OPT_IN', ...optInOf(others), ...frame });
    }
    default:
      return undefined;
  }
}

function optInOf(value: unknown): object {
  const {
    payload,
    title,
    image_url: imageUrl,
    notification_messages_cta_text: notificationMessagesCtaText,
  } = fieldsOf(value);
  return present({ payload, title, imageUrl, notificationMessagesCtaText });
}

function elementOf(value: unknown): object {
  const { title, subtitle, image_url: imageUrl, default_action: action, buttons } = fieldsOf(value);
  return present({
    title,
    subtitle,
    imageUrl,
    defaultAction: action === undefined ? undefined : { url: fieldsOf(action).url },
    buttons: buttons === undefined ? undefined : listOf(buttons).map(buttonOf),
  });
}

/** One of another kind than the vendor's fits no schema: the content is kept as it came. */
function buttonOf(value: unknown): object {
  const { type, title, url, payload } = fieldsOf(value);
  switch (type) {
    case 'web_url':
      return { type: 'URL', title, url };
    case 'postback':
      return { type: 'POSTBACK', title, payload };
    case 'phone_number':
      return { type: 'CALL', title, payload };
    default:
      return { type };
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
