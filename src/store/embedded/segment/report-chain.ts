import { type Accepted, type Course, courseOf, newCourse } from '../../../domain/acceptance.ts';
import { evidenceOf } from '../../../domain/evidence.ts';
import { limits } from '../../../limits.ts';
import type { MessageRow, ReportRow } from '../rows/rows.ts';
import { lowerBound } from './index-runs.ts';
import { type ChainSummary, identityOf, reportIn, stateIn, summaryIn } from './record-row.ts';
import type { SharedSegment } from './shared-segment.ts';

/** The row of a report, or `undefined` where it was set aside: what came before it can be read by nobody. */
type ReadReport = (sequence: number) => ReportRow | undefined;

/** The segment that has a report: the last that does not begin after it, of segments in the order of their reports. */
export function holderOf<S extends { readonly firstSequence: number }>(
  segments: readonly S[],
  sequence: number,
): S | undefined {
  const end = lowerBound(segments.length, at => ((segments[at]?.firstSequence ?? Infinity) <= sequence ? -1 : 0));
  return segments[end - 1];
}

export const byFirstSequence = (a: SharedSegment, b: SharedSegment) => a.firstSequence - b.firstSequence || a.id - b.id;

/** The chain of one message as far as a further report needs it. */
export type Chain = {
  readonly course: Course;
  /** The sequence of its newest report; 0 when there is none. */
  readonly newest: number;
  readonly first: number;
  /** Reports after the last summary. */
  readonly unsummed: number;
};

/** Reads as many rows as repeats are looked for in, unless the chain has never been summed up. */
export function readChain(message: MessageRow, newest: number, read: ReadReport): Chain {
  if (newest === 0) {
    const course = newCourse(identityOf(message), stateIn(message));
    return { course, newest: 0, first: 0, unsummed: 0 };
  }
  const rows: ReportRow[] = [];
  let past: ChainSummary | undefined;
  let unsummed = 0;
  for (let row = next(newest, read); row !== undefined; row = next(row.previous, read)) {
    past ??= summaryIn(row);
    if (past === undefined) unsummed++;
    rows.push(row);
    if (past !== undefined && rows.length >= limits.repeatsSoughtMax) break;
  }
  const initial = stateIn(message);
  const [last] = rows;
  const state = last === undefined ? initial : stateIn(last);
  const said = rows.toReversed().map(reportIn);
  const before = past ?? { reports: 0, first: 0, evidence: evidenceOf(initial) };
  const course = courseOf(
    { identity: identityOf(message), initial, state },
    said.slice(said.length - unsummed),
    before,
  );
  const first = before.first || (rows[unsummed - (limits.timelineFirstMax - before.reports)]?.sequence ?? 0);
  return {
    course: { ...course, recent: said.slice(-limits.repeatsSoughtMax) },
    newest: last?.sequence ?? 0,
    first,
    unsummed,
  };
}

/** A chain with one more report, and its summary where the row of that report must hold one. */
export function chained(
  { first, unsummed }: Chain,
  sequence: number,
  { course }: Accepted,
): { readonly chain: Chain; readonly summary: ChainSummary | undefined } {
  const { reports, evidence } = course;
  const chain = { course, newest: sequence, first: reports === limits.timelineFirstMax ? sequence : first };
  if (unsummed + 1 < limits.repeatsSoughtMax)
    return { chain: { ...chain, unsummed: unsummed + 1 }, summary: undefined };
  return { chain: { ...chain, unsummed: 0 }, summary: { reports, first: chain.first, evidence } };
}

/** What a timeline shows of a chain, oldest first, and how many reports are between its first ones and its newest. */
export function timelineRows(
  newest: number,
  read: ReadReport,
): { readonly rows: readonly ReportRow[]; readonly omitted: number } {
  const { timelineFirstMax, timelineNewestMax } = limits;
  const latest: ReportRow[] = [];
  let earlier: ReportRow[] = [];
  let past: { readonly summary: ChainSummary; readonly after: number } | undefined;
  let count = 0;
  for (let row = next(newest, read); row !== undefined; row = next(row.previous, read)) {
    const summary = past === undefined ? summaryIn(row) : undefined;
    if (summary !== undefined) past = { summary, after: count };
    count++;
    if (latest.length < timelineNewestMax) latest.push(row);
    else {
      earlier.push(row);
      if (earlier.length > timelineFirstMax) earlier.shift();
    }
    const all = past === undefined ? 0 : past.summary.reports + past.after;
    if (past === undefined || latest.length < timelineNewestMax || all <= timelineFirstMax + timelineNewestMax)
      continue;
    earlier = stretch(past.summary.first, timelineFirstMax, read);
    count = all;
    break;
  }
  const rows = [...earlier.reverse(), ...latest.reverse()];
  return { rows, omitted: count - rows.length };
}

function stretch(from: number, count: number, read: ReadReport): ReportRow[] {
  const rows: ReportRow[] = [];
  for (let row = next(from, read); row !== undefined && rows.length < count; row = next(row.previous, read))
    rows.push(row);
  return rows;
}

function next(sequence: number, read: ReadReport): ReportRow | undefined {
  return sequence === 0 ? undefined : read(sequence);
}
