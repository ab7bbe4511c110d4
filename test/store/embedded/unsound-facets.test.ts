import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { KeyReader, newKeyMemory } from '../../../src/store/embedded/log/key-table.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;

function logOf(messages: number) {
  const dataDir = temporaryFolder();
  const log = new SimulatedLog(dataDir, systemDisk);
  const submissions = Array.from({ length: messages }, (_, i) => submission(i, { sentAt: now + i }));
  log.record({ account: 1, binding: {}, receivedAt: now + messages, sentSince: 0, submissions });
  return { dataDir, log };
}

test('a sealed segment lacks a row that is not known to be lost → no facets are made of the others', () => {
  const { dataDir, log } = logOf(7);
  log.seal();
  const files = new Folder(dataDir);
  const rows = new DatabaseSync(files.rows(1));
  rows.exec('DELETE FROM message WHERE ordinal = 2');
  rows.close();
  log.makeFacets();
  expect(log.isSealed(1)).toBe(true);
  expect(existsSync(files.facets(1))).toBe(false);
  log.close();
});

test('the files of a segment were made anew → a reader forgets what it was told of the old ones', () => {
  const { dataDir, log } = logOf(4);
  log.close();
  const reopened = new SimulatedLog(dataDir, systemDisk);
  const [segment] = reopened.found.segments;
  if (segment?.columns === undefined) throw new Error('the segment takes no writes');
  const { shared, columns } = segment;
  const read = new ReadSegments(new Folder(dataDir), new KeyReader(newKeyMemory()));
  read.set(shared, columns);
  read.learn(reopened.meanings());
  expect(read.withFacets(shared.id, ({ messages }) => messages)).toBe(4);
  read.set(shared, undefined);
  expect(read.withFacets(shared.id, () => true)).toBeUndefined();
  read.close();
  reopened.close();
});
