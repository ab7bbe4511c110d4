import { DamagedRow } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { messageBatches, type Rows, reportBatches } from '../rows/rows.ts';
import { newFacetColumns } from '../segment/facet-columns.ts';
import { FacetMaker } from '../segment/facet-maker.ts';
import { facetSections } from '../segment/facets.ts';
import type { IndexFile, Sections } from '../segment/index-file.ts';
import { type Beside, makeBeside } from './make-beside.ts';

const rowsAtATime = 1000;

/** As `makeBeside`, of the facets of a segment that was sealed without. */
export function makeFacets(folder: Folder, segmentId: number): Generator<void, boolean> {
  const facets: Beside = { path: folder.facets(segmentId), isCurrent: () => true, sections };
  return makeBeside(folder, segmentId, facets);
}

function* sections({ header }: IndexFile, openRows: () => Rows): Generator<void, Sections | undefined> {
  const { messages, reports, firstSequence, lostMessages = 0, lostReports = 0 } = header;
  const columns = newFacetColumns(messages, reports);
  const maker = new FacetMaker(columns);
  const accounts = new Float64Array(messages);
  const rows = openRows();
  let count = 0;
  for (const batch of messageBatches(rows, rowsAtATime)) {
    count += batch.length;
    for (const row of batch) {
      maker.message(row);
      accounts[row.ordinal] = row.account;
    }
    yield;
  }
  for (const batch of reportBatches(rows, firstSequence, rowsAtATime)) {
    count += batch.length;
    for (const row of batch) maker.report(row, firstSequence);
    yield;
  }
  // What SQLite does not find any more would be counted as if it had never been.
  if (count + lostMessages + lostReports < messages + reports) throw new DamagedRow('the rows file (it lacks rows)');
  return facetSections(columns, maker.meanings(), accounts, reports);
}
