import { pendingAccepted, statusGroupNames } from '../../../domain/registry.ts';
import type { Places } from '../rows/journal-format.ts';
import { type FacetColumns, newFacetColumns } from './facet-columns.ts';
import { fieldCount } from './fields.ts';
import { reportsMaxOf } from './position.ts';
import { untouchedMemory } from './untouched-memory.ts';

/** A block of ordinals whose least and greatest `sentAt` are known, so that a scan can pass over it. */
export const blockOrdinals = 1024;

/** Nothing moves in a table that is half empty. */
const idSlotsPerMessage = 2;

const groupCount = statusGroupNames.length;

/** What every thread knows of one segment: plain shared memory, handed around by reference. */
export type SharedSegment = {
  readonly id: number;
  readonly firstSequence: number;
  /**
   * Messages and reports that are durable, and how many of each are lost. Written last, read first: the fence for
   * everything else.
   */
  readonly published: Int32Array;
  /** Least and greatest `sentAt`, ms, and the greatest of a message its reports are on; infinite while there is none. */
  readonly sentAtRange: Float64Array;
  /**
   * By ordinal: the newest report on the message, as the place of its sequence behind `firstSequence`, from 1 on; 0 when there is
   * none (see `newestReportOf`).
   */
  readonly newestReport: Uint32Array;
  /** By ordinal: the sequence of a newest report whose place is more than `newestReport` holds; others take no memory. */
  readonly farReport: Float64Array;
  /** By ordinal: the code of the group of the present status (see `groupCodeOf`). */
  readonly groupCode: Uint8Array;
  /** By group id: how many messages have it now. */
  readonly groupCounts: Int32Array;
};

export const publishedMessages = 0;
export const publishedReports = 1;
const lostMessagesAt = 2;
const lostReportsAt = 3;

/** The account of a lost message's place. */
export const noAccount = 0;

/** The filter columns of a segment that has no index file yet. */
export type Columns = {
  readonly account: Float64Array;
  readonly sentAt: Float64Array;
  /** The group id each message was recorded with. */
  readonly initialGroup: Uint8Array;
  /** Of each report, by its place among the segment's: whose message it is on, the position of that, and the group it left it in. */
  readonly reportAccount: Float64Array;
  readonly reportMessages: Float64Array;
  readonly reportGroups: Uint8Array;
  /** One column of hashes a field, in the order of `fields`. */
  readonly hashes: readonly Uint32Array[];
  /** Its messages by the hashes of their ids (see id-table.ts). */
  readonly idSlots: Uint32Array;
  /** By block: least and greatest `sentAt`. */
  readonly blockMin: Float64Array;
  readonly blockMax: Float64Array;
  readonly facets: FacetColumns;
  /** Where the rows stand in the journal. */
  readonly places: Places;
};

export function newSharedSegment(id: number, firstSequence: number, capacity: number): SharedSegment {
  const sentAtRange = new Float64Array(new SharedArrayBuffer(24));
  sentAtRange[0] = Infinity;
  sentAtRange[1] = -Infinity;
  sentAtRange[2] = -Infinity;
  return {
    id,
    firstSequence,
    published: new Int32Array(new SharedArrayBuffer(16)),
    sentAtRange,
    newestReport: new Uint32Array(untouchedMemory(capacity * 4), 0, capacity),
    farReport: new Float64Array(untouchedMemory(capacity * 8), 0, capacity),
    groupCode: new Uint8Array(untouchedMemory(capacity), 0, capacity),
    groupCounts: new Int32Array(new SharedArrayBuffer(groupCount * 4)),
  };
}

export function newColumns(capacity: number, reports = reportsMaxOf(capacity)): Columns {
  const blocks = Math.ceil(capacity / blockOrdinals);
  return {
    account: new Float64Array(new SharedArrayBuffer(capacity * 8)),
    sentAt: new Float64Array(new SharedArrayBuffer(capacity * 8)),
    initialGroup: new Uint8Array(new SharedArrayBuffer(capacity)),
    reportAccount: new Float64Array(new SharedArrayBuffer(reports * 8)),
    reportMessages: new Float64Array(new SharedArrayBuffer(reports * 8)),
    reportGroups: new Uint8Array(new SharedArrayBuffer(reports)),
    hashes: Array.from({ length: fieldCount }, () => new Uint32Array(new SharedArrayBuffer(capacity * 4))),
    idSlots: new Uint32Array(new SharedArrayBuffer(Math.max(1, capacity) * idSlotsPerMessage * 4)),
    blockMin: new Float64Array(new SharedArrayBuffer(blocks * 8)).fill(Infinity),
    blockMax: new Float64Array(new SharedArrayBuffer(blocks * 8)).fill(-Infinity),
    facets: newFacetColumns(capacity, reports),
    places: {
      messages: new Uint32Array(new SharedArrayBuffer(capacity * 4)),
      reports: new Uint32Array(new SharedArrayBuffer(reports * 4)),
      reach: new Float64Array(new SharedArrayBuffer(32)),
    },
  };
}

/** Columns that a sealed segment left, made ready for another one. */
export function clearedColumns(columns: Columns): Columns {
  columns.idSlots.fill(0);
  columns.blockMin.fill(Infinity);
  columns.blockMax.fill(-Infinity);
  columns.places.reach.fill(0);
  return columns;
}

export function messagesIn(segment: SharedSegment): number {
  return Atomics.load(segment.published, publishedMessages);
}

export function reportsIn(segment: SharedSegment): number {
  return Atomics.load(segment.published, publishedReports);
}

/** Whether a segment that does not show the message of that ordinal is damaged, as nobody knows yet. */
export function mustHaveMessage(segment: SharedSegment, ordinal: number): boolean {
  return ordinal < messagesIn(segment) && !hasLosses(segment);
}

/** The same of a report. */
export function mustHaveReport(segment: SharedSegment, sequence: number): boolean {
  const isOfIt = sequence >= segment.firstSequence && sequence < segment.firstSequence + reportsIn(segment);
  return isOfIt && !hasLosses(segment);
}

/** Of the messages and reports in a segment, those that cannot be read any more. */
export type Losses = { readonly lostMessages: number; readonly lostReports: number };

export function lossesIn(segment: SharedSegment): Losses {
  const { published } = segment;
  return { lostMessages: Atomics.load(published, lostMessagesAt), lostReports: Atomics.load(published, lostReportsAt) };
}

/** What two places tell of one segment's losses: the one that tells of more is the newer. */
export function greaterLosses(a: Partial<Losses> | undefined, b: Partial<Losses>): Losses {
  return {
    lostMessages: Math.max(a?.lostMessages ?? 0, b.lostMessages ?? 0),
    lostReports: Math.max(a?.lostReports ?? 0, b.lostReports ?? 0),
  };
}

export function setLosses(segment: SharedSegment, { lostMessages, lostReports }: Losses): void {
  Atomics.store(segment.published, lostMessagesAt, lostMessages);
  Atomics.store(segment.published, lostReportsAt, lostReports);
}

/** The segment as it is to be once its losses are known: nobody else sees them in it. */
export function withLosses(segment: SharedSegment, losses: Losses): SharedSegment {
  const own = { ...segment, published: segment.published.slice() };
  setLosses(own, losses);
  return own;
}

export function hasLosses(segment: SharedSegment): boolean {
  const { lostMessages, lostReports } = lossesIn(segment);
  return lostMessages + lostReports > 0;
}

/** As the operator is told. */
export function lossText(segment: SharedSegment): string {
  const { lostMessages, lostReports } = lossesIn(segment);
  const [messages, reports] = [messagesIn(segment), reportsIn(segment)];
  return `${lostMessages} of its ${messages} messages and ${lostReports} of its ${reports} reports are lost`;
}

export function minSentAt(segment: SharedSegment): number {
  return segment.sentAtRange[0] ?? Infinity;
}

export function maxSentAt(segment: SharedSegment): number {
  return segment.sentAtRange[1] ?? -Infinity;
}

/** Until when the segment's reports matter: the greatest `sentAt` of a message that one of them is on. */
export function reportedUntil(segment: SharedSegment): number {
  return segment.sentAtRange[2] ?? -Infinity;
}

export function keepReportsUntil(segment: SharedSegment, sentAt: number): void {
  segment.sentAtRange[2] = Math.max(reportedUntil(segment), sentAt);
}

/** The code of a group, and the group of a code. That of `PENDING` is 0, as memory is that was never written. */
export function groupCodeOf(group: number): number {
  return group ^ pendingAccepted.groupId;
}

export function groupOf({ groupCode }: SharedSegment, ordinal: number): number {
  return groupCodeOf(groupCode[ordinal] ?? 0);
}

/** The place of a report that more than four billion others came before since the segment began. */
const farAway = 2 ** 32 - 1;

/** The sequence of the newest report on a message; 0 when there is none. */
export function newestReportOf(segment: SharedSegment, ordinal: number): number {
  const place = segment.newestReport[ordinal] ?? 0;
  if (place === 0) return 0;
  return place === farAway ? farReportOf(segment, ordinal) : segment.firstSequence + place - 1;
}

/** Its sequence was written before its place, and so is read after it. */
function farReportOf({ newestReport, farReport }: SharedSegment, ordinal: number): number {
  Atomics.load(newestReport, ordinal);
  return farReport[ordinal] ?? 0;
}

function placeOf({ firstSequence }: SharedSegment, sequence: number): number {
  if (sequence === 0) return 0;
  const place = sequence - firstSequence + 1;
  return place > 0 && place < farAway ? place : farAway;
}

/** Writes only what is not so already: pages of memory that were never written take none. */
export function setState(segment: SharedSegment, ordinal: number, sequence: number, group: number): void {
  const { groupCode, newestReport, farReport } = segment;
  const code = groupCodeOf(group);
  if (groupCode[ordinal] !== code) groupCode[ordinal] = code;
  const place = placeOf(segment, sequence);
  if (place === farAway) farReport[ordinal] = sequence;
  if (newestReport[ordinal] !== place) Atomics.store(newestReport, ordinal, place);
}

/** Of a segment that no thread looks at yet: the groups that its messages were recorded with, by ordinal. */
export function setInitialGroups({ groupCode, groupCounts }: SharedSegment, groups: Uint8Array): void {
  for (let ordinal = 0; ordinal < groups.length; ordinal++) {
    const group = groups[ordinal] ?? 0;
    const code = groupCodeOf(group);
    if (code !== 0) groupCode[ordinal] = code;
    groupCounts[group] = (groupCounts[group] ?? 0) + 1;
  }
}

/** Makes a report the newest of its message. */
export function applyReport(shared: SharedSegment, ordinal: number, sequence: number, group: number): void {
  const before = groupOf(shared, ordinal);
  shared.groupCounts[before] = (shared.groupCounts[before] ?? 0) - 1;
  shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
  setState(shared, ordinal, sequence, group);
}

/** Fills a report's columns; nobody looks at them before it is published. */
export function setReport(columns: Columns, place: number, account: number, message: number, group: number): void {
  columns.reportAccount[place] = account;
  columns.reportMessages[place] = message;
  columns.reportGroups[place] = group;
}

/** Fills a row's columns; nobody looks at them before the row is published. */
export function setRow(columns: Columns, ordinal: number, account: number, sentAt: number, group: number): void {
  columns.initialGroup[ordinal] = group;
  columns.account[ordinal] = account;
  columns.sentAt[ordinal] = sentAt;
  const block = Math.floor(ordinal / blockOrdinals);
  columns.blockMin[block] = Math.min(columns.blockMin[block] ?? Infinity, sentAt);
  columns.blockMax[block] = Math.max(columns.blockMax[block] ?? -Infinity, sentAt);
}
