import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { VolumeFile } from '../../../src/store/embedded/segment/volume-file.ts';
import { numberedIds, recordNumbered, SqliteLog, until, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;

/**
 * A folder as a program left it whose volumes are of version 2: messages 0 to 200 and a report on each even one, then 100
 * messages more, in segments of 100 and blocks of 64 rows.
 */
function earlierFolder(log: SqliteLog): void {
  const packed = readFileSync(join(import.meta.dirname, 'volumes-of-version-2.json.gz'));
  const files: Record<string, string> = JSON.parse(gunzipSync(packed).toString());
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(log.dataDir, name)), { recursive: true });
    writeFileSync(join(log.dataDir, name), Buffer.from(bytes, 'base64'));
  }
}

const versionOf = (path: string) => readFileSync(path).readUInt32LE(4);

test('a folder whose volumes an earlier program made → is read to the last message and report, also together with volumes of today', async () => {
  const log = new SqliteLog({ merging: { youngestLeft: 0, blockRows: 64 } });
  onTestFinished(() => log.remove());
  earlierFolder(log);
  const store = await log.open();
  onTestFinished(() => store.close());
  expect(await walkIds(store)).toEqual(numberedIds(0, 301));
  await recordNumbered(store, 301, 401, now);
  const folder = new Folder(log.dataDir);
  await until(() => readdirSync(folder.path).filter(name => name.endsWith('.volume')).length === 4);
  expect([1, 4].map(id => versionOf(folder.volume(id)))).toEqual([2, 3]);
  expect(await walkIds(store)).toEqual(numberedIds(0, 401));
  // One page of rows of every volume.
  const page = await store.find({
    account: 1,
    filter: { destination: 'person-5' },
    sentSince: 0,
    limit: 100,
    walk: false,
  });
  const expected = numberedIds(0, 401).flatMap((id, i) => (i % 7 === 5 ? [[id, i < 201 && i % 2 === 0]] : []));
  expect(page.logs.map(one => [one.messageId, one.status.name === 'DELIVERED_TO_HANDSET'])).toEqual(expected);
  expect((await store.history(1, 'message-84', 0))?.timeline).toHaveLength(2);
  expect((await store.stats()).damaged).toEqual([]);
  const earlier = new VolumeFile(folder.volume(2));
  onTestFinished(() => earlier.close());
  expect([...earlier.verifySteps()]).not.toEqual([]);
});
