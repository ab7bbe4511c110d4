import { isDamage, isOutage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { type GroupHeader, groupAt, type Scanned, scanJournal } from '../rows/journal-format.ts';
import type { PackedCounts } from '../segment/counts.ts';
import { facetFields } from '../segment/facet-columns.ts';
import type { Meanings } from '../segment/facets.ts';
import { fields } from '../segment/fields.ts';
import { IndexFile, type IndexHeader, type SectionName, type Sections, writeIndexFile } from '../segment/index-file.ts';
import { type Columns, maxSentAt, minSentAt, reportedUntil, type SharedSegment } from '../segment/shared-segment.ts';
import { indexFlaw } from './check-rows.ts';

/**
 * A checkpoint of a segment that takes rows: what is kept in memory of all rows up to some group of its journal, so that a
 * start reads those behind alone. In the form of an index (index-file.ts). It is not synced, and may be missing, damaged, or
 * of what the journal does not hold: then all rows are read.
 */
export type Checkpoint = {
  readonly columns: Columns;
  readonly counts: PackedCounts;
  readonly meanings: Meanings;
  /** Of `Places`, as it was then. */
  readonly reach: Float64Array;
};

/** Writes that of a segment in the place of the one before; nothing where the journal is not what it is of. */
export function writeCheckpoint(folder: Folder, shared: SharedSegment, hashSeed: number, held: Checkpoint): void {
  const { columns, counts, meanings, reach } = held;
  const [end = 0, messages = 0, reports = 0, last = 0] = reach;
  const { disk } = folder;
  const journal = disk.open(folder.journal(shared.id), 'read');
  let group: GroupHeader | undefined;
  try {
    group = groupAt(disk, journal, last);
  } finally {
    disk.close(journal);
  }
  if (group === undefined) return;
  const header: IndexHeader = {
    segment: shared.id,
    hashSeed,
    messages,
    reports,
    firstSequence: shared.firstSequence,
    minSentAt: minSentAt(shared),
    maxSentAt: maxSentAt(shared),
    reportedUntil: reports === 0 ? null : reportedUntil(shared),
    timeBase: 0,
    wideTimes: true,
    rowsBytes: end,
    rowsCrc: group.payloadCrc,
  };
  const sections: Sections = { 'rows.reach': reach, 'facets.meanings': Buffer.from(JSON.stringify(meanings)) };
  // Of a field that no message has, nothing is kept, and no memory is written when it is read back.
  for (const [name, column] of columnsOf(columns, messages, reports))
    if (column.some(value => value !== 0)) sections[name] = column;
  for (const [name, part] of Object.entries(counts)) Object.assign(sections, { [`counts.${name}`]: part });
  writeIndexFile(disk, folder.checkpoint(shared.id), header, sections, false);
}

/** What of the columns is kept of so many rows, each by its section. */
function* columnsOf(columns: Columns, messages: number, reports: number): Generator<readonly [SectionName, Column]> {
  const { places, facets } = columns;
  yield ['rows.account', columns.account.subarray(0, messages)];
  yield ['rows.sentAt', columns.sentAt.subarray(0, messages)];
  yield ['group', columns.initialGroup.subarray(0, messages)];
  for (const [i, name] of fields.entries()) yield [`rows.${name}`, columnAt(columns.hashes, i).subarray(0, messages)];
  yield ['rows.places', places.messages.subarray(0, messages)];
  yield ['rows.reportPlaces', places.reports.subarray(0, reports)];
  yield ['rows.reportAccount', columns.reportAccount.subarray(0, reports)];
  yield ['reportMessages', columns.reportMessages.subarray(0, reports)];
  yield ['reportGroups', columns.reportGroups.subarray(0, reports)];
  yield ['facets.outcome', facets.outcome.subarray(0, messages)];
  yield ['facets.messageCount', facets.messageCount.subarray(0, messages)];
  yield ['facets.reportOutcome', facets.reportOutcome.subarray(0, reports)];
  for (const [i, name] of facetFields.entries())
    yield [`facets.${name}`, columnAt(facets.fields, i).subarray(0, messages)];
}

type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

function columnAt<T>(columns: readonly T[], at: number): T {
  const column = columns[at];
  if (column === undefined) throw new RangeError(`no column ${at}`);
  return column;
}

/** A checkpoint, and where the rows stand that it is of, and those behind. */
export type OpenedCheckpoint = { readonly file: IndexFile; readonly scanned: Scanned };

/** `undefined` where there is none that can be used. */
export function openCheckpoint(folder: Folder, id: number, hashSeed: number): OpenedCheckpoint | undefined {
  const path = folder.checkpoint(id);
  if (!folder.disk.exists(path)) return undefined;
  let file: IndexFile | undefined;
  try {
    file = new IndexFile(path, folder.disk);
    const scanned = indexFlaw(file.header, id, hashSeed) === undefined ? scanBehind(folder, id, file) : undefined;
    if (scanned !== undefined) return { file, scanned };
  } catch (error) {
    if (!isDamage(error) && !isOutage(error)) throw error;
  }
  file?.close();
  return undefined;
}

/** `undefined` where the journal is not what the checkpoint is of. */
function scanBehind(folder: Folder, id: number, file: IndexFile): Scanned | undefined {
  const { disk } = folder;
  const { messages, reports, firstSequence, rowsBytes, rowsCrc } = file.header;
  const reach = file.float64('rows.reach');
  const journal = disk.open(folder.journal(id), 'read');
  try {
    const meta = groupAt(disk, journal, reach[3] ?? 0);
    const isLast = meta?.messages === messages && meta.reports === reports && meta.payloadCrc === rowsCrc;
    if (!isLast || meta.segment !== id || meta.firstSequence !== firstSequence || reach[0] !== rowsBytes)
      return undefined;
    const places = { messages: file.uint32('rows.places'), reports: file.uint32('rows.reportPlaces'), reach };
    return scanJournal(disk, journal, disk.size(folder.journal(id)) ?? 0, { meta, places });
  } finally {
    disk.close(journal);
  }
}

/** Puts what a checkpoint holds into columns that are empty. Throws `DamagedIndex`. */
export function restoreColumns(file: IndexFile, columns: Columns): Pick<Checkpoint, 'counts' | 'meanings'> {
  for (const [name, column] of columnsOf(columns, file.header.messages, file.header.reports)) {
    const kept = file.bytesOf(name);
    if (kept > 0 && kept !== column.byteLength) throw file.damage(`section ${name} has ${kept} bytes`);
    if (kept > 0) new Uint8Array(column.buffer, column.byteOffset, kept).set(file.uint8(name));
  }
  const meanings: Meanings = JSON.parse(Buffer.from(file.uint8('facets.meanings')).toString());
  return { counts: countsIn(file), meanings };
}

function countsIn(file: IndexFile): PackedCounts {
  return {
    accounts: file.float64('counts.accounts'),
    cellStarts: file.uint32('counts.cellStarts'),
    nameStarts: file.uint32('counts.nameStarts'),
    minutes: file.float64('counts.minutes'),
    itemStarts: file.uint32('counts.itemStarts'),
    items: file.uint32('counts.items'),
    amounts: file.float64('counts.amounts'),
    names: file.uint8('counts.names'),
    until: file.float64('counts.until'),
  };
}
