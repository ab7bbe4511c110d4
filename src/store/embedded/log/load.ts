import type { EpochMs } from '../../../domain/message.ts';
import { isUnread } from '../../../failures.ts';
import { recoverRows, restoreRows } from '../damage/row-recovery.ts';
import { DamagedIndex, DamagedRow, isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import type { Holding, Ledger } from '../files/ledger.ts';
import { hasRoom } from '../files/reserve.ts';
import { JournalRows } from '../rows/journal-rows.ts';
import { syncJournal } from '../rows/journal-writer.ts';
import { messageBatches, type Rows, reportBatches } from '../rows/rows.ts';
import { movesIn } from '../segment/count-items.ts';
import { Counts } from '../segment/counts.ts';
import { FacetMaker } from '../segment/facet-maker.ts';
import { fieldCount, hashValue } from '../segment/fields.ts';
import { addId } from '../segment/id-table.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { isEarlier, openRowsAt } from '../segment/open-rows.ts';
import { groupOfStatus, partSeparator } from '../segment/packed-batch.ts';
import { ordinalOf, ordinalsMax, reportsMaxOf, segmentIdOf } from '../segment/position.ts';
import {
  applyReport,
  type Columns,
  greaterLosses,
  hasLosses,
  keepReportsUntil,
  lossesIn,
  lossText,
  messagesIn,
  newColumns,
  newSharedSegment,
  noAccount,
  publishedMessages,
  publishedReports,
  type SharedSegment,
  setInitialGroups,
  setLosses,
  setReport,
  setRow,
  setState,
} from '../segment/shared-segment.ts';
import { checkMeta, checkRange, checkRows, openIndex } from './check-rows.ts';
import { type OpenedCheckpoint, openCheckpoint, restoreColumns } from './checkpoint.ts';
import { holdingOf, holdsAll, holdsLosses, indexedHolding } from './holdings.ts';
import type { LogFile } from './log-file.ts';

/** What is kept in memory of a segment that has no index yet, which that is made of. */
export type Unsealed = { readonly columns: Columns; readonly counts: Counts; readonly facets: FacetMaker };

/** A segment as it was found. */
export type LoadedSegment = {
  readonly shared: SharedSegment;
  readonly unsealed?: Unsealed;
  /** A checkpoint told of rows that were not looked at. */
  readonly isUnverified?: boolean;
  readonly createdAt: number;
  readonly nextSequence: number;
};

/** `lostBefore`: told until all that was sent before is past retention; absent where the segment itself tells, or a person has to. */
export type DamagedPart = { readonly name: string; readonly reason: string; readonly lostBefore?: EpochMs };

export type LoadedLog = {
  readonly segments: readonly LoadedSegment[];
  /** What is lost or was set aside, now or in an earlier run: named as long as it is there. */
  readonly damaged: readonly DamagedPart[];
  /** What was made again of its rows now, and why. */
  readonly recovered: readonly DamagedPart[];
  readonly rebuilt: readonly { readonly id: number; readonly reason: string }[];
  /** A report is on a message that its segment has lost, to a power cut say. */
  readonly gaps: boolean;
};

const rowsAtATime = 1000;

/**
 * Reads back what the threads keep in memory. A damaged segment is made again of the rows that can still be read; what
 * was there once and is not, the ledger tells. `log.json` has that there are gaps before the ledger takes what is lost:
 * from then on it is not known as new.
 */
export function loadLog(folder: Folder, ledger: Ledger, hashSeed: number, capacity: number, log: LogFile): LoadedLog {
  const loaded = loadSegments(folder, ledger, hashSeed, capacity, log);
  if (loaded.short.size === 0 || !hasRoom(folder.disk, folder.dataDir)) return loaded;
  // Once the ledger says that there were more, they are lost like any others: told, and not missed anew at each start.
  for (const { shared, createdAt } of loaded.segments) {
    const messages = loaded.short.get(shared.id);
    if (messages !== undefined) ledger.set({ ...holdingOf(shared, createdAt), messages });
  }
  const { recovered, rebuilt } = loaded;
  const again = loadSegments(folder, ledger, hashSeed, capacity, log);
  return { ...again, recovered: [...recovered, ...again.recovered], rebuilt: [...rebuilt, ...again.rebuilt] };
}

/** `short`: of segments that lack messages which reports are on, how many they had at least. */
type LoadedSegments = LoadedLog & { readonly short: ReadonlyMap<number, number> };

function loadSegments(
  folder: Folder,
  ledger: Ledger,
  hashSeed: number,
  capacity: number,
  log: LogFile,
): LoadedSegments {
  const segments: LoadedSegment[] = [];
  const damaged: DamagedPart[] = folder.setAsideNames().map(name => ({ name, reason: 'set aside in an earlier run' }));
  const recovered: DamagedPart[] = [];
  const rebuilt: { id: number; reason: string }[] = [];
  const byId = new Map<number, SharedSegment>();
  const short = new Map<number, number>();
  let gaps = false;
  const lacks = () => {
    if (!gaps) log.noteGaps();
    gaps = true;
  };
  for (const id of idsToLoad(folder, ledger)) {
    const nextSequence = segments.at(-1)?.nextSequence ?? 1;
    let loaded: Loaded;
    try {
      loaded = loadWhole(folder, id, ledger.get(id), hashSeed, capacity, reason => rebuilt.push({ id, reason }));
    } catch (error) {
      if (!isDamage(error)) throw error;
      lacks();
      folder.mending(id, () => mendRows(folder, ledger, id, nextSequence));
      recovered.push({ name: folder.nameOf(id), reason: error instanceof Error ? error.message : String(error) });
      loaded = loadUnsealed(folder.disk, folder.rows(id), id, hashSeed, capacity, ledger.get(id));
    }
    const { shared, unsealed, createdAt } = loaded.segment;
    const rows = folder.rows(id);
    if (unsealed !== undefined && !isEarlier(rows)) syncJournal(folder.disk, rows, unsealed.columns.places);
    if (!holdsAll(ledger.get(id), shared) && log.mayBeginLedger) {
      if (!holdsLosses(ledger.get(id), shared)) lacks();
      ledger.setIfRoom(holdingOf(shared, createdAt));
    }
    segments.push(loaded.segment);
    byId.set(id, shared);
    if (hasLosses(shared)) damaged.push({ name: folder.nameOf(id), reason: lossText(shared) });
    applyReports(loaded, byId, short);
    if (short.size > 0) lacks();
  }
  return { segments, damaged, recovered, rebuilt, gaps, short };
}

/** What is left of a segment that was being dropped when the process ended is dropped. */
function idsToLoad(folder: Folder, ledger: Ledger): readonly number[] {
  folder.removeOrphans();
  const ids = new Set(ledger.all().map(({ id }) => id));
  for (const id of folder.segmentIds())
    if (ids.has(id) || ledger.isNew || folder.hasRows(id)) ids.add(id);
    else folder.removeNow(id);
  return [...ids].sort((a, b) => a - b);
}

/** Throws what `isDamage` knows when any of what the segment holds cannot be read. */
function loadWhole(
  folder: Folder,
  id: number,
  known: Holding | undefined,
  hashSeed: number,
  capacity: number,
  rebuild: (reason: string) => void,
): Loaded {
  if (!folder.hasRows(id)) throw new DamagedRow('the rows file (it is missing)');
  const sealed = loadSealed(folder, id, known, hashSeed, rebuild);
  if (sealed !== undefined) return sealed;
  const path = folder.rows(id);
  const checkpoint = openCheckpoint(folder, id, hashSeed);
  try {
    if (checkpoint !== undefined) return loadUnsealed(folder.disk, path, id, hashSeed, capacity, known, checkpoint);
  } catch (error) {
    if (!(error instanceof DamagedIndex) && !isUnread(error)) throw error;
  } finally {
    checkpoint?.file.close();
  }
  // Of a volume rows have to be made first.
  const unsealed = () => loadUnsealed(folder.disk, folder.rows(id), id, hashSeed, capacity, known);
  return restoreRows(folder, id, known, unsealed);
}

function mendRows(folder: Folder, ledger: Ledger, id: number, nextSequence: number): void {
  const known = ledger.get(id) ?? indexedHolding(folder, id);
  const { path, holding } = recoverRows(folder, id, known, nextSequence);
  ledger.set(holding);
  folder.replace(id, { rows: path });
}

type Reports = { readonly firstSequence: number; readonly messages: Float64Array; readonly groups: Uint8Array };
type Loaded = { readonly segment: LoadedSegment; readonly reports: Reports };

/** A segment's reports are on its own messages or on older segments': what these lack of them joins `short`. */
function applyReports({ reports }: Loaded, byId: ReadonlyMap<number, SharedSegment>, short: Map<number, number>): void {
  const { firstSequence, messages, groups } = reports;
  let shared: SharedSegment | undefined;
  for (let i = 0; i < messages.length; i++) {
    const position = messages[i] ?? 0;
    const segmentId = segmentIdOf(position);
    if (shared?.id !== segmentId) shared = byId.get(segmentId);
    if (shared === undefined) continue;
    const ordinal = ordinalOf(position);
    if (ordinal < messagesIn(shared)) applyReport(shared, ordinal, firstSequence + i, groups[i] ?? 0);
    else short.set(shared.id, Math.max(ordinal + 1, short.get(shared.id) ?? 0));
  }
}

function loadSealed(
  folder: Folder,
  id: number,
  known: Holding | undefined,
  hashSeed: number,
  rebuild: (reason: string) => void,
): Loaded | undefined {
  if (!folder.disk.exists(folder.index(id))) return undefined;
  let found: ReturnType<typeof readIndex>;
  try {
    found = readIndex(folder, id, hashSeed);
  } catch (error) {
    // All that it holds can be made of the rows again.
    if (!(error instanceof DamagedIndex) && !isUnread(error)) throw error;
    rebuild(error.message);
    return undefined;
  }
  const { header, groups, reports } = found;
  checkRows(folder, id, header, known);
  folder.removeLog(id);
  const shared = newSharedSegment(id, header.firstSequence, header.messages);
  setInitialGroups(shared, groups);
  publish(shared, header.messages, header.reports, header.minSentAt, header.maxSentAt);
  if (header.reportedUntil !== null) keepReportsUntil(shared, header.reportedUntil);
  // A process that ended when it had made the files anew told the ledger nothing of it.
  setLosses(shared, greaterLosses(known, header));
  const nextSequence = header.firstSequence + header.reports;
  return { segment: { shared, createdAt: known?.createdAt ?? 0, nextSequence }, reports };
}

/** What of an index is taken into memory; the sealer verifies the rest while the log already serves. */
function readIndex(folder: Folder, id: number, hashSeed: number) {
  const index = openIndex(folder, id, hashSeed);
  try {
    const { header } = index;
    const [messages, groups] = [index.float64('reportMessages'), index.uint8('reportGroups')];
    const reports = { firstSequence: header.firstSequence, messages, groups };
    return { header, groups: index.uint8('group'), reports };
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

/**
 * Reads every row of a segment that has no index, but for those that a checkpoint is of, checking each. Rows that are known
 * to be lost are passed over; throws `DamagedRow` when more are missing, and `DamagedIndex` where that checkpoint is damaged.
 */
export function loadUnsealed(
  disk: Disk,
  path: string,
  id: number,
  hashSeed: number,
  capacity: number,
  known: Holding | undefined,
  checkpoint?: OpenedCheckpoint,
): Loaded & { readonly unsealed: Unsealed } {
  const rows = checkpoint ? new JournalRows(path, disk, checkpoint.scanned.places) : openRowsAt(disk, path);
  try {
    const meta = rows.meta();
    checkMeta(meta, id, known, hashSeed);
    const count = Math.max(rows.count(), known?.messages ?? 0);
    if (count > ordinalsMax) throw new DamagedRow(`message ${count - 1}`);
    const shared = newSharedSegment(id, meta.firstSequence, Math.max(capacity, count));
    const reportCount = Math.max(rows.reportCount(meta.firstSequence), known?.reports ?? 0);
    if (reportCount > reportsMaxOf(ordinalsMax)) throw new DamagedRow(`report ${reportCount - 1}`);
    const room = Math.max(capacity, count);
    const columns = newColumns(room, Math.max(reportsMaxOf(room), reportCount));
    if (rows instanceof JournalRows) rows.copyPlaces(columns.places);
    const begun = checkpoint?.file.header ?? { messages: 0, reports: 0, reportedUntil: null };
    const unsealed = beginUnsealed(shared, columns, checkpoint?.file);
    if (known !== undefined) setLosses(shared, known);
    const { lostMessages, lostReports } = lossesIn(shared);
    const found = begun.messages + loadMessages(rows, begun.messages, shared, unsealed, hashSeed);
    if (found + lostMessages < count) throw new DamagedRow(`the rows file (it has ${found} messages of ${count})`);
    const reports = loadReports(rows, meta.firstSequence, begun.reports, unsealed);
    const foundReports = begun.reports + reports.found;
    if (foundReports + lostReports < reportCount)
      throw new DamagedRow(`the rows file (it has ${foundReports} reports of ${reportCount})`);
    const [from, to] = columnsRange(columns);
    if (found === count) checkRange(from, to, known);
    const [sentFrom, sentUntil] = [Math.min(from, known?.sentFrom ?? from), Math.max(to, known?.sentUntil ?? to)];
    if (found < count) fillGaps(columns, count, sentFrom);
    for (const until of [reports.until, known?.reportedUntil ?? -Infinity, begun.reportedUntil ?? -Infinity])
      if (reportCount > 0) keepReportsUntil(shared, until);
    unsealed.facets.publish();
    publish(shared, count, reportCount, sentFrom, sentUntil);
    const { createdAt, firstSequence } = meta;
    const [messages, groups] = [columns.reportMessages, columns.reportGroups];
    return {
      segment: {
        shared,
        unsealed,
        isUnverified: checkpoint !== undefined,
        createdAt,
        nextSequence: firstSequence + reportCount,
      },
      unsealed,
      reports: { firstSequence, messages: messages.subarray(0, reportCount), groups },
    };
  } finally {
    rows.close();
  }
}

/** What is kept of the rows that a checkpoint is of; of none without one. */
function beginUnsealed(shared: SharedSegment, columns: Columns, checkpoint: IndexFile | undefined): Unsealed {
  const facets = new FacetMaker(columns.facets, columns.hashes);
  if (checkpoint === undefined) return { columns, counts: new Counts(), facets };
  const { counts, meanings } = restoreColumns(checkpoint, columns);
  facets.restore(meanings);
  const { messages } = checkpoint.header;
  for (let ordinal = 0; ordinal < messages; ordinal++) takeRow(shared, columns, ordinal);
  return { columns, counts: Counts.of(counts, columns.account.subarray(0, messages)), facets };
}

/** Gives how many there are from an ordinal on. */
function loadMessages(
  rows: Rows,
  from: number,
  shared: SharedSegment,
  { columns, counts, facets }: Unsealed,
  hashSeed: number,
): number {
  let found = 0;
  for (const batch of messageBatches(rows, rowsAtATime, from)) {
    for (const row of batch) {
      const { ordinal, account, sentAt, status, body } = row;
      counts.message(row);
      [columns.account[ordinal], columns.sentAt[ordinal]] = [account, sentAt];
      columns.initialGroup[ordinal] = groupOfStatus(status);
      setHashes(columns, ordinal, hashSeed, account, body);
      facets.message(row);
      takeRow(shared, columns, ordinal);
    }
    found += batch.length;
    counts.commit();
  }
  return found;
}

/** Takes up a message whose columns are there. */
function takeRow(shared: SharedSegment, columns: Columns, ordinal: number): void {
  const group = columns.initialGroup[ordinal] ?? 0;
  setRow(columns, ordinal, columns.account[ordinal] ?? 0, columns.sentAt[ordinal] ?? 0, group);
  addId(columns, ordinal);
  setState(shared, ordinal, 0, group);
  shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
}

/** No account has what is lost; it has a time, so that it stands somewhere in the order of time. */
function fillGaps(columns: Columns, count: number, sentAt: number): void {
  for (let ordinal = 0; ordinal < count; ordinal++)
    if (columns.account[ordinal] === noAccount) columns.sentAt[ordinal] = sentAt;
}

function loadReports(rows: Rows, firstSequence: number, from: number, { columns, counts, facets }: Unsealed) {
  let [until, found] = [-Infinity, 0];
  for (const batch of reportBatches(rows, firstSequence + from, rowsAtATime)) {
    for (const row of batch) {
      setReport(columns, row.sequence - firstSequence, row.account, row.message, groupOfStatus(row.status));
      until = Math.max(until, row.sentAt);
      counts.report(row.account, row.sentAt, movesIn(row.moved));
      facets.report(row, firstSequence);
    }
    found += batch.length;
    counts.commit();
  }
  return { until, found };
}

function setHashes(columns: Columns, ordinal: number, hashSeed: number, account: number, body: string): void {
  let from = 0;
  for (let field = 0; field < fieldCount; field++) {
    const end = body.indexOf(partSeparator, from);
    const column = columns.hashes[field];
    // Of a field that no message has, no memory is written: it takes none.
    if (column !== undefined && end > from) column[ordinal] = hashValue(hashSeed, account, field, body, from, end);
    from = end + 1;
  }
}

function columnsRange(columns: Columns): readonly [number, number] {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of columns.blockMin) least = Math.min(least, value);
  for (const value of columns.blockMax) greatest = Math.max(greatest, value);
  return [least, greatest];
}
