import { isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import { type Folder, type RowsSource, setAsideFile } from '../files/folder.ts';
import { EarlierRows } from '../rows/earlier-rows.ts';
import { metaIn } from '../rows/journal-format.ts';
import type { Rows } from '../rows/rows.ts';
import { isEarlier, isVolume } from '../segment/open-rows.ts';
import { VolumeFile } from '../segment/volume-file.ts';

/**
 * Where the rows of a segment are to be looked for: in its own files, or in those that were set aside. Where files were
 * mixed up, so that its own say they are another segment's, in whichever of the folder say they are its. Rows of another
 * segment would pass for its own: nothing in a row tells the two apart.
 */
export function rowsSourceOf(folder: Folder, segmentId: number): RowsSource {
  const source = folder.sourceOf(segmentId);
  const { journal, rows, volume } = source;
  const others = [journal, rows, volume].filter(path => isOfAnother(folder.disk, path, segmentId));
  if (others.length === 0) return source;
  const found = folder.rowsPaths().filter(path => segmentIn(folder.disk, path) === segmentId);
  const own = (path: string, isAlike: (other: string) => boolean) =>
    others.includes(path) ? (found.find(isAlike) ?? '') : path;
  const earlier = own(rows, isEarlier);
  const log = earlier === rows || !folder.disk.exists(`${earlier}-wal`) ? source.log : `${earlier}-wal`;
  const isJournal = (path: string) => !isEarlier(path) && !isVolume(path);
  return { journal: own(journal, isJournal), rows: earlier, log, volume: own(volume, isVolume) };
}

/** Removes the volume of a segment whose rows stand elsewhere; one that is another segment's is set aside. */
export function removeVolume(folder: Folder, segmentId: number): void {
  const path = folder.volume(segmentId);
  if (isOfAnother(folder.disk, path, segmentId)) setAsideFile(folder.disk, folder.dataDir, path);
  else folder.disk.remove(path);
}

function isOfAnother(disk: Disk, path: string, segmentId: number): boolean {
  const found = segmentIn(disk, path);
  return found !== undefined && found !== segmentId;
}

/** The segment that a file says its rows are of; `undefined` where there is none, or it cannot be made out. */
function segmentIn(disk: Disk, path: string): number | undefined {
  if (!disk.exists(path)) return undefined;
  if (!isEarlier(path) && !isVolume(path)) return segmentInJournal(disk, path);
  let rows: Rows | undefined;
  try {
    rows = isVolume(path) ? new VolumeFile(path, disk) : new EarlierRows(path, 'sealed');
    return rows.meta().segment;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  } finally {
    rows?.close();
  }
}

function segmentInJournal(disk: Disk, path: string): number | undefined {
  const file = disk.open(path, 'read');
  try {
    return metaIn(disk, file, disk.size(path) ?? 0)?.segment;
  } finally {
    disk.close(file);
  }
}
