import { asksForText, conditionMatcher } from '../../../domain/filter.ts';
import type { EpochMs } from '../../../domain/message.ts';
import type { Summary } from '../../../domain/summary.ts';
import type { SummaryQuery } from '../../store.ts';
import { earliest, extentOf, type Kept, type Span, wholeMinutes } from '../log/kept-counts.ts';
import { beginningAt, type Place } from '../search/bookmark.ts';
import { allFound, candidatesOf } from '../search/candidates.ts';
import type { Steps } from '../search/jobs.ts';
import type { Candidates } from '../search/merge.ts';
import { PacedRows } from '../search/paced-rows.ts';
import type { Found, ReadSegment, ReadSegments } from '../search/read-segments.ts';
import { messagesOf } from '../search/sealed-scan.ts';
import { logOf } from '../segment/record-row.ts';
import {
  lossesIn,
  maxSentAt,
  messagesIn,
  minSentAt,
  reportedUntil,
  type SharedSegment,
} from '../segment/shared-segment.ts';
import { countsInIndex, countsInMemory } from './account-counts.ts';
import { CountSum } from './count-sum.ts';
import { FacetCount, facetsTell } from './facet-count.ts';

const messagesAtATime = 1000;
/** To count by facets, all of a segment is looked at: below this share of it, reading one's own rows takes less. */
const countedShareMin = 1 / 50;
/** Looking at the facets of so many messages takes as long as reading the row of one. */
const facetedMessagesPerRow = 512;

/**
 * One summary in the making, a step at a time. What the kept counts have is added at once; the rest is counted message
 * by message, newest first: everything when there is a filter, otherwise the minutes that the range cuts, and what was
 * sent before the counts can be trusted.
 */
class Summarizing {
  readonly #segments: ReadSegments;
  readonly #hashSeed: number;
  readonly #query: SummaryQuery;
  readonly #sum: CountSum;
  readonly #now: () => number;
  readonly #deadlineMs: number;
  /** To be counted message by message, newest first. */
  readonly #spans: Span[];
  /** Nothing recorded since is counted. */
  readonly #begun: Place;
  /** The last message counted of the first span. */
  #last: Found | undefined;
  #candidates: Candidates | undefined;
  readonly #paced: PacedRows;
  /** Segments that are counted by their facets. */
  readonly #counted = new Set<number>();
  readonly #kept: Kept | undefined;

  constructor(
    segments: ReadSegments,
    hashSeed: number,
    query: SummaryQuery,
    kept: Kept | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#segments = segments;
    this.#hashSeed = hashSeed;
    this.#query = query;
    this.#sum = new CountSum(query.range, query.by, query.first);
    this.#now = now;
    this.#deadlineMs = now() + query.budgetMs;
    this.#begun = beginningAt(segments.end());
    this.#kept = kept;
    this.#paced = new PacedRows(asksForText(query.filter) ? 1 : messagesAtATime, messagesAtATime);
    const whole = keptSpan(query, kept);
    const [from, to] = [earliest(query), query.range.to ?? Infinity];
    const spans = [
      { from: Math.max(from, whole.to), to },
      { from, to: Math.min(to, whole.from) },
    ];
    this.#spans = spans.filter(span => span.from < span.to);
  }

  /** Counts until all is counted, or the time is over. Throws as `Reader.search` does. */
  *steps(): Steps<Summary> {
    const whole = keptSpan(this.#query, this.#kept);
    if (this.#kept !== undefined && whole.from < whole.to) this.#addKept(this.#kept, whole);
    else if (!(yield* this.#byFacets())) return this.#sum.unfinished(Infinity);
    while (this.#spans.length > 0) {
      const places = yield* this.#taken(this.#paced.count);
      if (places === undefined) return this.#sum.unfinished(this.#countedFrom());
      if (places.length === 0) {
        this.#spans.shift();
        this.#last = undefined;
        this.#candidates = undefined;
        continue;
      }
      this.#count(places);
      this.#last = places.at(-1);
      if (this.#isOver()) return this.#sum.unfinished(this.#countedFrom());
      if (yield 0) this.#candidates?.afterPause();
    }
    const summary = this.#sum.complete();
    // Asked at the end: what was lost meanwhile may be missing already.
    const isLossy = this.#segments.all().some(({ shared }) => lacksSome(shared, this.#query));
    return isLossy ? { ...summary, complete: false } : summary;
  }

  /** The next messages of the first span, fewer when it has no more; `undefined` when the time is over. */
  *#taken(count: number): Steps<readonly Found[] | undefined> {
    const taking = this.#ofFirstSpan().take(count);
    for (let wasPaused = false; ; wasPaused = yield 0) {
      const { done, value } = taking.next(wasPaused);
      if (done) return value;
      if (this.#isOver()) return undefined;
    }
  }

  #ofFirstSpan(): Candidates {
    const [span] = this.#spans;
    if (span === undefined) throw new RangeError('there is nothing left to count');
    const { account, filter, sentSince } = this.#query;
    const asked = {
      account,
      filter: { ...filter, sentSince: span.from, sentUntil: span.to },
      sentSince,
      without: this.#counted,
    };
    this.#candidates ??= candidatesOf(this.#segments, this.#hashSeed, asked, this.#begun, false);
    return this.#candidates;
  }

  /**
   * Counts a filter's matches by the facets of all segments that have any, newest first, so that rows are read only of
   * the others; `false` when the time is over. Where few may match, it is their rows that are read.
   */
  *#byFacets(): Steps<boolean> {
    const { filter, range, account, by } = this.#query;
    if (!facetsTell(filter) || this.#spans.length === 0) return true;
    const inTime = this.#segments.all().filter(({ shared }) => this.#isInTime(shared));
    const messages = inTime.reduce((sum, { shared }) => sum + messagesIn(shared), 0);
    if (yield* this.#areFew(Math.ceil(messages / facetedMessagesPerRow))) return true;
    const [from, to] = [earliest(this.#query), range.to ?? Infinity];
    const count = new FacetCount(this.#segments, {
      account,
      filter,
      range,
      by,
      from,
      to,
      positionEnd: this.#begun.positionEnd,
    });
    for (const { shared } of inTime.toReversed()) {
      const segment = this.#segments.get(shared.id);
      if (segment === undefined || !this.#isLargelyOwn(segment, countedShareMin)) continue;
      const figures = count.of(shared);
      if (figures === undefined) continue;
      this.#counted.add(shared.id);
      this.#sum.facets(figures);
      for (let at = 0, end = 0; at < figures.rest.length; at = end) {
        end = at + this.#paced.count;
        this.#count(figures.rest.slice(at, end));
        if (this.#isOver()) return false;
        yield 0;
      }
      if (this.#isOver()) return false;
      yield 0;
    }
    return true;
  }

  /** Whether fewer than `count` messages may match. Those are counted then without another look for them. */
  *#areFew(count: number): Steps<boolean> {
    const found = yield* this.#taken(count);
    this.#candidates = found !== undefined && found.length < count ? allFound(found) : undefined;
    return this.#candidates !== undefined;
  }

  #isOver(): boolean {
    return this.#now() >= this.#deadlineMs;
  }

  #isInTime(segment: SharedSegment): boolean {
    return maxSentAt(segment) >= earliest(this.#query) && minSentAt(segment) < (this.#query.range.to ?? Infinity);
  }

  /** Whether so much of a segment is the account's: what others recorded must not be what its summaries take time for. */
  #isLargelyOwn({ shared, columns }: ReadSegment, shareMin: number): boolean {
    const { account } = this.#query;
    const all = messagesIn(shared);
    if (columns === undefined) {
      if (this.#segments.get(shared.id) === undefined) return false;
      return this.#segments.withIndex(shared.id, index => messagesOf(index, account)) >= all * shareMin;
    }
    let own = 0;
    for (let ordinal = 0; ordinal < all; ordinal++) if (columns.account[ordinal] === account) own++;
    return own >= all * shareMin;
  }

  #count(places: readonly Found[]): void {
    const { account, filter } = this.#query;
    const fits = conditionMatcher(filter);
    const begun = performance.now();
    const rows = this.#segments.messages(places);
    const newest = places.map(place => this.#segments.newestReport(place));
    const reports = this.#segments.states(newest.filter(sequence => sequence !== 0));
    for (const [i, row] of rows.entries()) {
      if (row === undefined || row.account !== account) continue;
      const log = logOf(row, reports.get(newest[i] ?? 0));
      if (fits(log)) this.#sum.message(log);
    }
    this.#paced.took(performance.now() - begun);
  }

  /** Everything sent from here on is counted, but perhaps for others of that very moment. */
  #countedFrom(): EpochMs {
    const isNewest = this.#spans[0]?.to === (this.#query.range.to ?? Infinity);
    if (this.#spans.length > 1 || (isNewest && this.#last === undefined)) return Infinity;
    return this.#last?.sentAt ?? this.#spans[0]?.to ?? Infinity;
  }

  #addKept({ unsealed, lastSegmentId }: Kept, { from, to }: Span): void {
    const { account } = this.#query;
    const held = new Set(unsealed.map(({ segmentId }) => segmentId));
    for (const { counts } of unsealed) this.#sum.counts(countsInMemory(counts, account, from, to));
    for (const { shared, columns } of this.#segments.all()) {
      if (columns !== undefined || held.has(shared.id) || shared.id > lastSegmentId) continue;
      if (extentOf(shared) < from) continue;
      const counts = this.#segments.withIndex(shared.id, index => countsInIndex(index, account, from, to));
      if (counts !== undefined) this.#sum.counts(counts);
    }
  }
}

/**
 * The steps of a summary. Kept counts are not broken down: where they tell the rest, they are told whatever becomes of
 * the breakdown. Its time begins now, not with its turn.
 */
export function summarySteps(
  segments: ReadSegments,
  hashSeed: number,
  query: SummaryQuery,
  kept: Kept | undefined,
  now?: () => number,
): Steps<Summary> {
  const stepsOf = (asked: SummaryQuery, known: Kept | undefined) =>
    new Summarizing(segments, hashSeed, asked, known, now).steps();
  if (query.by === undefined || kept === undefined) return stepsOf(query, kept);
  const { by, ...plain } = query;
  return brokenDown(stepsOf(plain, kept), stepsOf(query, undefined));
}

function* brokenDown(plain: Steps<Summary>, counted: Steps<Summary>): Steps<Summary> {
  const summary = yield* plain;
  const { complete, breakdown, ...figures } = yield* counted;
  if (breakdown === undefined) return { ...summary, complete: false };
  return complete ? { ...figures, complete, breakdown } : { ...summary, complete, breakdown };
}

/** Whether a segment lost messages of the range, or reports on such. */
function lacksSome(segment: SharedSegment, query: SummaryQuery): boolean {
  const { lostMessages, lostReports } = lossesIn(segment);
  const [from, to] = [earliest(query), query.range.to ?? Infinity];
  if (lostMessages > 0 && minSentAt(segment) < to && maxSentAt(segment) >= from) return true;
  return lostReports > 0 && reportedUntil(segment) >= from;
}

/** The part that is answered by kept counts; empty, at the end of the range, when nothing is. */
function keptSpan(query: SummaryQuery, kept: Kept | undefined): Span {
  const { from, to } = wholeMinutes(query);
  const trusted = kept === undefined ? Infinity : Math.max(from, kept.trustedFrom);
  const end = query.range.to ?? Infinity;
  return trusted < to ? { from: trusted, to } : { from: end, to: end };
}
