import { type Filter, groupIdsOf, valuesOf } from '../../../domain/filter.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { type AskedKeys, askedKeysOf } from '../../../domain/text-keys.ts';
import { fields, hashValue, messageIdField } from '../segment/fields.ts';
import { ordinalOf, ordinalsMax, positionOf, segmentIdOf } from '../segment/position.ts';
import { maxSentAt, minSentAt, type SharedSegment } from '../segment/shared-segment.ts';
import { blocksWith, type WordBlocks } from '../segment/words-file.ts';
import type { Place } from './bookmark.ts';
import { ColumnScan } from './column-scan.ts';
import { ErrorTests } from './error-test.ts';
import { type Candidates, Merge, type OpenSources, type SegmentSources } from './merge.ts';
import type { Found, ReadSegments } from './read-segments.ts';
import { follows, type MayBeAsked, mayHaveGroup, type Scan } from './scan.ts';
import { sealedSources } from './sealed-scan.ts';

/** What is asked of the whole log. */
export type Asked = {
  readonly account: AccountId;
  readonly filter: Filter;
  readonly sentSince: EpochMs;
  /** Segments that are not asked. */
  readonly without?: ReadonlySet<number>;
};

/** The candidates of a query behind a place, newest first; `resumed` when the walk there began earlier. */
export function candidatesOf(
  segments: ReadSegments,
  hashSeed: number,
  asked: Asked,
  walk: Place,
  resumed: boolean,
): Candidates {
  const question = new Question(segments, hashSeed, asked, walk, resumed);
  return listedCandidates(segments, question) ?? new Merge(sourcesOf(segments, question), () => question.resume());
}

/** Those that were found, newest first: there are no more. */
export function allFound(found: readonly Found[]): Candidates {
  const left = [...found];
  return {
    *take(count: number) {
      yield 0;
      return left.splice(0, count);
    },
    afterPause() {},
  };
}

/** What is asked, made ready to be asked of each segment. */
class Question {
  readonly #walk: Place;
  readonly #account: AccountId;
  readonly without: ReadonlySet<number>;
  readonly hashes: ReadonlyMap<number, ReadonlySet<number>>;
  readonly groups: readonly number[] | undefined;
  readonly errors: ErrorTests | undefined;
  /** What is told of the words asked for without looking messages through. */
  readonly terms: readonly AskedKeys[] | undefined;
  readonly #hashSeed: number;
  asOf: number | undefined;
  readonly sentSince: EpochMs;
  /** Inclusive. */
  readonly end: EpochMs;

  constructor(
    segments: ReadSegments,
    hashSeed: number,
    { account, filter, sentSince, without }: Asked,
    walk: Place,
    resumed: boolean,
  ) {
    this.without = without ?? new Set();
    this.#walk = walk;
    this.#account = account;
    this.#hashSeed = hashSeed;
    const [text, ...others] = valuesOf(filter, 'text') ?? [];
    this.terms = text === undefined || others.length > 0 ? undefined : askedKeysOf(text);
    this.hashes = hashesOf(hashSeed, account, filter);
    this.groups = groupIdsOf(filter);
    this.errors = ErrorTests.of(segments, filter, walk.asOf);
    this.asOf = resumed ? walk.asOf : undefined;
    this.sentSince = Math.max(sentSince, filter.sentSince ?? -Infinity);
    this.end = Math.min(walk.sentAt, filter.sentUntil === undefined ? Infinity : filter.sentUntil - 1);
  }

  /**
   * From now on it is a walk that began earlier: what had a group when it began may have another by now, and is looked for
   * as a later page does. `true` when that changes what is to be looked at.
   */
  resume(): boolean {
    this.errors?.letGo();
    const isChanged = this.groups !== undefined && this.asOf === undefined;
    if (isChanged) this.asOf = this.#walk.asOf;
    return isChanged;
  }

  /** The blocks of a segment that may have the words asked for; `undefined` where any may. */
  blocksIn(segments: ReadSegments, { id }: SharedSegment): WordBlocks | undefined {
    const { terms } = this;
    if (terms === undefined) return undefined;
    return segments.withWords(id, words => blocksWith(words, this.#hashSeed, this.#account, terms));
  }

  /** As `blocksIn`, of single messages of a segment that has no index yet. */
  testIn(segments: ReadSegments, { id }: SharedSegment): MayBeAsked | undefined {
    return this.terms && segments.liveWords(id)?.test(this.#account, this.terms);
  }

  /** `undefined` for a segment that is newer than the walk. */
  of({ id }: SharedSegment, after?: Found): Scan | undefined {
    const ordinalEnd = this.#walk.positionEnd - positionOf(id, 0);
    if (ordinalEnd <= 0) return undefined;
    return {
      account: this.#account,
      hashes: this.hashes,
      ...(this.groups !== undefined && { groups: this.groups }),
      ...(this.asOf !== undefined && { asOf: this.asOf }),
      sentSince: this.sentSince,
      before: after === undefined ? placeIn(id, this.#walk, this.end) : placeAfter(id, after),
      ordinalEnd,
    };
  }
}

/** Indexes that are asked for ids in one step: right after a start there may be more to ask. */
const indexesAskedMax = 4096;

/** The messages with the ids asked for, by what is known of all; `undefined` where none are asked for, or too much is to be asked. */
function listedCandidates(segments: ReadSegments, question: Question): Candidates | undefined {
  const hashes = question.hashes.get(messageIdField);
  if (hashes === undefined || hashes.size * segments.askedForIds > indexesAskedMax) return undefined;
  const found: Found[] = [];
  for (const hash of hashes) {
    for (const { segmentId, ordinal } of segments.withIdHash(hash)) {
      const shared = segments.get(segmentId)?.shared;
      const scan = shared === undefined ? undefined : question.of(shared);
      if (shared === undefined || scan === undefined || ordinal >= scan.ordinalEnd) continue;
      if (!mayHaveGroup(scan, shared, ordinal)) continue;
      const sentAt = segments.sentAt(segmentId, ordinal);
      if (sentAt >= scan.sentSince && follows(sentAt, ordinal, scan.before)) found.push({ segmentId, ordinal, sentAt });
    }
  }
  found.sort((a, b) => b.sentAt - a.sentAt || b.segmentId - a.segmentId || b.ordinal - a.ordinal);
  return allFound(found);
}

function* sourcesOf(segments: ReadSegments, question: Question): Generator<SegmentSources> {
  const { sentSince, end } = question;
  const inTime = segments
    .all()
    .filter(
      ({ shared }) => !question.without.has(shared.id) && maxSentAt(shared) >= sentSince && minSentAt(shared) <= end,
    )
    .sort((a, b) => maxSentAt(b.shared) - maxSentAt(a.shared));
  for (const { shared } of inTime) {
    // While a walk goes on, a message may have had a group then that none has now.
    const { groups, asOf } = question;
    if (asOf === undefined && groups?.every(group => shared.groupCounts[group] === 0)) continue;
    if (question.of(shared) === undefined) continue;
    yield {
      segmentId: shared.id,
      maxSentAt: maxSentAt(shared),
      open: after => open(segments, shared.id, question, after),
    };
  }
}

function open(segments: ReadSegments, segmentId: number, question: Question, after: Found | undefined): OpenSources {
  const segment = segments.get(segmentId);
  const scan = segment && question.of(segment.shared, after);
  const isCurrent = () => segments.get(segmentId) === segment;
  if (segment === undefined || scan === undefined) return { sources: [], isCurrent };
  const { shared, columns } = segment;
  const inState = question.errors?.in(shared);
  const tested = { ...scan, mayBeAsked: inState };
  if (columns !== undefined) {
    const hasText = question.testIn(segments, shared);
    const mayBeAsked = hasText && ((ordinal: number) => hasText(ordinal) && inState?.(ordinal) !== false);
    return { sources: [new ColumnScan(mayBeAsked ? { ...tested, mayBeAsked } : tested, shared, columns)], isCurrent };
  }
  const blocks = question.blocksIn(segments, shared);
  const sources = segments
    .withIndex(segmentId, index => sealedSources(tested, shared, index, blocks))
    .map(source => ({
      next: (count: number) => segments.withIndex(segmentId, index => source.next(index, count)),
    }));
  return { sources, isCurrent };
}

function hashesOf(hashSeed: number, account: AccountId, filter: Filter): ReadonlyMap<number, ReadonlySet<number>> {
  const hashes = new Map<number, ReadonlySet<number>>();
  for (const [field, name] of fields.entries()) {
    const values = valuesOf(filter, name);
    if (values !== undefined)
      hashes.set(field, new Set(values.map(value => hashValue(hashSeed, account, field, value))));
  }
  return hashes;
}

/** Where a walk goes on in one segment: of equal `sentAt`, the later recorded comes first. */
function placeIn(segmentId: number, walk: Place, end: EpochMs): { sentAt: EpochMs; ordinal: number } {
  if (end < walk.sentAt || walk.position === Infinity) return { sentAt: end, ordinal: ordinalsMax };
  const walkSegment = segmentIdOf(walk.position);
  if (segmentId === walkSegment) return { sentAt: end, ordinal: ordinalOf(walk.position) };
  return { sentAt: end, ordinal: segmentId < walkSegment ? ordinalsMax : 0 };
}

/** Where one segment goes on after a candidate of any. */
function placeAfter(
  segmentId: number,
  { segmentId: foundIn, sentAt, ordinal }: Found,
): { sentAt: EpochMs; ordinal: number } {
  if (segmentId === foundIn) return { sentAt, ordinal };
  return { sentAt, ordinal: segmentId < foundIn ? ordinalsMax : 0 };
}
