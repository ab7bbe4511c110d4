import crypto from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { EpochMs, Violation } from '../../domain/message.ts';
import { type DeliveryWindow, nextWithin, type Outgoing, type ReportTarget } from '../../domain/outgoing.ts';
import { webhookUrlFlaw } from '../../domain/webhook-url.ts';
import { limits } from '../../limits.ts';
import { checked, soundCheckOf } from '../checked.ts';
import { contentSource, contentText } from '../content-text.ts';
import { dateTimeRule, parseDateTime } from '../date-time.ts';
import { elementSources, fieldSource } from '../json-source.ts';
import type { Parsed } from '../parsed.ts';
import { filled, present } from '../present.ts';
import { isPlainObject } from '../record-flaws.ts';
import { checkOf } from '../schema-check.ts';
import {
  type RequestedMessage,
  requestedMessageSchema,
  type SendFrame,
  sendFrameSchema,
  sendRequestSchema,
} from './send-schemas.ts';

const messageCheck = checkOf(requestedMessageSchema);
const soundMessageCheck = soundCheckOf(requestedMessageSchema);
const frameCheck = checkOf(sendFrameSchema);

const secondMs = 1000;
const validityUnitsMs = { SECONDS: secondMs, MINUTES: 60 * secondMs, HOURS: 3600 * secondMs } as const;
const speedUnitsMs = { MINUTE: 60 * secondMs, HOUR: 3600 * secondMs, DAY: 86_400 * secondMs } as const;
const windowMinutesMin = 60;

/**
 * An id for a message that was given none. They begin with the time, so that an index of messages is written at its end: ids at
 * random are written all over it, and the more there are in line, the more of it is read for each. An older Node has no others.
 */
export const newMessageId: () => string = crypto.randomUUIDv7 ?? crypto.randomUUID;

export type SendOrder = { readonly bulkId: string; readonly messages: readonly Outgoing[] };

/**
 * The messages that a body asks for, one for each destination, or everything that is wrong with it. `text` is the body as
 * it is written: so are the contents kept then.
 */
export function parseSendRequest(body: unknown, now: EpochMs, text?: string): Parsed<SendOrder> {
  if (!isPlainObject(body) || !Array.isArray(body.messages)) {
    const violations: Violation[] = [];
    checked(sendRequestSchema, body, '', violations);
    return { violations: told(violations) };
  }
  const { messages, ...frame } = body;
  const reading = new SendReading();
  const sources = text === undefined ? [] : elementSources(fieldSource(text, 'messages').text);
  for (const [index, message] of messages.entries()) reading.take(message, sources[index]?.text);
  const work = reading.finish(frame, now);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Reads such a body in pieces, between which others have their turn: it may ask for ten thousand messages. */
export class SendReading {
  readonly #violations: Violation[] = [];
  readonly #messages: RequestedMessage[] = [];
  /** Of each of them its text, where its content is kept as it is written there. */
  readonly #texts: (string | undefined)[] = [];
  #taken = 0;

  /** The next of its messages, and as it is written. */
  take(message: unknown, text?: string): void {
    if (soundMessageCheck.Check(message)) {
      this.#taken++;
      this.#messages.push(message);
      this.#texts.push(text);
      return;
    }
    const before = this.#violations.length;
    const sound = checked(requestedMessageSchema, message, `messages[${this.#taken++}]`, this.#violations);
    if (this.#violations.length > before || !messageCheck.Check(sound)) return;
    this.#messages.push(sound);
    // A field that is null counts as absent, and is not kept.
    const isWhole = isPlainObject(message) && isDeepStrictEqual(sound.content, message.content);
    this.#texts.push(isWhole ? text : undefined);
  }

  /** Goes by steps of so many characters; `frame` is the body without its messages. */
  *finish(frame: unknown, now: EpochMs): Generator<number, Parsed<SendOrder>> {
    const violations = this.#violations;
    const sound = checked(sendFrameSchema, frame, '', violations);
    if (violations.length > 0 || !frameCheck.Check(sound) || this.#messages.length < this.#taken)
      return { violations: told(violations) };
    const schedule = readSchedule(sound, now, violations);
    const terms: Terms[] = [];
    for (const [index, message] of this.#messages.entries()) {
      const ofThis = termsOf(message, this.#texts[index], `messages[${index}]`, violations);
      terms.push(ofThis);
      yield ofThis.contentJson.length;
    }
    refuseTooMuch(this.#messages, terms, violations);
    if (violations.length > 0) return { violations };
    const messages: Outgoing[] = [];
    const { bulkId } = schedule;
    const slots = new Slots(schedule);
    for (const [index, message] of this.#messages.entries()) {
      const term = terms[index];
      if (term === undefined) throw new RangeError('a message without its terms');
      for (const destination of message.destinations) {
        messages.push(outgoingOf(message, destination, term, bulkId, slots.next(term.window)));
        yield 0;
      }
    }
    return { value: { bulkId, messages } };
  }
}

/** What a schema refuses has always been told: this is for the day that the two differ. */
function told(violations: readonly Violation[]): readonly Violation[] {
  return violations.length > 0 ? violations : [{ property: 'body', violation: 'is not a request to send messages' }];
}

type Schedule = { readonly bulkId: string; readonly startAt: EpochMs; readonly intervalMs: number };

function readSchedule({ options }: SendFrame, now: EpochMs, violations: Violation[]): Schedule {
  const { bulkId, sendAt, sendingSpeedLimit } = options?.schedule ?? {};
  const property = 'options.schedule.sendAt';
  let startAt = now;
  if (sendAt !== undefined) {
    const at = parseDateTime(sendAt);
    if (at === undefined) violations.push({ property, violation: `must be ${dateTimeRule}` });
    else if (at > now + limits.sendAheadMs)
      violations.push({ property, violation: 'must be at most 180 days in the future' });
    else startAt = Math.max(now, at);
  }
  const intervalMs =
    sendingSpeedLimit === undefined
      ? 0
      : speedUnitsMs[sendingSpeedLimit.timeUnit ?? 'MINUTE'] / sendingSpeedLimit.amount;
  return { bulkId: filled(bulkId) ?? crypto.randomUUID(), startAt, intervalMs };
}

/** The moments of a bulk's messages, at its speed: also where they waited for a window, they do not go out all at once. */
class Slots {
  readonly #schedule: Schedule;
  /** Of each window, when the last of those that wait for it goes out. */
  readonly #last = new Map<string, EpochMs>();
  #count = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  next(window: DeliveryWindow | undefined): EpochMs {
    const { startAt, intervalMs } = this.#schedule;
    const slot = startAt + this.#count++ * intervalMs;
    if (window === undefined) return Math.round(slot);
    const key = JSON.stringify(window);
    const after = this.#last.get(key);
    const at = nextWithin(window, after === undefined ? slot : Math.max(slot, after + intervalMs));
    this.#last.set(key, at);
    // Its next millisecond may lie outside.
    return Math.floor(at);
  }
}

/** What all destinations of one message share. */
type Terms = {
  readonly contentJson: string;
  readonly quickRepliesJson?: string;
  readonly validityMs: number;
  readonly window?: DeliveryWindow;
  readonly reports?: ReportTarget;
};

function termsOf(message: RequestedMessage, text: string | undefined, path: string, violations: Violation[]): Terms {
  const { content, quickReplies, options = {} } = message;
  const flaws: Violation[] = [];
  const contentJson = (text === undefined ? contentText(content, flaws) : contentSource(text, flaws)) ?? '';
  if (Buffer.byteLength(JSON.stringify(quickReplies ?? [])) > limits.contentBytesMax)
    flaws.push({ property: 'quickReplies', violation: `must be at most ${limits.contentBytesMax / 1024} KiB as JSON` });
  const window = readWindow(options.deliveryTimeWindow, flaws);
  const { delivery, seen } = message.webhooks ?? {};
  for (const [property, url] of [
    ['webhooks.delivery.url', delivery?.url],
    ['webhooks.seen.url', seen?.url],
  ] as const) {
    const violation = url === undefined ? undefined : webhookUrlFlaw(url);
    if (violation !== undefined) flaws.push({ property, violation });
  }
  for (const { property, violation } of flaws) violations.push({ property: `${path}.${property}`, violation });
  const { amount = 48, timeUnit = 'HOURS' } = withUnit(options.validityPeriod);
  const reports = reportsOf(message);
  return {
    contentJson,
    validityMs: Math.min(amount * validityUnitsMs[timeUnit], limits.sendValidityMs),
    ...(quickReplies !== undefined && quickReplies.length > 0 && { quickRepliesJson: JSON.stringify(quickReplies) }),
    ...(window !== undefined && { window }),
    ...(reports !== undefined && { reports }),
  };
}

/** A period without a unit is one of minutes. */
function withUnit(period: { amount: number; timeUnit?: keyof typeof validityUnitsMs } | undefined) {
  return period === undefined ? {} : { amount: period.amount, timeUnit: period.timeUnit ?? ('MINUTES' as const) };
}

type RequestedWindow = NonNullable<NonNullable<RequestedMessage['options']>['deliveryTimeWindow']>;

function readWindow(window: RequestedWindow | undefined, flaws: Violation[]): DeliveryWindow | undefined {
  if (window === undefined) return undefined;
  const { days, from, to } = window;
  const property = 'options.deliveryTimeWindow';
  if (from === undefined && to === undefined) return { days };
  if (from === undefined || to === undefined) {
    flaws.push({ property, violation: 'must have both from and to, or neither' });
    return undefined;
  }
  const fromMinute = from.hour * 60 + from.minute;
  const toMinute = to.hour * 60 + to.minute;
  const minutes = toMinute > fromMinute ? toMinute - fromMinute : toMinute + 24 * 60 - fromMinute;
  if (toMinute === fromMinute || minutes < windowMinutesMin)
    flaws.push({ property, violation: 'must have from and to at least an hour apart' });
  return { days, fromMinute, toMinute };
}

function reportsOf({ webhooks }: RequestedMessage): ReportTarget | undefined {
  if (webhooks === undefined) return undefined;
  const { delivery, seen, contentType, callbackData } = webhooks;
  return present({
    deliveryUrl: delivery?.url,
    notify: delivery?.notify,
    intermediate: delivery?.intermediateReport,
    seenUrl: seen?.url,
    contentType,
    callbackData,
  });
}

/** Each destination keeps the content of its message: a short request can ask for a lot. */
function refuseTooMuch(messages: readonly RequestedMessage[], terms: readonly Terms[], violations: Violation[]): void {
  let [count, chars] = [0, 0];
  for (const [index, { destinations }] of messages.entries()) {
    const { contentJson = '', quickRepliesJson = '' } = terms[index] ?? {};
    count += destinations.length;
    chars += destinations.length * (contentJson.length + quickRepliesJson.length);
  }
  const refuse = (violation: string) => violations.push({ property: 'messages', violation });
  if (count > limits.sendMessagesMax) refuse(`must have at most ${limits.sendMessagesMax} destinations together`);
  if (chars > limits.sendCharsMax)
    refuse(`must have at most ${limits.sendCharsMax} characters of content, counted for each destination`);
}

function outgoingOf(
  { sender, options = {} }: RequestedMessage,
  { to, messageId }: RequestedMessage['destinations'][number],
  { contentJson, quickRepliesJson, validityMs, window, reports }: Terms,
  bulkId: string,
  dueAt: EpochMs,
): Outgoing {
  const given = filled(messageId);
  return {
    messageId: given ?? newMessageId(),
    isIdGiven: given !== undefined,
    bulkId,
    sender,
    destination: to,
    contentJson,
    dueAt,
    expiresAt: dueAt + validityMs,
    hasFailover: options.smsFailover !== undefined,
    ...present({
      quickRepliesJson,
      window,
      reports,
      entityId: filled(options.platform?.entityId),
      applicationId: filled(options.platform?.applicationId),
      campaignReferenceId: filled(options.campaignReferenceId),
    }),
  };
}
