import type { EpochMs } from '../../../domain/message.ts';
import { removeVolume } from '../damage/row-source.ts';
import { DamagedIndex, DamagedRow, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { covers, type Holding } from '../files/ledger.ts';
import type { RowsMeta } from '../rows/rows.ts';
import { IndexFile, type IndexHeader } from '../segment/index-file.ts';
import { checkOwn } from '../segment/open-rows.ts';
import { VolumeFile } from '../segment/volume-file.ts';

/** Why an index is of no use for this segment of this log, where it is known which that is, as far as it says so itself. */
export function indexFlaw(header: IndexHeader, id: number, hashSeed: number | undefined): string | undefined {
  if (header.segment !== id) return `it is of segment ${header.segment}`;
  const isOurs = hashSeed === undefined || header.hashSeed === hashSeed;
  return isOurs ? undefined : 'its hashes were made with another seed';
}

/** Opens the index of a segment of this log. Throws `DamagedIndex` where it is another's, as far as it says so itself. */
export function openIndex(folder: Folder, id: number, hashSeed: number): IndexFile {
  const path = folder.index(id);
  const index = new IndexFile(path, folder.disk);
  const flaw = indexFlaw(index.header, id, hashSeed);
  if (flaw === undefined) return index;
  index.close();
  throw new DamagedIndex(path, flaw);
}

/** Throws `DamagedRow` where a rows file says that it is another segment's, or another log's. */
export function checkMeta(meta: RowsMeta, id: number, known: Holding | undefined, hashSeed?: number): void {
  checkOwn(meta, { id, hashSeed });
  const { firstSequence } = meta;
  if (known !== undefined && firstSequence !== known.firstSequence) throw new DamagedRow('meta firstSequence');
}

/** The same where all rows of a segment are there, and cannot be those that were answered by when they were sent. */
export function checkRange(from: EpochMs, until: EpochMs, known: Holding | undefined): void {
  if (!covers([from, until], known)) throw new DamagedRow('the rows file (it is of another time)');
}

/** Whether the rows that an index was made of are there, and are those that were answered, by what costs nothing to look at. */
export function checkRows(folder: Folder, id: number, header: IndexHeader, known: Holding | undefined): void {
  const rowsBytes = folder.disk.size(folder.rows(id));
  if (rowsBytes !== undefined && rowsBytes !== header.rowsBytes)
    throw new DamagedRow(`the rows file (${rowsBytes} bytes instead of ${header.rowsBytes})`);
  if (header.messages < (known?.messages ?? 0) || header.reports < (known?.reports ?? 0))
    throw new DamagedRow('the rows file (it is of an earlier time)');
  if ((header.lostMessages ?? 0) === 0 && header.messages > 0) checkRange(header.minSentAt, header.maxSentAt, known);
  if (!folder.hasVolume(id)) return;
  if (isVolumeOf(folder, id, header)) return;
  if (rowsBytes === undefined) throw new DamagedRow('the volume (it is damaged, or of other rows)');
  // Left over by a process that ended when it had made the rows file again, or of other rows.
  removeVolume(folder, id);
}

/** Throws `OtherFormat` for the first volume of a folder that this version cannot read, before anything is mended. */
export function refuseOtherVolumes(folder: Folder): void {
  for (const id of folder.segmentIds()) {
    if (!folder.hasVolume(id)) continue;
    try {
      new VolumeFile(folder.volume(id), folder.disk).close();
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
}

function isVolumeOf(folder: Folder, id: number, header: IndexHeader): boolean {
  try {
    const volume = new VolumeFile(folder.volume(id), folder.disk);
    volume.close();
    return volume.isOf(header);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}
