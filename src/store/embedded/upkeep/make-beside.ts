import { isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { indexFlaw } from '../log/check-rows.ts';
import type { Rows } from '../rows/rows.ts';
import { freeSections, IndexFile, type Sections, writeIndexFile } from '../segment/index-file.ts';
import { openSealedRows } from '../segment/open-rows.ts';

/** A file beside the index of a segment, in the index's own form. */
export type Beside = {
  readonly path: string;
  /** Whether a file of the same rows is such as would be made now. */
  isCurrent(file: IndexFile): boolean;
  /** Makes its sections, a step at a time; `undefined` where the segment needs no such file. */
  sections(index: IndexFile, openRows: () => Rows): Generator<void, Sections | undefined>;
};

/**
 * Makes a file beside the index of a sealed segment, a step at a time, unless it is there; `true` when it is there then. What
 * is gone meanwhile gets none, nor what is damaged: whoever reads or verifies it tells.
 */
export function* makeBeside(folder: Folder, segmentId: number, beside: Beside): Generator<void, boolean> {
  const { path } = beside;
  using opened = new DisposableStack();
  try {
    const index = opened.adopt(new IndexFile(folder.index(segmentId), folder.disk), one => one.close());
    if (indexFlaw(index.header, segmentId, folder.hashSeed) !== undefined) return false;
    if (isMade(folder, index, beside)) return true;
    const openRows = () => opened.adopt(openSealedRows(folder, segmentId), rows => rows.close());
    const sections = yield* beside.sections(index, openRows);
    if (sections === undefined) return false;
    writeIndexFile(folder.disk, path, index.header, sections);
    freeSections(sections);
    if (!folder.isGoing(segmentId)) return true;
    folder.disk.remove(path);
    return false;
  } catch (error) {
    // A full disk has no room for half of a file.
    folder.disk.remove(`${path}.tmp`);
    if (!isDamage(error) && !folder.isGoing(segmentId)) throw error;
    return false;
  }
}

function isMade(folder: Folder, { header }: IndexFile, { path, isCurrent }: Beside): boolean {
  if (!folder.disk.exists(path)) return false;
  try {
    const file = new IndexFile(path, folder.disk);
    try {
      return file.header.rowsCrc === header.rowsCrc && isCurrent(file);
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}
