import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { ActiveSegment } from '../../../src/store/embedded/record/active-segment.ts';
import { isFull } from '../../../src/store/embedded/record/segment-size.ts';
import { createJournal, JournalWriter } from '../../../src/store/embedded/rows/journal-writer.ts';
import { messageOfCells } from '../../../src/store/embedded/rows/row-cells.ts';
import { Counts } from '../../../src/store/embedded/segment/counts.ts';
import { FacetMaker } from '../../../src/store/embedded/segment/facet-maker.ts';
import { newColumns, newSharedSegment } from '../../../src/store/embedded/segment/shared-segment.ts';

test('a journal that is as long as a segment may be → the segment is full, when it is gone on with too', () => {
  const place = mkdtempSync(join(tmpdir(), 'sentlog-full-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  const path = join(place, 'journal');
  const meta = { segment: 7, firstSequence: 1, createdAt: 1_700_000_000_000 };
  createJournal(systemDisk, path, meta);
  const columns = newColumns(20);
  const shared = newSharedSegment(meta.segment, meta.firstSequence, 20);
  const openedAs = (bytesMax: number) => {
    const rows = new JournalWriter(path, systemDisk, 'full', columns.places);
    onTestFinished(() => rows.close());
    const size = { messagesMax: 20, bytesMax, ageMs: 1 };
    const facets = new FacetMaker(columns.facets, columns.hashes);
    return new ActiveSegment({ shared, columns, counts: new Counts(), facets, size, createdAt: 1, rows });
  };
  const segment = openedAs(2 ** 20);
  segment.rows.begin();
  const text = 'x'.repeat(2 ** 20);
  segment.rows.insertMessage(messageOfCells([0, 1, 1, 1, 10_007, 0, 1, null, null, null, null, 1, text, '']));
  expect(isFull(segment)).toBe(true);
  segment.rows.commit();
  const { byteLength } = readFileSync(path);
  expect(isFull(openedAs(byteLength))).toBe(true);
  expect(isFull(openedAs(byteLength + 1024))).toBe(false);
});
