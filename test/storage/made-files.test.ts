import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MadeFiles, openedMade } from '../../src/storage/made-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const names = ['mirrors.db', 'senders.db', 'outbox.db'] as const;

function folderOfLog(): string {
  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'segments'));
  writeFileSync(join(dataDir, 'segments', '000000001.rows.db'), 'rows');
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
