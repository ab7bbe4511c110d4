import { DamagedRow } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import { EarlierRows } from '../rows/earlier-rows.ts';
import type { Places } from '../rows/journal-format.ts';
import { JournalRows } from '../rows/journal-rows.ts';
import type { Rows } from '../rows/rows.ts';
import { VolumeFile } from './volume-file.ts';

/** Whether the file of a segment's rows is one that an earlier version wrote, also when it was set aside after another of its name. */
export const isEarlier = (path: string) => /\.rows\.db(?:\.\d+)?$/.test(path);
export const isVolume = (path: string) => /\.volume(?:\.\d+)?$/.test(path);

/** Whatever rows stand in a file that nobody writes. */
export function openRowsAt(disk: Disk, path: string): Rows {
  if (isVolume(path)) return new VolumeFile(path, disk);
  if (!isEarlier(path)) return new JournalRows(path, disk);
  // Only a write-ahead log, which a crash leaves behind, needs more than the file; opened so it leaves files of its own.
  return new EarlierRows(path, (disk.size(`${path}-wal`) ?? 0) > 0 ? 'read' : 'sealed');
}

/** The rows of a segment that has an index. Throws `DamagedRow` where they are another's. */
export function openSealedRows(folder: Folder, segmentId: number): Rows {
  if (folder.hasVolume(segmentId)) return new VolumeFile(folder.volume(segmentId), folder.disk);
  const path = folder.rows(segmentId);
  const rows = isEarlier(path) ? new EarlierRows(path, 'sealed') : new JournalRows(path, folder.disk);
  try {
    // Put there by mistake, another segment's are sound, and each of them would be taken for the one it stands for.
    const { segment } = rows.meta();
    if (segment !== segmentId) throw new DamagedRow(`the rows file (it is of segment ${segment})`);
    if (rows instanceof JournalRows && !rows.isFinished) throw new DamagedRow('the journal (its footer)');
    return rows;
  } catch (error) {
    rows.close();
    throw error;
  }
}

/** The rows of a segment that has no index yet, where memory tells where they stand. */
export function openUnsealedRows(folder: Folder, segmentId: number, places: Places): Rows {
  const path = folder.rows(segmentId);
  return isEarlier(path) ? new EarlierRows(path, 'read') : new JournalRows(path, folder.disk, places);
}
