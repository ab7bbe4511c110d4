import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { isPlainObject } from '../wire/record-flaws.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What an event of a webhook tells of a message that a page sent. */
export type PageReceipt = { readonly page: string; readonly psid: string; readonly at: EpochMs } & (
  | {
      readonly kind: 'echo';
      readonly mid: string;
      readonly metadata?: string;
      /** The message as Meta tells it, and its event as it is written, where the body was. */
      readonly message: Fields;
      readonly text?: string;
    }
  | { readonly kind: 'delivered'; readonly mids: readonly string[]; readonly watermark?: EpochMs }
  | { readonly kind: 'read'; readonly watermark: EpochMs }
);

/**
 * The receipts in the body of a webhook; other events, and what is not understood of one, are left out. `undefined` when
 * the body is not of a page at all. What is said to have happened further ahead than clocks may differ counts as that far
 * ahead: the log would not take it, and would never hear that a message was delivered. An entry's `texts` are its events as
 * they are written.
 */
export function receiptsIn(body: unknown, receivedAt: EpochMs): readonly PageReceipt[] | undefined {
  const { object, entry } = fieldsOf(body);
  if (object !== 'page' || !Array.isArray(entry)) return undefined;
  return entry.flatMap(one => {
    const { id, messaging, standby, texts } = fieldsOf(one);
    const page = idText(id);
    if (page === undefined) return [];
    const written = listOf(texts);
    const events = [...listOf(messaging), ...listOf(standby)];
    return events.flatMap((event, i) => receiptOf(page, fieldsOf(event), written[i], receivedAt) ?? []);
  });
}

function receiptOf(page: string, event: Fields, text: unknown, receivedAt: EpochMs): PageReceipt | undefined {
  const { message, delivery, read } = event;
  const sender = idText(fieldsOf(event.sender).id);
  const recipient = idText(fieldsOf(event.recipient).id);
  const latest = receivedAt + limits.futureSkewMs;
  const given = moment(event.timestamp, latest);
  if (message !== undefined) {
    const fields = fieldsOf(message);
    const { is_echo: isEcho, mid, metadata } = fields;
    if (isEcho !== true || typeof mid !== 'string' || mid === '' || recipient === undefined) return undefined;
    const known = { page, psid: recipient, at: given ?? receivedAt, mid, message: fields };
    return {
      kind: 'echo',
      ...known,
      ...(typeof text === 'string' && { text }),
      ...(typeof metadata === 'string' && { metadata }),
    };
  }
  if (sender === undefined) return undefined;
  if (delivery !== undefined) {
    const { mids, watermark: to } = fieldsOf(delivery);
    const watermark = moment(to, latest);
    const ids = listOf(mids).filter(one => typeof one === 'string');
    const at = given ?? watermark ?? receivedAt;
    return { kind: 'delivered', page, psid: sender, at, mids: ids, ...(watermark !== undefined && { watermark }) };
  }
  const watermark = moment(fieldsOf(read).watermark, latest);
  return watermark === undefined ? undefined : { kind: 'read', page, psid: sender, at: given ?? watermark, watermark };
}

const none: Fields = {};

export function fieldsOf(value: unknown): Fields {
  return isPlainObject(value) ? value : none;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Ids are digits: some programs write them as numbers. */
export function idText(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function moment(value: unknown, latest: EpochMs): EpochMs | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? Math.min(value, latest) : undefined;
}
