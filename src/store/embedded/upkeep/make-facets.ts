import { DamagedRow, isDamage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { indexFlaw } from '../log/check-rows.ts';
import { messageBatches, reportBatches } from '../rows/rows.ts';
import { newFacetColumns } from '../segment/facet-columns.ts';
import { FacetMaker } from '../segment/facet-maker.ts';
import { facetSections } from '../segment/facets.ts';
import { IndexFile, writeIndexFile } from '../segment/index-file.ts';
import { openSealedRows } from '../segment/open-rows.ts';

const rowsAtATime = 1000;

/**
 * Makes the facets of a sealed segment, a step at a time, unless it has them; `true` when it has them now. What is gone
 * meanwhile gets none, nor what is damaged: whoever reads or verifies it tells.
 */
export function* makeFacets(folder: Folder, segmentId: number): Generator<void, boolean> {
  try {
    const index = new IndexFile(folder.index(segmentId), folder.disk);
    index.close();
    if (indexFlaw(index.header, segmentId, folder.hashSeed) !== undefined) return false;
    if (isMadeOf(folder, folder.facets(segmentId), index)) return true;
    const { messages, reports, firstSequence, lostMessages = 0, lostReports = 0 } = index.header;
    const columns = newFacetColumns(messages, reports);
    const maker = new FacetMaker(columns);
    const accounts = new Float64Array(messages);
    const rows = openSealedRows(folder, segmentId);
    let count = 0;
    try {
      for (const batch of messageBatches(rows, rowsAtATime)) {
        count += batch.length;
        for (const row of batch) {
          maker.message(row);
          accounts[row[0]] = row[1];
        }
        yield;
      }
      for (const batch of reportBatches(rows, firstSequence, rowsAtATime)) {
        count += batch.length;
        for (const row of batch) maker.report(row, firstSequence);
        yield;
      }
    } finally {
      rows.close();
    }
    // What SQLite does not find any more would be counted as if it had never been.
    if (count + lostMessages + lostReports < messages + reports) throw new DamagedRow('the rows file (it lacks rows)');
    const sections = facetSections(columns, maker.meanings(), accounts, reports);
    if (sections === undefined) return false;
    writeIndexFile(folder.disk, folder.facets(segmentId), index.header, sections);
    if (!folder.isGoing(segmentId)) return true;
    folder.disk.remove(folder.facets(segmentId));
    return false;
  } catch (error) {
    // A full disk has no room for half of a file.
    folder.disk.remove(`${folder.facets(segmentId)}.tmp`);
    if (!isDamage(error) && !folder.isGoing(segmentId)) throw error;
    return false;
  }
}

/** Whether a file beside a segment's index is there, of the same rows, and such as would be made now. */
export function isMadeOf(
  folder: Folder,
  path: string,
  { header }: Pick<IndexFile, 'header'>,
  isCurrent: (file: IndexFile) => boolean = () => true,
): boolean {
  if (!folder.disk.exists(path)) return false;
  try {
    const beside = new IndexFile(path, folder.disk);
    try {
      return beside.header.rowsCrc === header.rowsCrc && isCurrent(beside);
    } finally {
      beside.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}
