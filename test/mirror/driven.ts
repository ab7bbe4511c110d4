import { life } from '../../scripts/demo/life.ts';
import { Random } from '../../scripts/demo/random.ts';
import { limits } from '../../src/limits.ts';
import { advance } from '../../src/mirror/advance.ts';
import { type Slots, spending } from '../../src/mirror/budget.ts';
import { askedOf } from '../../src/mirror/lateness.ts';
import { budgetOf, servedYoungMs, type Terms } from '../../src/mirror/pace.ts';
import { beginning, type Place } from '../../src/mirror/place.ts';
import { dueMax, plan, type Question, settled } from '../../src/mirror/plan.ts';
import type { Followed, Following, Kept } from '../../src/mirror/rows.ts';
import type { PageAnswer } from '../../src/mirror/shown.ts';

export const minute = 60_000;
export const hour = 60 * minute;
export const begunAt = Date.parse('2026-03-01T12:00:00Z');

const answerMs = 100;
const windowMs = 48 * hour;

type Answer = PageAnswer & { readonly numbers: readonly number[] };

/** How many messages the log of another side has, when each was sent, and when it is what. */
export type Traffic = {
  readonly idChars: number;
  /** Oldest first. */
  readonly sentAt: Float64Array;
  readonly pendingUntil: Float64Array;
  readonly finalAt: Float64Array;
  /** All is final, so that the ends of each page say all there is of it: for millions. */
  readonly isOver?: boolean;
};

/** So many a second from `begunAt` on, each with a life of its own, and before it some that end at moments of their own. */
export function traffic({
  perSecond = 500,
  ms = 0,
  idChars = 8,
  old = [] as readonly { sentAt: number; finalAt: number }[],
}): Traffic {
  const count = old.length + Math.floor((ms * perSecond) / 1000);
  const made = () => new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const [sentAt, pendingUntil, finalAt, random] = [made(), made(), made(), new Random('numbered')];
  for (const [number, one] of old.entries()) {
    sentAt[number] = one.sentAt;
    pendingUntil[number] = finalAt[number] = one.finalAt;
  }
  for (let number = old.length; number < count; number++) {
    const sent = begunAt + ((number - old.length) * 1000) / perSecond;
    sentAt[number] = sent;
    const { refusedAs, steps } = life(sent, 1, random);
    for (const { at, status } of refusedAs === undefined ? steps : [refusedAs]) {
      if (status?.final === true) finalAt[number] = Math.min(finalAt[number] ?? at, at);
      if (status !== undefined && status.groupName !== 'PENDING')
        pendingUntil[number] = Math.min(pendingUntil[number] ?? at, at);
    }
  }
  return { idChars, sentAt, pendingUntil, finalAt };
}

/** So many messages of 48 hours, each at its end: evenly, or many by day and few by night. */
export function past(count: number, byDay = false): Traffic {
  const wave = (part: number) => (byDay ? (0.9 * Math.sin(4 * Math.PI * part)) / (4 * Math.PI) : 0);
  const sentAt = Float64Array.from({ length: count }, (_, i) =>
    Math.floor(begunAt - windowMs + windowMs * (i / count + wave(i / count))),
  );
  const done = new Float64Array(count);
  return {
    idChars: 8,
    sentAt,
    pendingUntil: done,
    finalAt: done,
    isOver: true,
  };
}

/** Answers as the log of another side does, from numbers alone: cheap enough for many minutes, and for millions. */
class NumberedLog {
  readonly #traffic: Traffic;
  readonly #cursorMs: number;
  readonly #hasCursor: boolean;

  constructor(traffic: Traffic, cursorMs: number, hasCursor: boolean) {
    this.#traffic = traffic;
    this.#cursorMs = cursorMs;
    this.#hasCursor = hasCursor;
  }

  answer({ messageIds, cursor, sentSince = 0, sentUntil = Infinity, generalStatus }: Question, now: number): Answer {
    const { pendingUntil, sentAt } = this.#traffic;
    if (messageIds !== undefined) {
      const numbers = messageIds.map(Number).filter(number => (sentAt[number] ?? 0) >= now - windowMs);
      return this.#page(numbers, now, { hasCursor: false });
    }
    const first = this.#firstFrom(Math.max(sentSince, now - windowMs));
    const numbers: number[] = [];
    for (
      let number = Math.min(this.#firstFrom(Math.min(sentUntil, now + 1)), this.#placeOf(cursor, now)) - 1;
      number >= first;
      number--
    ) {
      // What is not pending is delivered.
      const group = (pendingUntil[number] ?? 0) <= now ? 'DELIVERED' : 'PENDING';
      if (generalStatus !== undefined && generalStatus !== group) continue;
      if (numbers.length === limits.pageLogsMax)
        return this.#page(numbers, now, {
          hasCursor: this.#hasCursor,
          ...(this.#hasCursor && { next: `${number + 1} ${now}` }),
        });
      numbers.push(number);
    }
    return this.#page(numbers, now, { hasCursor: this.#hasCursor });
  }

  #placeOf(cursor: string | undefined, now: number): number {
    if (cursor === undefined) return Number.POSITIVE_INFINITY;
    const [number, madeAt] = cursor.split(' ').map(Number);
    if (now - (madeAt ?? 0) > this.#cursorMs) throw new Error('a cursor that has expired was asked with');
    return number ?? 0;
  }

  #page(numbers: readonly number[], now: number, walk: Pick<PageAnswer, 'hasCursor' | 'next'>): Answer {
    const { idChars, sentAt, pendingUntil, finalAt, isOver = false } = this.#traffic;
    const shown = isOver && numbers.length > 2 ? [...numbers.slice(0, 1), ...numbers.slice(-1)] : numbers;
    const seen = shown.map(number => ({
      messageId: String(number).padStart(idChars, '0'),
      sentAt: sentAt[number] ?? 0,
      isFinal: (finalAt[number] ?? 0) <= now,
      isById: (pendingUntil[number] ?? 0) <= now,
    }));
    return { seen, numbers, count: numbers.length, ...walk };
  }

  #firstFrom(at: number): number {
    return firstFrom(this.#traffic.sentAt, at);
  }
}

/** What a mirror follows, by the numbers of messages: a step costs what it changes and what is due, however many there are. */
class FollowedNumbers {
  readonly unsettled: string[] = [];
  readonly #traffic: Traffic;
  /** 0 for one that is not followed, 1 for one that is found by time, 2 by its id. */
  readonly #state: Uint8Array;
  readonly #dueAt: Float64Array;
  /** Numbers by the minute that they are due in; of those whose time was changed since, one is not theirs any more. */
  readonly #byMinute = new Map<number, number[]>();
  readonly #changed = new Set<number>();
  #oldest = 0;
  #following = { messages: 0, byId: 0 };

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
    this.#state = new Uint8Array(traffic.sentAt.length);
    this.#dueAt = new Float64Array(traffic.sentAt.length);
  }

  get following(): Following {
    return { ...this.#following };
  }

  /** Ends the following of what has left the other side. */
  leave(horizon: number): void {
    for (; (this.#traffic.sentAt[this.#oldest] ?? Number.POSITIVE_INFINITY) < horizon; this.#oldest++)
      if (this.#state[this.#oldest] !== 0) {
        this.unsettled.push(this.#one(this.#oldest).messageId);
        this.#set(this.#oldest, 0, 0);
      }
  }

  /** As `MirrorRows.due`. */
  due(at: number, youngSince: number): readonly Followed[] {
    const found = new Set(this.#changed);
    const last = Math.floor(at / minute);
    for (const [due, numbers] of this.#byMinute) {
      if (due > last) continue;
      const left = numbers.filter(number => this.#state[number] !== 0 && this.#minuteOf(number) === due);
      if (left.length === 0) this.#byMinute.delete(due);
      else this.#byMinute.set(due, left);
      for (const number of left) if ((this.#dueAt[number] ?? 0) <= at) found.add(number);
    }
    const overdue = [...found].map(number => this.#one(number)).sort((a, b) => a.dueAt - b.dueAt);
    const { young = [], old = [] } = Object.groupBy(overdue, ({ sentAt }) => (sentAt > youngSince ? 'young' : 'old'));
    return [...young.slice(0, dueMax), ...old.slice(0, dueMax)];
  }

  /** As `MirrorRows.keep`. */
  keep({ follow, pendingOf, unfollow }: Omit<Kept, 'place'>): void {
    if (pendingOf !== undefined) {
      const pending = new Set(follow.map(one => Number(one.messageId)));
      const until = firstFrom(this.#traffic.sentAt, pendingOf.until);
      for (let number = firstFrom(this.#traffic.sentAt, pendingOf.from); number < until; number++)
        if (this.#state[number] === 1 && !pending.has(number)) this.#set(number, 2, this.#traffic.sentAt[number] ?? 0);
    }
    for (const { messageId, isById, dueAt } of follow) this.#set(Number(messageId), isById ? 2 : 1, dueAt);
    for (const messageId of unfollow) this.#set(Number(messageId), 0, 0);
  }

  #set(number: number, state: number, dueAt: number): void {
    const before = this.#state[number] ?? 0;
    this.#following.messages += Number(state > 0) - Number(before > 0);
    this.#following.byId += Number(state === 2) - Number(before === 2);
    this.#state[number] = state;
    this.#changed.delete(number);
    if (state === 0) return;
    this.#dueAt[number] = dueAt;
    if (dueAt <= (this.#traffic.sentAt[number] ?? 0)) this.#changed.add(number);
    else {
      const due = this.#minuteOf(number);
      const those = this.#byMinute.get(due);
      if (those === undefined) this.#byMinute.set(due, [number]);
      else if (those.at(-1) !== number) those.push(number);
    }
  }

  #minuteOf = (number: number) => Math.floor((this.#dueAt[number] ?? 0) / minute);

  #one(number: number): Followed {
    const { idChars, sentAt } = this.#traffic;
    return {
      messageId: String(number).padStart(idChars, '0'),
      sentAt: sentAt[number] ?? 0,
      dueAt: this.#dueAt[number] ?? 0,
      isById: this.#state[number] === 2,
    };
  }
}

/** The first that was sent at a moment or after it; they are in order. */
function firstFrom(sentAt: Float64Array, at: number): number {
  let [low, high] = [0, sentAt.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sentAt[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export type Driven = {
  /** When each message was kept first, and its end; infinite for never. */
  readonly keptAt: Float64Array;
  readonly seenAt: Float64Array;
  readonly asked: readonly {
    readonly at: number;
    readonly question: Question;
    /** What the mirror knew of how late statuses are. */
    readonly statuses: Place['asked'];
  }[];
  /** Messages that left before they were asked for a last time. */
  readonly unsettled: readonly string[];
  readonly place: Place;
  readonly now: number;
};

/** Drives a mirror over that log on a clock that stands still between requests, until a moment or until `isOver`. */
export function drive(
  made: Traffic,
  options: {
    readonly until: number;
    readonly requestsPerMinute?: number;
    readonly isOver?: (place: Place) => boolean;
    readonly cursorMs?: number;
    readonly hasCursor?: boolean;
  },
): Driven {
  const { until, requestsPerMinute = 60, isOver = () => false, cursorMs = Number.POSITIVE_INFINITY } = options;
  const terms: Terms = {
    requestsPerMinute,
    sinceMs: windowMs,
    retentionMs: 30 * 24 * hour,
  };
  const log = new NumberedLog(made, cursorMs, options.hasCursor ?? true);
  const noted = () => new Float64Array(made.sentAt.length).fill(Number.POSITIVE_INFINITY);
  const [keptAt, seenAt] = [noted(), noted()];
  const followed = new FollowedNumbers(made);
  const asked: { at: number; question: Question; statuses: Place['asked'] }[] = [];
  let [counted, countedAt]: [Following, number] = [{ messages: 0, byId: 0 }, 0];
  let [place, slots, now]: [Place, Slots, number] = [beginning, [], begunAt + 1000];
  while (now < until && !isOver(place)) {
    const at = now;
    const before = settled(place, at, terms);
    followed.leave(at - windowMs);
    const due = followed.due(at, at - servedYoungMs);
    const step = plan(before, due, at, terms);
    if (step.kind === 'wait') {
      now += Math.max(answerMs, Math.min(step.ms, 1000));
      continue;
    }
    const spent = spending(slots, at, budgetOf(before, terms), step.isPatient);
    slots = spent.slots;
    if (spent.fullForMs !== undefined) {
      now += Math.max(answerMs, Math.min(spent.fullForMs, 1000));
      continue;
    }
    const answer = log.answer(step.question, at);
    for (const [i, number] of answer.numbers.entries()) {
      keptAt[number] = Math.min(keptAt[number] ?? at, at);
      if (answer.seen[i]?.isFinal === true) seenAt[number] = Math.min(seenAt[number] ?? at, at);
    }
    if (Math.abs(at - countedAt) >= 30_000) {
      countedAt = at;
      counted = followed.following;
    }
    const known = { ...terms, followed: counted };
    const statuses = askedOf(before, due, at);
    asked.push({ at, question: step.question, statuses });
    const moved = advance({ ...before, asked: statuses }, step, answer, at, at, known);
    place = moved.place;
    followed.keep(moved);
    now += answerMs;
  }
  return { keptAt, seenAt, asked, unsettled: followed.unsettled, place, now };
}
