import type { EpochMs } from '../../src/domain/message.ts';
import type { DeliveryError, Status } from '../../src/domain/registry.ts';
import { campaignContent, recipient, type Sender, senders, singleContent } from './cast.ts';
import { life, type Step } from './life.ts';
import { Random } from './random.ts';

/** A record as it is posted, when it reaches the log, and the message it speaks of. */
export type Arrival = {
  readonly dueAt: EpochMs;
  readonly messageId: string;
  readonly sentAt: EpochMs;
  readonly record: Readonly<Record<string, unknown>>;
};

/*
 * The traffic is cut into slots. What happens in a slot depends on nothing but when the slot begins: whether it is told as it
 * happens or two days later, by this run or by another, it is exactly the same, and the log knows what it was told before.
 */
const seed = 'sentlog';
export const slotMs = 600_000;
/** On average over a day: about 50,000 in two days. */
const messagesPerSlot = 174;
const dayMs = 86_400_000;

/** How busy it is, 1 on average: least at four in the morning, most at four in the afternoon. Never so little that nobody would watch. */
function rhythm(at: EpochMs): number {
  const hour = ((at % dayMs) / dayMs) * 24;
  return 1 - 0.55 * Math.cos(((hour - 4) / 24) * 2 * Math.PI);
}

/** Every record of the messages sent in the slot that begins at `from`, reports of days later included. */
export function slotArrivals(from: EpochMs): readonly Arrival[] {
  const random = new Random(`${seed} ${from}`);
  let number = 0;
  const id = (at: EpochMs) => {
    number += 1;
    return `${at}${String(number).padStart(6, '0')}`;
  };
  const messages = Math.round(messagesPerSlot * rhythm(from) * (0.85 + 0.3 * random.next()));
  const arrivals: Arrival[] = [];
  for (let left = messages; left > 0; ) {
    const sender = random.weighted(senders.map(one => [one.weight, one] as const));
    const bulk = draftBulk(from, sender, left, random, id);
    for (let position = 0; position < bulk.size; position += 1)
      arrivals.push(...messageArrivals(bulk, position, random, id));
    left -= bulk.size;
  }
  return arrivals;
}

type Bulk = {
  readonly sender: Sender;
  readonly bulkId: string;
  readonly startsAt: EpochMs;
  readonly spacingMs: number;
  readonly size: number;
  readonly content: (random: Random) => object;
  readonly fields: object;
};

/** A campaign goes to many at once; all else goes to one, now and then to a few. */
function draftBulk(from: EpochMs, sender: Sender, left: number, random: Random, id: (at: EpochMs) => string): Bulk {
  const campaign = sender.campaigns.length > 0 && random.chance(0.02) ? random.pick(sender.campaigns) : undefined;
  const size = campaign === undefined ? (random.chance(0.1) ? random.between(2, 5) : 1) : messagesPerSlot / 2;
  const bounded = Math.ceil(Math.min(size, left));
  const startsAt = from + Math.floor(random.next() * slotMs * 0.8);
  const { entityId } = sender;
  const applicationId = sender.applications.length > 0 ? random.pick(sender.applications) : undefined;
  const shared = campaignContent(random);
  return {
    sender,
    bulkId: id(startsAt),
    startsAt,
    spacingMs: Math.min(60, (slotMs * 0.2) / bounded),
    size: bounded,
    content: campaign === undefined ? singleContent : () => shared,
    fields: {
      ...(entityId !== undefined && { platform: { entityId, ...(applicationId !== undefined && { applicationId }) } }),
      ...(campaign !== undefined && { campaignReferenceId: campaign }),
    },
  };
}

function messageArrivals(
  bulk: Bulk,
  position: number,
  random: Random,
  id: (at: EpochMs) => string,
): readonly Arrival[] {
  const sentAt = bulk.startsAt + Math.floor(position * bulk.spacingMs);
  const messageId = id(sentAt);
  const { refusedAs, steps } = life(sentAt, 1, random);
  const content = bulk.content(random);
  const price = { pricePerMessage: bulk.sender.pricePerMessage, currency: bulk.sender.currency };
  const message: Arrival['record'] = {
    sender: bulk.sender.page,
    destination: recipient(bulk.sender, random),
    bulkId: bulk.bulkId,
    messageId,
    sentAt: instant(sentAt),
    ...(random.chance(0.08) && { messageCount: random.between(2, 3) }),
    ...(refusedAs !== undefined && said(refusedAs, price, random)),
    ...bulk.fields,
    content,
  };
  const recordedAt = sentAt + random.between(5, 80);
  const arrivals: Arrival[] = [{ dueAt: recordedAt, messageId, sentAt, record: message }];
  for (const step of steps)
    arrivals.push({
      dueAt: lateness(step.at, random),
      messageId,
      sentAt,
      record: { messageId, ...said(step, price, random) },
    });
  const again = random.chance(0.03) ? random.pick(arrivals) : undefined;
  // What comes before its message is not a report but a message without a sender: the platform holds it back.
  return [...arrivals, ...(again === undefined ? [] : [{ ...again, dueAt: again.dueAt + random.delayMs(5000) }])].map(
    one => ({ ...one, dueAt: Math.max(one.dueAt, recordedAt + (one.record === message ? 0 : 250)) }),
  );
}

/** When a report arrives: mostly at once, sometimes after the one that should follow it, sometimes minutes late. */
function lateness(at: EpochMs, random: Random): EpochMs {
  if (random.chance(0.04)) return at + random.delayMs(4000);
  if (random.chance(0.02)) return at + random.delayMs(900_000);
  return at + random.between(5, 120);
}

function said(step: Step, price: object, random: Random): Readonly<Record<string, unknown>> {
  const whole = random.chance(0.2);
  return {
    at: instant(step.at),
    ...(step.doneAt !== undefined && { doneAt: instant(step.doneAt) }),
    ...(step.seenAt !== undefined && { seenAt: instant(step.seenAt) }),
    ...(step.priced === true && { price }),
    ...(step.status !== undefined && { status: code(step.status, whole) }),
    ...(step.error !== undefined && { error: code(step.error, whole) }),
  };
}

/** A code by its name, or written out as the vendor does. */
function code(entry: Status | DeliveryError, whole: boolean): Readonly<Record<string, unknown>> {
  const { groupId, groupName, id, name, description } = entry;
  if (!whole) return { name };
  return { groupId, groupName, id, name, description, ...('permanent' in entry && { permanent: entry.permanent }) };
}

function instant(at: EpochMs): string {
  return new Date(at).toISOString().replace('Z', '+0000');
}
