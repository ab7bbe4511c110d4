import type { Lane } from '../domain/outgoing.ts';
import { type DeliveryError, deliveryErrorNamed, type Status, statusNamed } from '../domain/registry.ts';
import type { PlainContent, QuickReply, SendContent } from '../wire/send/send-content.ts';
import { graphQuickReply, templateAttachment } from './templates.ts';

/** A message as Graph's `POST /{page}/messages` takes it. */
export type GraphBody = {
  readonly recipient: Readonly<Record<string, string>>;
  readonly messaging_type?: 'RESPONSE';
  readonly message?: Readonly<Record<string, unknown>>;
  readonly sender_action?: string;
};

/** Why a message is not handed to Meta at all. */
export type Refusal = { readonly status: Status; readonly error: DeliveryError };

export type ToSend = {
  readonly messageId: string;
  readonly destination: string;
  readonly content: SendContent;
  readonly quickReplies?: readonly QuickReply[];
};

const rejectedByPlatform = statusNamed('UNDELIVERABLE_REJECTED_PLATFORM');
const badRequest = { status: rejectedByPlatform, error: deliveryErrorNamed('EC_BAD_REQUEST') };
/** Marketing messages go through an API of their own, by an advertising account that a page does not name. */
const marketingRefused = { status: rejectedByPlatform, error: deliveryErrorNamed('EC_SERVICE_NOT_ACTIVATED') };

/** The body for Graph, or why there is none. Every message carries its id as `metadata`: its echo is known by that. */
export function graphBody(message: ToSend): GraphBody | Refusal {
  const { content, destination: to } = message;
  switch (content.type) {
    case 'MARKETING_MESSAGE':
      return marketingRefused;
    case 'OPT_IN_FOLLOWUP':
      return { recipient: { notification_messages_token: to }, message: withExtras({ text: content.text }, message) };
    case 'COMMENT':
      return privateReply({ comment_id: to }, content.content, message);
    case 'POST':
      return privateReply({ post_id: to }, content.content, message);
    case 'SENDER_ACTION':
      // It travels alone: with quick replies it means nothing.
      if (message.quickReplies !== undefined) return badRequest;
      return { recipient: { id: to }, sender_action: content.senderAction.toLowerCase() };
    default:
      return { recipient: recipientOf(content, to), messaging_type: 'RESPONSE', message: messageOf(content, message) };
  }
}

export function isRefusal(body: GraphBody | Refusal): body is Refusal {
  return 'status' in body;
}

export function laneOf(contentType: string): Lane {
  return contentType === 'AUDIO' || contentType === 'VIDEO' ? 'media' : 'text';
}

type StandingContent = Exclude<PlainContent, { type: 'SENDER_ACTION' }>;

function privateReply(recipient: GraphBody['recipient'], content: PlainContent, message: ToSend): GraphBody | Refusal {
  if (content.type === 'SENDER_ACTION') return badRequest;
  return { recipient, message: messageOf(content, message) };
}

function recipientOf(content: StandingContent, to: string): GraphBody['recipient'] {
  const isForToken = content.type === 'TEMPLATE' && content.payload.type === 'MARKETING_MESSAGE';
  return isForToken ? { notification_messages_token: to } : { id: to };
}

function messageOf(content: StandingContent, message: ToSend): Readonly<Record<string, unknown>> {
  switch (content.type) {
    case 'TEXT':
      return withExtras({ text: content.text }, message);
    case 'IMAGE':
    case 'VIDEO':
    case 'AUDIO':
      return withExtras({ attachment: media(content.type.toLowerCase(), content.url) }, message);
    case 'DOCUMENT':
      return withExtras({ attachment: media('file', content.url) }, message);
    case 'LOCATION':
      return withExtras({ attachment: locationAttachment(content) }, message);
    case 'TEMPLATE':
      return withExtras({ attachment: templateAttachment(content.payload) }, message);
  }
}

function withExtras(fields: object, { messageId, quickReplies }: ToSend): Readonly<Record<string, unknown>> {
  return {
    ...fields,
    ...(quickReplies !== undefined && { quick_replies: quickReplies.map(graphQuickReply) }),
    metadata: messageId,
  };
}

function media(type: string, url: string): object {
  return { type, payload: { url, is_reusable: false } };
}

const titleCharsMax = 80;

/** Meta has no message for a place: a card that opens a map stands for it. */
function locationAttachment({
  latitude,
  longitude,
  name,
  address,
}: Extract<PlainContent, { type: 'LOCATION' }>): object {
  const place = `${degrees(latitude)},${degrees(longitude)}`;
  const url = `https://www.google.com/maps/search/?api=1&query=${encodeURIComponent(place)}`;
  const element = {
    title: cut(name || address || place.replace(',', ', ')),
    ...(address && { subtitle: cut(address) }),
    default_action: { type: 'web_url', url },
    buttons: [{ type: 'web_url', title: 'Open map', url }],
  };
  return { type: 'template', payload: { template_type: 'generic', elements: [element] } };
}

/** As a map reads them: without an exponent. A ten millionth of a degree is a centimetre. */
function degrees(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(7) : text;
}

/** To what a title may have; of a pair that lies across its end neither half is left. */
function cut(text: string): string {
  const first = text.slice(0, titleCharsMax);
  return first.isWellFormed() || !text.isWellFormed() ? first : first.slice(0, -1);
}
