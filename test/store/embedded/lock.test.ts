import fs, {
  existsSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FolderLock } from '../../../src/store/embedded/files/folder-lock.ts';
import { HeldFile } from '../../../src/store/embedded/files/held-file.ts';
import { SqliteLog, until } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const descriptors = '/proc/self/fd';

/** The descriptor that lists them is closed by the time it is looked at. */
function isAt(link: string, path: string): boolean {
  try {
    return readlinkSync(link) === path;
  } catch {
    return false;
  }
}

function isHeld(path: string): boolean {
  try {
    new HeldFile(path).release();
    return false;
  } catch (error) {
    if (!String(error).includes('locked')) throw error;
    return true;
  }
}

test.each([['lock.db'], ['segments/lock.db'], ['lock.db', 'lock.pid']])(
  '%s of a log that is open removed → a second one is refused, before and after it is made anew',
  async (...names) => {
    const log = new SqliteLog();
    onTestFinished(() => log.remove());
    const store = await log.open();
    const locks = ['lock.db', 'segments/lock.db'];
    const remove = (removed: readonly string[]) => {
      for (const name of removed) rmSync(join(log.dataDir, name));
    };
    remove(names);
    await expect(log.open()).rejects.toThrow('is in use by another sentlog process');
    await until(() => locks.every(name => isHeld(join(log.dataDir, name))));
    // Now the one that was made anew is what holds the folder.
    remove(locks.filter(name => !names.includes(name)));
    await expect(log.open()).rejects.toThrow('is in use by another sentlog process');
    await store.close();
    await (await log.open()).close();
  },
);

test('a file that is held, removed or replaced → held anew, so that it is held whenever one looks', () => {
  const path = join(temporaryFolder(), 'lock.db');
  const first = new HeldFile(path);
  rmSync(path);
  first.holdAgain();
  expect(() => new HeldFile(path)).toThrow('locked');
  writeFileSync(`${path}.other`, 'no database');
  renameSync(`${path}.other`, path);
  first.holdAgain();
  expect(() => new HeldFile(path)).toThrow('locked');
  first.release();
  new HeldFile(path).release();
});

test.each([
  ['zeros', Buffer.alloc(5000)],
  ['no database', Buffer.from('no database'.repeat(500))],
])('a lock file of %s that nobody holds → held', (_, bytes) => {
  const path = join(temporaryFolder(), 'lock.db');
  writeFileSync(path, bytes);
  const held = new HeldFile(path);
  expect(() => new HeldFile(path)).toThrow('locked');
  held.release();
});

test('a file that cannot be looked at now → the old one is held on, and held anew once it can', () => {
  const path = join(temporaryFolder(), 'lock.db');
  const first = new HeldFile(path);
  rmSync(path);
  symlinkSync(path, path);
  expect(() => statSync(path)).toThrow('ELOOP');
  first.holdAgain();
  rmSync(path);
  first.holdAgain();
  expect(() => new HeldFile(path)).toThrow('locked');
  first.release();
});

test('a data folder that cannot be looked at now → it is held on, and the process goes on', () => {
  const dataDir = join(temporaryFolder(), 'data');
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const lock = new FolderLock(dataDir);
  renameSync(dataDir, `${dataDir}.moved`);
  symlinkSync(dataDir, dataDir);
  vi.advanceTimersByTime(10_000);
  rmSync(dataDir);
  renameSync(`${dataDir}.moved`, dataDir);
  rmSync(join(dataDir, 'lock.db'));
  vi.advanceTimersByTime(10_000);
  expect(() => new FolderLock(dataDir)).toThrow('is in use');
  rmSync(join(dataDir, 'segments', 'lock.db'));
  expect(() => new FolderLock(dataDir)).toThrow('is in use');
  lock.release();
});

test.skipIf(!existsSync(descriptors))(
  'a data folder that is held → stays open, so that no other gets its number, and is let go',
  () => {
    const dataDir = temporaryFolder();
    const segments = join(dataDir, 'segments');
    const open = () => readdirSync(descriptors).filter(name => isAt(join(descriptors, name), segments)).length;
    const lock = new FolderLock(dataDir);
    expect(open()).toBe(1);
    expect(() => new FolderLock(dataDir)).toThrow('is in use');
    expect(open()).toBe(1);
    lock.release();
    lock.release();
    expect(open()).toBe(0);
  },
);

test('a file that is removed before it was noted which it is → held anew', () => {
  const path = join(temporaryFolder(), 'lock.db');
  const looked = vi.spyOn(fs, 'statSync').mockReturnValueOnce(undefined as never);
  syncBuiltinESMExports();
  const first = new HeldFile(path);
  looked.mockRestore();
  syncBuiltinESMExports();
  rmSync(path);
  first.holdAgain();
  expect(() => new HeldFile(path)).toThrow('locked');
  first.release();
});
