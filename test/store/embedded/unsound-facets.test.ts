import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deliveryErrors } from '../../../src/domain/registry.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import { type FacetOutcome, stateOf } from '../../../src/store/embedded/segment/facets.ts';
import { IndexFile, writeIndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
const none: FacetOutcome = [0, 0, null, null, null, null];

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
  const bytes = readFileSync(files.journal(1));
  // Of the footer: where message 2 stands.
  bytes.writeUInt32LE(0, bytes.byteLength - 64 - 32 + 2 * 4);
  writeFileSync(files.journal(1), bytes);
  log.makeFacets();
  expect(log.isSealed(1)).toBe(true);
  expect(existsSync(files.facets(1))).toBe(false);
  log.close();
});

test.each([1, 11, 12, 13, 24, 400])(
  '%i reports waited for the last message of a segment → its facets tell what became of each',
  waiting => {
    const log = new SimulatedLog(temporaryFolder(), systemDisk);
    const batch = { account: 1, binding: {}, receivedAt: now + 1000, sentSince: 0 };
    const submissions = Array.from({ length: 7 }, (_, i) => submission(i, { sentAt: now + i }));
    const errors = deliveryErrors.slice(1, 3);
    const reports = Array.from({ length: waiting }, (_, i) => ({
      messageId: 'message-5',
      at: now + 10 + i,
      ...(errors[i % 2] && { error: errors[i % 2] }),
    }));
    log.record({ ...batch, submissions: submissions.slice(0, 5) });
    log.record({ ...batch, submissions: reports });
    log.record({ ...batch, submissions: submissions.slice(5) });
    log.seal(true);
    // What the writer left without facets.
    log.makeFacets();
    const told = log.facets(1, facets =>
      Array.from(facets.codes('reportOutcome'), code => stateOf(facets.meanings.outcome[code - 1] ?? none).error.name),
    );
    expect(told).toEqual(reports.map(({ error }) => error?.name));
    for (const { name } of errors) {
      const { total } = log.summary(1, now + 1000, { errorName: [name] });
      expect(total).toBe(name === reports.at(-1)?.error?.name ? 1 : 0);
    }
    log.close();
  },
);

test('a file of facets without a number for each report → removed, and rows tell', () => {
  const { dataDir, log } = logOf(7);
  log.seal();
  log.makeFacets();
  const path = new Folder(dataDir).facets(1);
  const written = new IndexFile(path);
  const { header } = written;
  const meanings = written.uint8('facets.meanings');
  written.close();
  const sections = { 'facets.reportOutcome': Uint8Array.of(1, 2, 1, 2), 'facets.meanings': meanings };
  for (const [reports, codes] of [
    [4, [1, 2, 1, 2]],
    [2, [513, 513]],
    [3, undefined],
    [5, undefined],
  ] as const) {
    writeIndexFile(systemDisk, path, { ...header, reports }, sections);
    log.reopenForReading();
    expect(log.facets(1, facets => Array.from(facets.codes('reportOutcome')))).toEqual(codes);
    expect(existsSync(path)).toBe(codes !== undefined);
  }
  log.close();
});

test('the files of a segment were made anew → a reader forgets what it was told of the old ones', () => {
  const { dataDir, log } = logOf(4);
  log.close();
  const reopened = new SimulatedLog(dataDir, systemDisk);
  const [segment] = reopened.found.segments;
  if (segment?.columns === undefined) throw new Error('the segment takes no writes');
  const { shared, columns } = segment;
  const read = new ReadSegments(new Folder(dataDir), new LogFile(dataDir).hashSeed);
  read.set(shared, columns);
  read.learn(reopened.meanings());
  expect(read.withFacets(shared.id, ({ messages }) => messages)).toBe(4);
  read.set(shared, undefined);
  expect(read.withFacets(shared.id, () => true)).toBeUndefined();
  read.close();
  reopened.close();
});
