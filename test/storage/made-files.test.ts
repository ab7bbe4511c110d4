import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Unusable } from '../../src/failures.ts';
import { openMirrorFile } from '../../src/mirror/sqlite/mirror-file.ts';
import { openOutboxFile } from '../../src/outbox/sqlite/outbox-file.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { MadeFiles, type MadeName, openedMade } from '../../src/storage/made-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const names = ['mirrors.db', 'senders.db', 'outbox.db'] as const;

function folderOfLog(): string {
  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'segments'));
  writeFileSync(join(dataDir, 'segments', '000000001.journal'), 'rows');
  return dataDir;
}

const make = (path: string) => writeFileSync(path, 'a database');

test.each(names)(
  '%s was made, by a server or a command, and is deleted or emptied → refused, until it is there again, or begun anew on purpose',
  name => {
    const dataDir = folderOfLog();
    const [path, list] = [join(dataDir, name), join(dataDir, 'databases')];
    const begin = () => openedMade(dataDir, name, make);
    begin();
    for (const [lose, how] of [
      [() => rmSync(path), 'missing'],
      [() => writeFileSync(path, ''), 'empty'],
    ] as const) {
      lose();
      const advice = `${path} is ${how}: restore it from a backup, or remove its line from ${list} to begin without`;
      expect(() => new MadeFiles(dataDir).refuseLost()).toThrow(advice);
      expect(begin).toThrow(advice);
      make(path);
      begin();
    }
    rmSync(path);
    writeFileSync(list, readFileSync(list, 'utf8').replace(`${name}\n`, ''));
    begin();
    rmSync(path);
    expect(begin).toThrow('is missing');
  },
);

const openers = {
  'mirrors.db': path => openMirrorFile(path).close(),
  'senders.db': path => void new SqliteSenderRows(path).close(),
  'outbox.db': path => openOutboxFile(path).close(),
} satisfies Record<MadeName, (path: string) => void>;

test.each(names)('%s is damaged → refused; who does what is advised begins it anew', name => {
  const dataDir = folderOfLog();
  const path = join(dataDir, name);
  const begin = () => openedMade(dataDir, name, openers[name]);
  begin();
  writeFileSync(path, 'no database at all\n'.repeat(300));
  const list = join(dataDir, 'databases');
  expect(begin).toThrow(`restore it from a backup, or move it away and remove its line from ${list} to begin without`);
  renameSync(path, `${path}.away`);
  writeFileSync(list, readFileSync(list, 'utf8').replace(`${name}\n`, ''));
  begin();
});

test('the first making of each is cut short → what it left does not keep a later start from making it', () => {
  const dataDir = folderOfLog();
  new MadeFiles(dataDir).note();
  for (const name of names) {
    writeFileSync(join(dataDir, name), '');
    openedMade(dataDir, name, make);
  }
  expect(readFileSync(join(dataDir, 'databases'), 'utf8')).toBe(names.map(name => `${name}\n`).join(''));
});

test('a folder that an older version left → what is empty beside a log is refused; what is there counts from the first start on', () => {
  const dataDir = folderOfLog();
  for (const name of names) make(join(dataDir, name));
  writeFileSync(join(dataDir, 'outbox.db'), '');
  expect(() => new MadeFiles(dataDir).refuseLost()).toThrow('is empty, though there is a log');
  rmSync(join(dataDir, 'outbox.db'));
  for (const name of names) openedMade(dataDir, name, make);
  for (const name of names) {
    rmSync(join(dataDir, name));
    expect(() => new MadeFiles(dataDir).refuseLost()).toThrow(`${name} is missing`);
    make(join(dataDir, name));
  }
});

test('a folder of before the list, what it holds is not opened by its first start → counts from then on all the same', () => {
  const dataDir = folderOfLog();
  make(join(dataDir, 'outbox.db'));
  new MadeFiles(dataDir).note();
  writeFileSync(join(dataDir, 'outbox.db'), '');
  expect(() => new MadeFiles(dataDir).refuseLost()).toThrow('outbox.db is empty');
});

test.each(names)(
  'a folder of before the list, a command makes its first %s and is cut short → a later one makes it',
  name => {
    const dataDir = folderOfLog();
    const cutShort = (path: string) => {
      writeFileSync(path, '');
      throw new Error('cut short');
    };
    expect(() => openedMade(dataDir, name, cutShort)).toThrow('cut short');
    openedMade(dataDir, name, make);
    expect(readFileSync(join(dataDir, 'databases'), 'utf8')).toBe(`${name}\n`);
  },
);

test('a list that cannot be read → one line that says why, and a warning where it was to be added to', () => {
  const dataDir = folderOfLog();
  const list = join(dataDir, 'databases');
  mkdirSync(list);
  const warnings: string[] = [];
  const made = new MadeFiles(dataDir, reason => warnings.push(reason));
  expect(() => made.refuseLost()).toThrow(`cannot use ${list}: EISDIR`);
  expect(() => made.refuseLost()).toThrow(Unusable);
  made.note('outbox.db');
  expect(warnings).toEqual([expect.stringContaining(`cannot use ${list}: EISDIR`)]);
});

test.runIf(process.getuid?.() === 0)(
  'a command of root makes the list and a database → they are of the folder’s owner',
  () => {
    const dataDir = folderOfLog();
    chownSync(dataDir, 65_534, 65_533);
    openedMade(dataDir, 'mirrors.db', make);
    for (const name of ['databases', 'mirrors.db'])
      expect(statSync(join(dataDir, name))).toMatchObject({ uid: 65_534, gid: 65_533 });
    // What is there stays whose it is: it may be a link.
    chownSync(join(dataDir, 'databases'), 0, 0);
    openedMade(dataDir, 'senders.db', make);
    expect(statSync(join(dataDir, 'databases')).uid).toBe(0);
    expect(existsSync(join(dataDir, 'senders.db'))).toBe(true);
  },
);
