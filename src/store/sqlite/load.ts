import { existsSync, statSync } from 'node:fs';
import { Counts } from './counts.ts';
import { isDamage } from './damage.ts';
import { fieldCount, fields, hashOf } from './fields.ts';
import type { Folder } from './folder.ts';
import { DamagedIndex, IndexFile } from './index-file.ts';
import { groupOfStatus, splitText } from './packed-batch.ts';
import { ordinalOf, segmentIdOf } from './position.ts';
import { verifyMessage, verifyReport } from './record-row.ts';
import { DamagedRow, RowsFile } from './rows-file.ts';
import {
  type Columns,
  keepReportsUntil,
  messagesIn,
  newColumns,
  newSharedSegment,
  publishedMessages,
  publishedReports,
  type SharedSegment,
  setRow,
} from './shared-segment.ts';

/** A segment as it was found: sealed ones have an index, the others their columns. */
export type LoadedSegment = {
  readonly shared: SharedSegment;
  readonly columns?: Columns;
  readonly counts?: Counts;
  readonly createdAt: number;
  readonly nextSequence: number;
};

export type LoadedLog = {
  readonly segments: readonly LoadedSegment[];
  /** What is set aside, now or in an earlier run: named as long as it is there. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
  readonly rebuilt: readonly { readonly id: number; readonly reason: string }[];
  /** A report is on a message that its segment has lost, to a power cut say. */
  readonly gaps: boolean;
};

const rowsAtATime = 1000;

/** What is taken into memory at once, but for the counts that summaries read; the sealer verifies the rest of the index while the log already serves. */
const sectionsAtStart = [
  'group',
  'reportMessages',
  'reportGroups',
  'messageId.hashes',
  'messageId.starts',
  'messageId.ordinals',
];

/** Reads back what the threads keep in memory. Damaged segments are moved aside; the rest is served. */
export function loadLog(folder: Folder, hashSeed: number, capacity: number): LoadedLog {
  const segments: LoadedSegment[] = [];
  const damaged = folder.setAsideNames().map(name => ({ name, reason: 'set aside in an earlier run' }));
  const rebuilt: { id: number; reason: string }[] = [];
  const byId = new Map<number, SharedSegment>();
  let gaps = false;
  for (const id of folder.segmentIds()) {
    try {
      const sealed = loadSealed(folder, id, hashSeed, reason => rebuilt.push({ id, reason }));
      const loaded = sealed ?? loadUnsealed(folder, id, hashSeed, capacity);
      segments.push(loaded.segment);
      byId.set(id, loaded.segment.shared);
      gaps = !applyReports(loaded, byId) || gaps;
    } catch (error) {
      if (!isDamage(error)) throw error;
      folder.setAside(id);
      damaged.push({ name: folder.nameOf(id), reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { segments, damaged, rebuilt, gaps };
}

type Reports = { readonly firstSequence: number; readonly messages: Float64Array; readonly groups: Uint8Array };
type Loaded = { readonly segment: LoadedSegment; readonly reports: Reports };

/** A segment's reports are on its own messages or on older segments'; `false` when one of these lacks some. */
function applyReports({ reports }: Loaded, byId: ReadonlyMap<number, SharedSegment>): boolean {
  const { firstSequence, messages, groups } = reports;
  let whole = true;
  for (let i = 0; i < messages.length; i++) {
    const position = messages[i] ?? 0;
    const shared = byId.get(segmentIdOf(position));
    if (shared === undefined) continue;
    if (ordinalOf(position) < messagesIn(shared))
      applyReport(shared, ordinalOf(position), firstSequence + i, groups[i] ?? 0);
    else whole = false;
  }
  return whole;
}

/** Makes a report the newest of its message. */
export function applyReport(shared: SharedSegment, ordinal: number, sequence: number, group: number): void {
  const before = shared.group[ordinal] ?? 0;
  shared.groupCounts[before] = (shared.groupCounts[before] ?? 0) - 1;
  shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
  shared.group[ordinal] = group;
  shared.newestReport[ordinal] = sequence;
}

function loadSealed(
  folder: Folder,
  id: number,
  hashSeed: number,
  rebuild: (reason: string) => void,
): Loaded | undefined {
  if (!existsSync(folder.index(id))) return undefined;
  let index: IndexFile;
  try {
    index = new IndexFile(folder.index(id));
    index.verify(index.sectionNames().filter(name => sectionsAtStart.includes(name) || name.startsWith('counts.')));
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    rebuild(error.message);
    return undefined;
  }
  try {
    const { header } = index;
    if (header.hashSeed !== hashSeed) {
      rebuild('its hashes were made with another seed');
      return undefined;
    }
    const rowsBytes = statSync(folder.rows(id)).size;
    if (rowsBytes !== header.rowsBytes)
      throw new DamagedRow(`the rows file (${rowsBytes} bytes instead of ${header.rowsBytes})`);
    folder.removeLog(id);
    const shared = newSharedSegment(id, header.firstSequence, header.messages);
    const groups = index.uint8('group');
    shared.group.set(groups);
    for (const group of groups) shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
    publish(shared, header.messages, header.reports, header.minSentAt, header.maxSentAt);
    if (header.reportedUntil !== null) keepReportsUntil(shared, header.reportedUntil);
    return {
      segment: { shared, createdAt: 0, nextSequence: header.firstSequence + header.reports },
      reports: {
        firstSequence: header.firstSequence,
        messages: index.float64('reportMessages'),
        groups: index.uint8('reportGroups'),
      },
    };
  } finally {
    index.close();
  }
}

function publish(shared: SharedSegment, messages: number, reports: number, from: number, to: number): void {
  shared.sentAtRange[0] = messages === 0 ? Infinity : from;
  shared.sentAtRange[1] = messages === 0 ? -Infinity : to;
  Atomics.store(shared.published, publishedMessages, messages);
  Atomics.store(shared.published, publishedReports, reports);
}

/** Reads every row of a segment that has no index, checking each. */
export function loadUnsealed(folder: Folder, id: number, hashSeed: number, capacity: number): Loaded {
  const rows = new RowsFile(folder.rows(id), { mode: 'write', durability: 'full' });
  try {
    const meta = rows.meta();
    const count = rows.count();
    const shared = newSharedSegment(id, meta.firstSequence, Math.max(capacity, count));
    const columns = newColumns(Math.max(capacity, count));
    const counts = new Counts();
    for (let ordinal = 0; ordinal < count; ) {
      const batch = rows.messagesFrom(ordinal, rowsAtATime);
      if (batch.length === 0) throw new DamagedRow(`the rows file (message ${ordinal} of ${count} is missing)`);
      for (const row of batch) {
        verifyMessage(row);
        counts.message(row);
        setHashes(columns, row[0], hashSeed, row[1], row[14]);
        setRow(columns, row[0], row[1], row[2], groupOfStatus(row[4]));
        const group = groupOfStatus(row[4]);
        shared.group[row[0]] = group;
        shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
        ordinal = row[0] + 1;
      }
      counts.commit();
    }
    const reports = loadReports(rows, meta.firstSequence, counts);
    const range = columnsRange(columns);
    if (reports.messages.length > 0) keepReportsUntil(shared, reports.until);
    publish(shared, count, reports.messages.length, range[0], range[1]);
    const nextSequence = meta.firstSequence + reports.messages.length;
    return { segment: { shared, columns, counts, createdAt: meta.createdAt, nextSequence }, reports };
  } finally {
    rows.close();
  }
}

function loadReports(rows: RowsFile, firstSequence: number, counts: Counts): Reports & { readonly until: number } {
  const count = rows.reportCount();
  let until = -Infinity;
  const messages = new Float64Array(count);
  const groups = new Uint8Array(count);
  for (let done = 0; done < count; ) {
    const batch = rows.foundReportsFrom(firstSequence + done, rowsAtATime);
    if (batch.length === 0) throw new DamagedRow(`the rows file (report ${done} of ${count} is missing)`);
    for (const row of batch) {
      verifyReport(row);
      messages[done] = row[11];
      groups[done] = groupOfStatus(row[2]);
      until = Math.max(until, row[13]);
      counts.report(row[12], row[13], row[14]);
      done++;
    }
    counts.commit();
  }
  return { firstSequence, messages, groups, until };
}

function setHashes(columns: Columns, ordinal: number, hashSeed: number, account: number, body: string): void {
  const texts = splitText(body);
  for (let field = 0; field < fieldCount; field++) {
    const name = fields[field];
    const value = name === undefined ? undefined : texts[name];
    const column = columns.hashes[field];
    if (column !== undefined) column[ordinal] = hashOf(hashSeed, account, field, value);
  }
}

function columnsRange(columns: Columns): readonly [number, number] {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of columns.blockMin) least = Math.min(least, value);
  for (const value of columns.blockMax) greatest = Math.max(greatest, value);
  return [least, greatest];
}
