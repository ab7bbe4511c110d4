import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { FolderLock } from '../../../src/store/embedded/files/folder-lock.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

/** A folder of a log with a sealed segment and a young one, and what a server makes beside. */
function dataFolder(): string {
  const dataDir = temporaryFolder();
  new FolderLock(dataDir).release();
  const log = new SimulatedLog(dataDir, systemDisk);
  for (let i = 0; i < 8; i++)
    log.record({ account: 1, binding: {}, receivedAt: 1000 + i, sentSince: 0, submissions: [submission(i)] });
  log.seal(true);
  log.close();
  for (const name of ['accounts.db', 'mirrors.db', 'senders.db', 'outbox.db', 'databases', 'clock', 'accounts.db-wal'])
    writeFileSync(join(dataDir, name), '');
  mkdirSync(join(dataDir, 'damaged'));
  return dataDir;
}

test('a folder in the place of any file of a data folder, a file in that of a folder → one line says which, and what to do', () => {
  const dataDir = dataFolder();
  const paths = readdirSync(dataDir, { recursive: true }).map(name => join(dataDir, String(name)));
  expect(paths.length).toBeGreaterThan(18);
  const aside = temporaryFolder();
  for (const [i, path] of paths.entries()) {
    const kept = join(aside, String(i));
    const isFile = statSync(path).isFile();
    systemDisk.rename(path, kept);
    if (isFile) mkdirSync(path);
    else writeFileSync(path, '');
    const advice = isFile
      ? 'is a folder, and not the file that belongs there: move it away, and restore'
      : 'is a file, and';
    expect(() => new FolderLock(dataDir)).toThrow(`${path} ${advice}`);
    rmSync(path, { recursive: true });
    // What stands elsewhere is as if it stood there.
    symlinkSync(kept, path);
    new FolderLock(dataDir).release();
    rmSync(path);
    systemDisk.rename(kept, path);
  }
  const copies = [
    'accounts.db.old',
    'mirrors.db-backup',
    'log.json.bak',
    'log.json-1',
    'segments/000000001.rows.db.old',
  ];
  for (const name of ['lost+found', ...copies]) mkdirSync(join(dataDir, name));
  new FolderLock(dataDir).release();
});
