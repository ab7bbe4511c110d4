import { DamagedRow, type Unsound } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import { readingAround } from '../files/reading-around.ts';
import { EarlierRows } from '../rows/earlier-rows.ts';
import type { Places } from '../rows/journal-format.ts';
import { JournalRows } from '../rows/journal-rows.ts';
import type { Rows, RowsMeta } from '../rows/rows.ts';
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

/** Which segment of which log rows are to be of, where that is known. */
type RowsOf = { readonly id: number; readonly hashSeed: number | undefined };

/** The rows of a segment that has an index. Throws `DamagedRow` where they are another's. */
export function openSealedRows(folder: Folder, segmentId: number): Rows {
  const own = { id: segmentId, hashSeed: folder.hashSeed };
  if (folder.hasVolume(segmentId)) return ofSegment(new VolumeFile(folder.volume(segmentId), folder.disk), own);
  const path = folder.rows(segmentId);
  return ofSegment(
    isEarlier(path) ? new EarlierRows(path, 'sealed') : sealedJournal(path, folder.disk, folder.unsound.get(segmentId)),
    own,
    rows => {
      if (rows instanceof JournalRows && !rows.isFinished) throw new DamagedRow('the journal (its footer)');
    },
  );
}

/** Rows that are passed over may stand, between others, where the disk gives nothing. */
function sealedJournal(path: string, disk: Disk, unsound: Unsound | undefined): JournalRows {
  return new JournalRows(path, unsound === undefined ? disk : readingAround(disk), undefined, 'read', unsound);
}

/** Throws `DamagedRow` where rows say that they are of another segment, or another log. */
export function checkOwn({ segment, hashSeed }: RowsMeta, of: RowsOf): void {
  if (segment !== of.id) throw new DamagedRow(`the rows file (it is of segment ${segment})`);
  if (hashSeed !== undefined && of.hashSeed !== undefined && hashSeed !== of.hashSeed)
    throw new DamagedRow('the rows file (it is of another log)');
}

/** Put there by mistake, another's are sound, and each of them would be taken for the one it stands for. */
export function ofSegment<R extends Rows>(rows: R, of: RowsOf, check: (rows: R) => void = () => {}): R {
  try {
    checkOwn(rows.meta(), of);
    check(rows);
    return rows;
  } catch (error) {
    rows.close();
    throw error;
  }
}

/** The rows of a segment that has no index yet, where memory tells where they stand. Throws as `openSealedRows`. */
export function openUnsealedRows(folder: Folder, segmentId: number, places: Places): Rows {
  const path = folder.rows(segmentId);
  const rows = isEarlier(path) ? new EarlierRows(path, 'read') : new JournalRows(path, folder.disk, places);
  return ofSegment(rows, { id: segmentId, hashSeed: folder.hashSeed });
}
