import { frameRows } from '../../block/layout.ts';
import { BlockMaker, type BlockRow } from '../../block/make-block.ts';
import { DamagedRow } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import { IndexFile, type IndexHeader } from '../segment/index-file.ts';
import { identityOf, initialStateOf, verifyMessage, verifyReport } from '../segment/record-row.ts';
import { type MessageRow, type ReportRow, RowsFile } from '../segment/rows-file.ts';
import { messageBody, reportBody } from '../segment/volume-body.ts';
import { manifestBytes, manifestEndsOf, type VolumeBlock, VolumeFile } from '../segment/volume-file.ts';

const rowsAtATime = 500;

/**
 * Makes the volume of a sealed segment beside its rows file, a step at a time; `true` when it stands there, durable and
 * found equal to the rows file row by row: then nothing needs that any more. A segment that lacks rows gets none. What is
 * gone or was made anew meanwhile gets none either, and what is damaged is told by throwing what `isDamage` knows.
 */
export function* makeVolume(folder: Folder, segmentId: number, blockRows: number): Generator<void, boolean> {
  const header = mergeableHeader(folder, segmentId);
  if (header === undefined) return false;
  const [path, isThere] = [folder.volume(segmentId), folder.hasVolume(segmentId)];
  const temporary = `${path}.tmp`;
  const rows = new RowsFile(folder.rows(segmentId), { mode: 'sealed' });
  try {
    // A process that ended may have left the rows file beside a volume that stands already.
    if (!isThere) yield* write(folder.disk, temporary, header, rows, blockRows);
    yield* compare(folder.disk, isThere ? path : temporary, header, rows);
    if (isThere) return true;
    // Between two steps it may have been dropped, or made anew of what is left of it.
    if (mergeableHeader(folder, segmentId)?.rowsCrc !== header.rowsCrc) return false;
    folder.disk.rename(temporary, path);
    folder.sync();
    if (folder.disk.exists(folder.index(segmentId))) return true;
    folder.disk.remove(path);
    return false;
  } finally {
    rows.close();
    folder.disk.remove(temporary);
  }
}

/** `undefined` when there is nothing to be made into a volume. */
function mergeableHeader(folder: Folder, segmentId: number): IndexHeader | undefined {
  if (!folder.disk.exists(folder.index(segmentId)) || !folder.disk.exists(folder.rows(segmentId))) return undefined;
  const index = new IndexFile(folder.index(segmentId), folder.disk);
  index.close();
  const { lostMessages = 0, lostReports = 0 } = index.header;
  return lostMessages + lostReports > 0 ? undefined : index.header;
}

/**
 * Removes the rows file that a volume stands for; `false` when it stands for none. To be called when nobody has the file
 * open, by the thread that makes segments anew: then the volume is that of the index.
 */
export function removeMerged(folder: Folder, segmentId: number): boolean {
  const header = folder.hasVolume(segmentId) ? mergeableHeader(folder, segmentId) : undefined;
  if (header === undefined) return false;
  const volume = new VolumeFile(folder.volume(segmentId), folder.disk);
  volume.close();
  if (!volume.isOf(header)) return false;
  folder.disk.remove(folder.rows(segmentId));
  return true;
}

function* write(
  disk: Disk,
  path: string,
  header: IndexHeader,
  rows: RowsFile,
  blockRows: number,
): Generator<void, void> {
  if (blockRows % frameRows !== 0) throw new RangeError(`a block of ${blockRows} rows is not of whole frames`);
  const { firstSequence, rowsBytes, rowsCrc, hashSeed } = header;
  const file = disk.open(path, 'write');
  try {
    let end = manifestBytes;
    const append = (bytes: Uint8Array) => {
      disk.write(file, bytes, end);
      end += bytes.byteLength;
    };
    const blocksOf = function* <R>(all: Generator<R>, rowOf: (row: R) => BlockRow): Generator<void, VolumeBlock[]> {
      const blocks: VolumeBlock[] = [];
      let maker = new BlockMaker(hashSeed, blockRows);
      const close = () => {
        const [bytes, offset] = [maker.bytes(), end];
        append(bytes);
        blocks.push({ rows: maker.rows, offset, bytes: bytes.byteLength });
        maker = new BlockMaker(hashSeed, blockRows);
      };
      let count = 0;
      for (const row of all) {
        maker.add(rowOf(row));
        if (maker.rows === blockRows) close();
        if (++count % rowsAtATime === 0) yield;
      }
      if (maker.rows > 0) close();
      return blocks;
    };
    const messages = yield* blocksOf(messagesIn(rows, header), messageRow);
    const reports = yield* blocksOf(reportsIn(rows, header), reportRow);
    const meta = { ...rows.meta(), firstSequence };
    const { opening, closing } = manifestEndsOf({ ...meta, rowsBytes, rowsCrc, hashSeed, messages, reports });
    if (opening.byteLength > manifestBytes) throw new RangeError('the manifest has no room');
    append(closing);
    disk.write(file, opening, 0);
    disk.sync(file);
  } finally {
    disk.close(file);
  }
}

function messageRow(row: MessageRow): BlockRow {
  const log = { ...identityOf(row), ...initialStateOf(row) };
  return { account: row[1], sentAt: row[2], body: messageBody(row), log };
}

const reportRow = (row: ReportRow): BlockRow => ({ account: row[14], sentAt: row[15], body: reportBody(row) });

function* messagesIn(rows: RowsFile, { messages }: IndexHeader): Generator<MessageRow> {
  for (let next = 0; next < messages; ) {
    const found = rows.messagesFrom(next, rowsAtATime);
    if (found[0]?.[0] !== next) throw new DamagedRow(`message ${next}`);
    for (const row of found.filter(([ordinal], i) => ordinal === (found[0]?.[0] ?? 0) + i)) {
      yield verifyMessage(row);
      next++;
    }
  }
}

function* reportsIn(rows: RowsFile, { reports, firstSequence }: IndexHeader): Generator<ReportRow> {
  for (let next = firstSequence; next < firstSequence + reports; ) {
    const found = rows.reportsFrom(next, rowsAtATime);
    if (found[0]?.[0] !== next) throw new DamagedRow(`report ${next}`);
    for (const row of found.filter(([sequence], i) => sequence === (found[0]?.[0] ?? 0) + i)) {
      yield verifyReport(row);
      next++;
    }
  }
}

/** Looks at every part of a volume that stands in the place of a rows file; throws what `isDamage` knows. */
export function* verifyVolume(folder: Folder, segmentId: number, header: IndexHeader): Generator<void, void> {
  const volume = new VolumeFile(folder.volume(segmentId), folder.disk);
  try {
    if (!volume.isOf(header)) throw new DamagedRow('the volume (it is of other rows, or cut short)');
    yield* volume.verifySteps();
  } finally {
    volume.close();
  }
}

/** Reads the volume as its readers will: whatever does not come out as it went in keeps the rows file where it is. */
function* compare(disk: Disk, path: string, header: IndexHeader, rows: RowsFile): Generator<void, void> {
  const volume = new VolumeFile(path, disk);
  try {
    const { segment, firstSequence } = volume.manifest;
    if (!volume.isOf(header) || segment !== header.segment || firstSequence !== header.firstSequence)
      throw new DamagedRow('the volume (it is of other rows)');
    yield* volume.verifySteps();
    let count = 0;
    for (const row of messagesIn(rows, header)) {
      if (!isSame(row, volume.message(row[0]))) throw new DamagedRow(`the volume (message ${row[0]})`);
      if (++count % rowsAtATime === 0) yield;
    }
    for (const row of reportsIn(rows, header)) {
      if (!isSame(row, volume.report(row[0]))) throw new DamagedRow(`the volume (report ${row[0]})`);
      if (++count % rowsAtATime === 0) yield;
    }
    if (volume.count() !== header.messages || volume.reportCount() !== header.reports)
      throw new DamagedRow('the volume (it has more rows than its index)');
  } finally {
    volume.close();
  }
}

function isSame(a: MessageRow | ReportRow, b: MessageRow | ReportRow | undefined): boolean {
  return a.length === b?.length && a.every((value, i) => Object.is(value, b[i]) || (value === 0 && b[i] === 0));
}
