import { DamagedRow, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { IndexHeader } from '../segment/index-file.ts';
import { VolumeFile } from '../segment/volume-file.ts';

/** Whether the rows that an index was made of are there, by what costs nothing to look at. */
export function checkRows(folder: Folder, id: number, header: IndexHeader): void {
  const rowsBytes = folder.disk.size(folder.rows(id));
  if (rowsBytes !== undefined && rowsBytes !== header.rowsBytes)
    throw new DamagedRow(`the rows file (${rowsBytes} bytes instead of ${header.rowsBytes})`);
  if (!folder.hasVolume(id)) return;
  if (isVolumeOf(folder, id, header)) return;
  if (rowsBytes === undefined) throw new DamagedRow('the volume (it is damaged, or of other rows)');
  // Left over by a process that ended when it had made the rows file again, or of other rows.
  folder.disk.remove(folder.volume(id));
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
