import type { EpochMs, MessageIdentity } from './message.ts';

/** Days of the week, Monday first, as the vendor names them. */
export const weekDays = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'] as const;
export type WeekDay = (typeof weekDays)[number];

/** Meta counts audio and video against a bound of their own. */
export type Lane = 'text' | 'media';

/** When of a week a message may be sent, in UTC. Without times: the whole of these days. */
export type DeliveryWindow = {
  readonly days: readonly WeekDay[];
  /** Minutes since midnight; a window whose end lies before its start ends on the next day. */
  readonly fromMinute?: number;
  readonly toMinute?: number;
};

/** Where a message's reports are pushed to, and in which form. */
export type ReportTarget = {
  readonly deliveryUrl?: string;
  readonly notify?: boolean;
  readonly intermediate?: boolean;
  readonly seenUrl?: string;
  readonly contentType?: 'application/json' | 'application/xml';
  readonly callbackData?: string;
};

/** A message to be sent, as it was accepted: what identifies it, and the terms on which it is sent. */
export type Outgoing = Omit<MessageIdentity, 'sentAt' | 'messageCount'> & {
  /** Given by the caller, and not made here. */
  readonly isIdGiven: boolean;
  /** The list of quick replies as JSON, where there is one. */
  readonly quickRepliesJson?: string;
  /** Not before this. */
  readonly dueAt: EpochMs;
  /** Not after this. */
  readonly expiresAt: EpochMs;
  readonly window?: DeliveryWindow;
  readonly reports?: ReportTarget;
  /** Asked for an SMS in its place should it fail, which is never sent. */
  readonly hasFailover: boolean;
  /** Sent by somebody else over a page that is watched. */
  readonly isForeign?: true;
};

const minuteMs = 60_000;
const dayMinutes = 24 * 60;
const dayMs = dayMinutes * minuteMs;

/** The first moment from `at` on that lies inside the window; `at` itself without one. */
export function nextWithin(window: DeliveryWindow | undefined, at: EpochMs): EpochMs {
  if (window === undefined) return at;
  const midnight = Math.floor(at / dayMs) * dayMs;
  // A window of yesterday may reach into today; that of the same day next week is the last that can be the first.
  for (let day = -1; day <= 7; day++) {
    const start = midnight + day * dayMs;
    if (!window.days.includes(weekDayOf(start))) continue;
    const from = start + (window.fromMinute ?? 0) * minuteMs;
    const until = start + endMinute(window) * minuteMs;
    if (at < until) return Math.max(at, from);
  }
  throw new RangeError('a delivery time window names no day');
}

function endMinute({ fromMinute = 0, toMinute }: DeliveryWindow): number {
  if (toMinute === undefined) return dayMinutes;
  return toMinute > fromMinute ? toMinute : toMinute + dayMinutes;
}

/** 1970-01-01 was a Thursday. */
function weekDayOf(midnight: EpochMs): WeekDay {
  const index = (((midnight / dayMs + 3) % 7) + 7) % 7;
  const day = weekDays[index];
  if (day === undefined) throw new RangeError('a week has seven days');
  return day;
}

/** Which reports are asked for, by fields of their messages, and how many at most. */
export type ReportsQuery = {
  readonly limit: number;
  readonly bulkId?: string;
  readonly messageId?: string;
  readonly entityId?: string;
  readonly applicationId?: string;
  readonly campaignReferenceId?: string;
};
