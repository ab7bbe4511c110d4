import type { IndexFile } from '../segment/index-file.ts';
import { groupCodeOf, type SharedSegment } from '../segment/shared-segment.ts';
import { type Candidate, follows, mayFit, newestFirst, type Scan, type SealedSource } from './scan.ts';

/** Places of a run that are tested for their group in the time that one row is read and compared. */
const placesPerRow = 3000;

/**
 * Whether so few messages of a segment have a group asked for that it is cheaper to look at each of them than to test
 * every place of a run.
 */
export function isRareGroup({ groups, asOf }: Scan, { groupCounts }: SharedSegment, runLength: number): boolean {
  // While a walk goes on, a message may have had a group then that it has no longer.
  if (groups === undefined || asOf !== undefined) return false;
  return groups.reduce((sum, group) => sum + (groupCounts[group] ?? 0), 0) * placesPerRow < runLength;
}

/** Every message of a sealed segment that has a group asked for, of whatever account and values: the rows decide. */
export class GroupScan implements SealedSource {
  readonly #found: readonly Candidate[];
  #given = 0;

  constructor(scan: Scan, segment: SharedSegment, index: IndexFile) {
    const end = Math.min(scan.ordinalEnd, index.header.messages);
    this.#found = (scan.groups ?? [])
      .flatMap(group => ordinalsOf(group, segment, end))
      .filter(ordinal => mayFit(scan, segment, ordinal))
      .map(ordinal => ({ sentAt: index.times(ordinal, 1)[0] ?? 0, ordinal }))
      .filter(({ sentAt, ordinal }) => sentAt >= scan.sentSince && follows(sentAt, ordinal, scan.before))
      .sort(newestFirst);
  }

  next(_index: IndexFile, count: number): readonly Candidate[] {
    const run = this.#found.slice(this.#given, this.#given + count);
    this.#given += run.length;
    return run;
  }
}

function ordinalsOf(group: number, segment: SharedSegment, end: number): number[] {
  // A buffer finds a byte as fast as memory is read; a typed array's own search takes forty times as long.
  const [codes, code] = [Buffer.from(segment.groupCode.buffer, 0, end), groupCodeOf(group)];
  const ordinals: number[] = [];
  for (let at = codes.indexOf(code); at >= 0; at = codes.indexOf(code, at + 1)) ordinals.push(at);
  return ordinals;
}
