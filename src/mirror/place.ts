import Type, { type Static } from 'typebox';
import { Unusable } from '../failures.ts';
import { limits } from '../limits.ts';
import { checkOf } from '../wire/schema-check.ts';

const moment = Type.Integer();

const readSchema = Type.Object({
  /**
   * Why it is read: `head` follows what is new, `catchUp` is behind it and was never read, `again` and `status` were read
   * before and are looked at again, for what appeared late and for what changed.
   */
  kind: Type.Union([Type.Literal('head'), Type.Literal('catchUp'), Type.Literal('again'), Type.Literal('status')]),
  /** Inclusive. */
  from: moment,
  /** Exclusive; it comes down as pages are read, newest first. */
  until: moment,
  /** The first page is asked for without an upper bound, to see what is dated ahead too. */
  isOpen: Type.Optional(Type.Boolean()),
  /** Where a walk by cursor goes on, and the bounds it was begun with, which a cursor is bound to. */
  walk: Type.Optional(
    Type.Object({
      cursor: Type.String(),
      since: Type.Optional(moment),
      until: Type.Optional(moment),
      /** A digest of the ids on the last page, where it was of one millisecond: the next has others, or knows no cursors. */
      shown: Type.Optional(Type.String()),
    }),
  ),
  /** A cursor of it was refused: the next page is one by time, and where that leads no further neither does its cursor. */
  isRefused: Type.Optional(Type.Boolean()),
  /** One millisecond that has more messages than a page holds is read by status group. */
  group: Type.Optional(Type.String()),
  /** How often it was read before, with something amiss each time. */
  doubts: Type.Optional(Type.Integer()),
});

/** A range of `sentAt` that was looked at as a whole: all that is pending in it was pending then. */
const lookSchema = Type.Object({
  from: moment,
  until: moment,
  /** By our clock. */
  at: moment,
  /** How many messages it has: of those that are pending no more than so many, as far as is known. */
  pending: Type.Integer(),
  messages: Type.Integer(),
  /** What share of those that are pending changes in a minute, lately. */
  changing: Type.Number(),
  /** How many minutes messages were watched that it is known from, those of each added up; a build from before had none. */
  watched: Type.Optional(Type.Number()),
  /** One millisecond of which more were pending than a page has: now and then they are asked for by their ids. */
  isCrowded: Type.Optional(Type.Boolean()),
});

const gapSchema = Type.Object({ from: moment, until: moment, reason: Type.String() });

const placeSchema = Type.Object({
  /** What the other side's clock is ahead of ours. */
  skewMs: Type.Integer(),
  /** What that clock said with the last answer, where it said: later than this it is for certain, whatever ours does. */
  toldAt: Type.Optional(moment),
  /** What the last answer told that clock to be ahead of ours, at least and at most, where it was far from what is known: the next is to tell whether it is so. */
  doubt: Type.Optional(Type.Object({ least: Type.Integer(), most: Type.Integer() })),
  /** What the answers are dated has nothing to do with what they show: it is not gone by. */
  isMisdated: Type.Optional(Type.Boolean()),
  /** When the first answer came, by the other side's clock. */
  begunAt: Type.Optional(moment),
  /** Everything before this is read, or stands in `reads`. By the other side's clock, as all that is not said to be by ours. */
  head: Type.Optional(moment),
  /** When the newest was last asked for, by our clock. */
  headReadAt: moment,
  /** The newest message that was seen. */
  newestSentAt: Type.Optional(moment),
  /** How many messages a minute of the head has, lately. */
  messagesPerMinute: Type.Number(),
  /** And a minute of what was never read, by the page of it that came last. */
  unreadPerMinute: Type.Optional(Type.Number()),
  /** Ranges that are being read, those to be read first before. */
  reads: Type.Array(readSchema),
  /** How far each of the `passes` has looked again. */
  passes: Type.Array(moment),
  /** What was read first with something amiss, to be read once more: how often it was, and when last, by our clock. */
  doubtful: Type.Optional(
    Type.Array(Type.Object({ from: moment, until: moment, readAt: moment, doubts: Type.Integer() })),
  ),
  /** What was not read before it left the other side's log, oldest first. */
  gaps: Type.Array(gapSchema),
  /** Nothing is asked before this, by our clock. */
  notBefore: moment,
  /** Requests a minute that the other side seems to allow: fewer after a 429, slowly more after answers. */
  allowed: Type.Optional(Type.Number()),
  /** Failures since the last answer. */
  failures: Type.Integer(),
  /** What failed last, unless an answer came since; by our clock, as `answeredAt`. */
  trouble: Type.Optional(Type.Object({ reason: Type.String(), at: moment })),
  answeredAt: Type.Optional(moment),
  /** Ids in a list; fewer after the other side refused one. */
  idsMax: Type.Integer(),
  /** What was looked at, oldest first, until it leaves; a build from before had none. */
  looks: Type.Optional(Type.Array(lookSchema)),
  /** How many ids a list takes, by those that were asked for last. */
  idsListed: Type.Optional(Type.Integer()),
  /** When a list was last asked for, by our clock. */
  listedAt: Type.Optional(moment),
  /** Requests for older messages that the younger ones owe them. */
  owedToOlder: Type.Optional(Type.Number()),
  /** Since when all that is followed was asked for, by our clock, and how many messages were not lately, as of the last request. */
  asked: Type.Optional(Type.Object({ since: moment, late: Type.Integer() })),
  /** Patient kinds of work take turns by it. */
  turn: Type.Integer(),
  /** Since the mirror began. */
  requests: Type.Integer(),
  recorded: Type.Integer(),
  changed: Type.Integer(),
  refused: Type.Integer(),
  /** Messages of which something could not be taken: a state of a group that nobody knows, say. Each time they are seen. */
  flawed: Type.Optional(Type.Integer()),
  /** Messages that left the other side's log before their status was asked for a last time. */
  unsettled: Type.Integer(),
});

/** A range of `sentAt` to be read, newest first. */
export type Read = Static<typeof readSchema>;
export type Gap = Static<typeof gapSchema>;
export type Look = Static<typeof lookSchema>;

/** How far a mirror is: all that its next step goes by, apart from the messages it follows. */
export type Place = Static<typeof placeSchema>;

const check = checkOf(placeSchema);

/** The place of a mirror that has asked nothing yet. */
export const beginning: Place = Object.freeze({
  skewMs: 0,
  headReadAt: 0,
  messagesPerMinute: 0,
  reads: [],
  passes: [],
  gaps: [],
  notBefore: 0,
  failures: 0,
  idsMax: limits.pageLogsMax,
  turn: 0,
  requests: 0,
  recorded: 0,
  changed: 0,
  refused: 0,
  unsettled: 0,
});

export function writePlace(place: Place): string {
  return JSON.stringify({ ...neededBefore, ...place });
}

/**
 * What builds before `looks` need in a place, and call it damaged without: servers of both share a database while they are
 * brought up to date, and may be put back. To be left out by the version after the next release.
 */
const neededBefore = { youngPages: 1, oldPages: 1 };

/** Throws `Unusable` for a text that `writePlace` did not make. */
export function readPlace(text: string, name: string): Place {
  const value = valueIn(text);
  if (!check.Check(value))
    throw new Unusable(`the place of the mirror ${name} is damaged: remove the mirror, and add it again`);
  return value;
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The gaps with one more; those that touch are one. */
export function withGap(gaps: readonly Gap[], gap: Gap): Gap[] {
  if (gap.until <= gap.from) return [...gaps];
  const merged: Gap[] = [];
  for (const next of [...gaps, gap].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && next.from <= last.until && next.reason === last.reason)
      merged[merged.length - 1] = { ...last, until: Math.max(last.until, next.until) };
    else merged.push(next);
  }
  return merged;
}
