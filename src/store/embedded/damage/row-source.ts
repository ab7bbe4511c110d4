import { isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import { type Folder, type RowsSource, setAsideFile } from '../files/folder.ts';
import { RowsFile } from '../segment/rows-file.ts';
import { type SealedRows, VolumeFile } from '../segment/volume-file.ts';

/**
 * Where the rows of a segment are to be looked for: in its own files, or in those that were set aside. Where files were
 * mixed up, so that its own say they are another segment's, in whichever of the folder say they are its. Rows of another
 * segment would pass for its own: nothing in a row tells the two apart.
 */
export function rowsSourceOf(folder: Folder, segmentId: number): RowsSource {
  const source = folder.sourceOf(segmentId);
  const others = [source.rows, source.volume].filter(path => isOfAnother(folder.disk, path, segmentId));
  if (others.length === 0) return source;
  const found = folder.rowsPaths().filter(path => segmentIn(folder.disk, path) === segmentId);
  const [volume = '', rows = ''] = [true, false].map(isVolume => found.find(path => isVolumePath(path) === isVolume));
  const log = folder.disk.exists(`${rows}-wal`) ? `${rows}-wal` : source.log;
  return {
    ...(others.includes(source.rows) ? { rows, log } : { rows: source.rows, log: source.log }),
    volume: others.includes(source.volume) ? volume : source.volume,
  };
}

/** Removes the volume of a segment whose rows stand elsewhere; one that is another segment's is set aside. */
export function removeVolume(folder: Folder, segmentId: number): void {
  const path = folder.volume(segmentId);
  if (isOfAnother(folder.disk, path, segmentId)) setAsideFile(folder.disk, folder.dataDir, path);
  else folder.disk.remove(path);
}

const isVolumePath = (path: string) => path.includes('.volume');

function isOfAnother(disk: Disk, path: string, segmentId: number): boolean {
  const found = segmentIn(disk, path);
  return found !== undefined && found !== segmentId;
}

/** The segment that a file says its rows are of; `undefined` where there is none, or it cannot be made out. */
function segmentIn(disk: Disk, path: string): number | undefined {
  if (!disk.exists(path)) return undefined;
  let rows: SealedRows | undefined;
  try {
    rows = isVolumePath(path) ? new VolumeFile(path, disk) : new RowsFile(path, { mode: 'sealed' });
    return rows.meta().segment;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  } finally {
    rows?.close();
  }
}
