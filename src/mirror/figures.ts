import type { EpochMs } from '../domain/message.ts';
import { Unusable } from '../failures.ts';
import { formatDateTime } from '../wire/date-time.ts';
import type { Terms } from './pace.ts';
import { beginning, type Gap, type Place, readPlace } from './place.ts';
import { isResting, settled } from './plan.ts';
import type { Mirror, MirrorRows } from './rows.ts';

export type MirrorState = 'starting' | 'catching up' | 'following' | 'in trouble' | 'paused';

/** How a mirror is. */
export type MirrorFigures = {
  readonly mirror: Mirror;
  readonly state: MirrorState;
  /** Why it rests, or what failed last. */
  readonly reason?: string;
  /** How far the newest that is read is behind now, by the other side's clock; absent before the first answer. */
  readonly lagMs?: number;
  readonly newestSentAt?: EpochMs;
  /** What the other side's clock is ahead of ours. */
  readonly skewMs: number;
  /** How far back what is still to be read begins; absent when everything is read. */
  readonly unreadSince?: EpochMs;
  readonly answeredAt?: EpochMs;
  /** Nothing is asked before, by our clock: the other side asked for a pause, or gave no answer. Absent when it may be asked. */
  readonly restsUntil?: EpochMs;
  /** How long ago what is followed was asked for, of that which has waited longest; absent before the first answer. */
  readonly statusLagMs?: number;
  /** Followed messages that were not asked for within 90 seconds, as of the last request. */
  readonly statusesLate: number;
  /** In the last minute. */
  readonly requestsUsed: number;
  readonly requestsLeft: number;
  /** Messages whose status is not final, which are asked for again. */
  readonly followed: number;
  readonly gaps: readonly Gap[];
  readonly recorded: number;
  readonly changed: number;
  readonly refused: number;
  /** Messages of which something could not be taken, each time they were seen. */
  readonly flawed: number;
  readonly unsettled: number;
};

/**
 * The figures of one mirror at a moment, from what is kept of it: any process can tell them. `hindrance` is why this one could
 * not run it.
 */
export async function figuresOf(
  mirror: Mirror,
  rows: Pick<MirrorRows, 'place' | 'spent' | 'followed'>,
  now: EpochMs,
  terms: Terms,
  hindrance?: string,
): Promise<MirrorFigures> {
  const found = placeIn(await rows.place(mirror.id), mirror, now);
  const kept = hindrance === undefined ? found : { ...found, trouble: { reason: hindrance, at: now } };
  // While nothing answers, our clock alone tells what leaves.
  const { toldAt: _, ...unanswered } = kept;
  const isUnanswered = mirror.pause !== undefined || kept.trouble !== undefined;
  const place = settled(isUnanswered ? unanswered : kept, now, terms);
  const { head, reads, newestSentAt, answeredAt, trouble, gaps, recorded, changed, refused, unsettled, asked } = place;
  const unread = reads.filter(read => read.kind === 'catchUp');
  const { requests } = await rows.spent(mirror.id, now);
  const rests = mirror.pause === undefined && isResting(found, now);
  const reason = mirror.pause?.reason ?? trouble?.reason;
  const states: readonly (readonly [boolean, MirrorState])[] = [
    [mirror.pause !== undefined, 'paused'],
    [trouble !== undefined, 'in trouble'],
    [head === undefined, 'starting'],
    [unread.length > 0, 'catching up'],
  ];
  return {
    mirror,
    state: states.find(([holds]) => holds)?.[1] ?? 'following',
    ...(reason !== undefined && { reason }),
    ...(head !== undefined && { lagMs: Math.max(0, now + place.skewMs - head) }),
    skewMs: place.skewMs,
    ...(newestSentAt !== undefined && { newestSentAt }),
    ...(unread.length > 0 && { unreadSince: Math.min(...unread.map(read => read.from)) }),
    ...(answeredAt !== undefined && { answeredAt }),
    ...(rests && { restsUntil: found.notBefore }),
    ...(asked !== undefined && { statusLagMs: Math.max(0, now - asked.since) }),
    statusesLate: asked?.late ?? 0,
    requestsUsed: requests,
    requestsLeft: Math.max(0, mirror.requestsPerMinute - requests),
    followed: (await rows.followed(mirror.id)).messages,
    gaps,
    recorded,
    changed,
    refused,
    flawed: place.flawed ?? 0,
    unsettled,
  };
}

/**
 * Why statuses here may be old, or what is new is not here yet, in words; `undefined` for a mirror that is up to date.
 */
export function behindOf({
  mirror,
  state,
  reason,
  restsUntil,
  lagMs,
  statusLagMs,
  statusesLate,
}: MirrorFigures): string | undefined {
  const rest = restsUntil === undefined ? '' : `; it asks again at ${formatDateTime(restsUntil)}`;
  if (state === 'paused' || state === 'in trouble') return `${state}: ${reason}${rest}`;
  const told = [
    ...(lagMs !== undefined && lagMs > behindMs
      ? [`what was sent in the last ${shownSpan(lagMs)} is not read yet`]
      : []),
    ...(statusesLate > 0 && statusLagMs !== undefined
      ? [
          `messages without a final status that were not asked for in the last 90 s: ${statusesLate}, the longest for ` +
            `${shownSpan(statusLagMs)}, since ${mirror.requestsPerMinute} requests a minute do not suffice ` +
            `${state === 'catching up' ? 'while it catches up' : 'without webhooks'}`,
        ]
      : []),
  ];
  return told.length === 0 ? undefined : told.join('; ');
}

const behindMs = 300_000;

/** `95 s`, `12 min`, `3.5 h`. */
export function shownSpan(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 6) / 10} h`;
}

/** One that cannot be read costs its own mirror: nobody can tell what that has read, so all of its time is a gap. */
function placeIn(text: string | undefined, { name, createdAt, sinceMs }: Mirror, now: EpochMs): Place {
  if (text === undefined) return beginning;
  try {
    return readPlace(text, name);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    const reason = error.message;
    return { ...beginning, trouble: { reason, at: now }, gaps: [{ from: createdAt - sinceMs, until: now, reason }] };
  }
}
