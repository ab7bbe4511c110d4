import type { Filter } from '../../domain/filter.ts';
import type { AccountId, EpochMs, LogRecord } from '../../domain/message.ts';
import type { Place } from './bookmark.ts';
import { ColumnScan } from './column-scan.ts';
import { type Field, fields, hashValue } from './fields.ts';
import { Merge, type SegmentSources } from './merge.ts';
import { ordinalOf, ordinalsMax, positionOf, segmentIdOf } from './position.ts';
import type { ReadSegment, ReadSegments } from './read-segments.ts';
import type { CandidateSource, Scan } from './scan.ts';
import { sealedSources } from './sealed-scan.ts';
import { groupIdOf, maxSentAt, minSentAt } from './shared-segment.ts';

/** What is asked of the whole log. */
export type Asked = { readonly account: AccountId; readonly filter: Filter; readonly sentSince: EpochMs };

/** The candidates of a query behind a place, newest first; `resumed` when the walk there began earlier. */
export function candidatesOf(
  segments: ReadSegments,
  hashSeed: number,
  asked: Asked,
  walk: Place,
  resumed: boolean,
): Merge {
  return new Merge(sourcesOf(segments, hashSeed, asked, walk, resumed));
}

function* sourcesOf(
  segments: ReadSegments,
  hashSeed: number,
  { account, filter, ...asked }: Asked,
  walk: Place,
  resumed: boolean,
): Generator<SegmentSources> {
  const sentSince = Math.max(asked.sentSince, filter.sentSince ?? -Infinity);
  const end = Math.min(walk.sentAt, filter.sentUntil === undefined ? Infinity : filter.sentUntil - 1);
  const hashes = hashesOf(hashSeed, account, filter);
  const group = filter.generalStatus === undefined ? undefined : groupIdOf(filter.generalStatus);
  const asOf = resumed ? walk.asOf : undefined;
  const inTime = segments
    .all()
    .filter(({ shared }) => maxSentAt(shared) >= sentSince && minSentAt(shared) <= end)
    .sort((a, b) => maxSentAt(b.shared) - maxSentAt(a.shared));
  for (const segment of inTime) {
    const { shared } = segment;
    const ordinalEnd = walk.positionEnd - positionOf(shared.id, 0);
    if (ordinalEnd <= 0) continue;
    // While a walk goes on, a message may have had a group then that none has now.
    if (group !== undefined && asOf === undefined && shared.groupCounts[group] === 0) continue;
    const scan: Scan = {
      account,
      hashes,
      ...(group !== undefined && { group }),
      ...(asOf !== undefined && { asOf }),
      sentSince,
      before: placeIn(shared.id, walk, end),
      ordinalEnd,
    };
    yield { segmentId: shared.id, maxSentAt: maxSentAt(shared), open: () => open(segments, segment, scan) };
  }
}

function open(segments: ReadSegments, { shared, columns }: ReadSegment, scan: Scan): readonly CandidateSource[] {
  if (columns !== undefined) return [new ColumnScan(scan, shared, columns)];
  return segments.guard(shared.id, ({ index }) => {
    if (index === undefined) throw new Error(`segment ${shared.id} is sealed and has no index open`);
    return sealedSources(scan, shared, index).map(source => ({
      next: (count: number) => segments.guard(shared.id, () => source.next(count)),
    }));
  });
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

function valuesOf(filter: Filter, field: Field): readonly string[] | undefined {
  const one = (value: string | undefined) => (value === undefined ? undefined : [value]);
  switch (field) {
    case 'messageId':
      return filter.messageIds;
    case 'bulkId':
      return filter.bulkIds;
    case 'campaignReferenceId':
      return filter.campaignReferenceIds;
    default:
      return one(filter[field]);
  }
}

export type Condition = readonly [field: Field, values: readonly string[]];

export function conditionsOf(filter: Filter): readonly Condition[] {
  return fields.flatMap(field => {
    const values = valuesOf(filter, field);
    return values === undefined ? [] : [[field, values] as const];
  });
}

/** Equal hashes do not make equal values: the row itself decides. */
export function fits(log: LogRecord, conditions: readonly Condition[]): boolean {
  for (const [field, values] of conditions) {
    const value = log[field];
    if (value === undefined || !values.includes(value)) return false;
  }
  return true;
}
