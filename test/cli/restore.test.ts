import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { backUp, restore } from '../../src/cli/backup/backup-folder.ts';
import { filesIn } from '../../src/cli/backup/checksums.ts';
import { recordNumbered, SqliteLog } from '../support/sqlite-log.ts';
import { oneLine, run } from './run.ts';

const now = 1_800_000_000_000;
const folder = mkdtempSync(join(tmpdir(), 'sentlog-test-'));
const original = join(folder, 'original');
let place = '';
let backup = '';

beforeAll(async () => {
  const log = new SqliteLog();
  const store = await log.open();
  await recordNumbered(store, 0, 150, now);
  const accounts = new SqliteAccountRows(join(log.dataDir, 'accounts.db'), true);
  await backUp(log.dataDir, original);
  await accounts.close();
  await store.close();
  log.remove();
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  place = mkdtempSync(join(folder, 'place-'));
  backup = join(place, 'backup');
  cpSync(original, backup, { recursive: true });
});

/** Which files a backup has is known only once one is made. */
const backedUp = () => filesIn(original).filter(path => path !== 'backup.json');

const harms: readonly (readonly [name: string, harm: (path: string) => void, told: string])[] = [
  ['gone', path => rmSync(path), 'is missing'],
  ['longer', path => appendFileSync(path, 'x'), 'bytes, and had'],
  ['shorter', path => truncateSync(path, readFileSync(path).length - 1), 'bytes, and had'],
  ['changed in one bit', flipBit, 'holds something else'],
];

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test.each(harms)('any one file of a backup %s → told by its name, and nothing put in place', async (_, harm, told) => {
  expect(backedUp().length).toBeGreaterThan(6);
  for (const file of backedUp()) {
    const path = join(backup, file);
    const whole = readFileSync(path);
    if (whole.length === 0 && told !== 'is missing') continue;
    harm(path);
    const dataDir = join(place, 'data');
    const refused = restore(backup, dataDir, { sends: false });
    await expect(refused, file).rejects.toThrow(`${backup} is damaged, and nothing was restored: ${file} `);
    await expect(refused).rejects.toThrow(told);
    expect(existsSync(dataDir)).toBe(false);
    writeFileSync(path, whole);
  }
  const { notes } = await restore(backup, join(place, 'data'), { sends: false });
  expect(notes).toEqual([]);
});

test('sentlog restore of a damaged backup → refused in one line; with --despite-damage what there is, and what differs', async () => {
  const [file = ''] = backedUp().filter(path => path.endsWith('.journal'));
  flipBit(join(backup, file));
  writeFileSync(join(backup, 'notes.txt'), 'mine');
  const dataDir = join(place, 'data');
  const refused = await run(['restore', backup, '--data-dir', dataDir]);
  expect(refused.code).toBe(1);
  expect(oneLine(refused.stderr)).toContain(`${file} holds something else than it did. --despite-damage`);
  const restored = await run(['restore', backup, '--data-dir', dataDir, '--despite-damage']);
  expect(restored.code).toBe(0);
  expect(restored.stderr.split('\n').slice(0, 2)).toEqual([
    `restored despite damage: ${file} holds something else than it did`,
    'notes.txt is not of the backup, and was left out',
  ]);
  expect(readdirSync(dataDir)).not.toContain('notes.txt');
  expect(existsSync(join(dataDir, file))).toBe(true);
});

test('a backup of an earlier build → restored, and told that nothing could be compared', async () => {
  const { files: _, ...mark } = JSON.parse(readFileSync(join(backup, 'backup.json'), 'utf8'));
  writeFileSync(join(backup, 'backup.json'), JSON.stringify(mark));
  const { notes } = await restore(backup, join(place, 'data'), { sends: false });
  expect(notes).toEqual([expect.stringContaining('kept no checksums')]);
  expect(filesIn(join(place, 'data')).toSorted()).toEqual(backedUp().toSorted());
});

test.each(['', '{', 'null', '[]', '{"madeAt":1}', '{"madeAt":"t","files":[]}', '{"madeAt":"t","files":{"a":{}}}'])(
  'backup.json with %j in it → said to be damaged, nothing restored',
  async text => {
    writeFileSync(join(backup, 'backup.json'), text);
    const dataDir = join(place, 'data');
    await expect(restore(backup, dataDir, { sends: false })).rejects.toThrow(
      /backup\.json is damaged.* --despite-damage/,
    );
    expect(existsSync(dataDir)).toBe(false);
    const { notes, madeAt } = await restore(backup, dataDir, { sends: false, despiteDamage: true });
    expect(madeAt).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining('restored despite damage: of backup.json')]);
    expect(filesIn(dataDir).toSorted()).toEqual(backedUp().toSorted());
  },
);

test('without checksums → a damaged database is named, and a folder without a log is none', async () => {
  writeFileSync(join(backup, 'backup.json'), '{"madeAt":"2026-');
  truncateSync(join(backup, 'accounts.db'), 5000);
  const told = await run(['restore', backup, '--data-dir', join(place, 'data'), '--despite-damage']);
  expect(told.code).toBe(0);
  expect(told.stderr).toMatch(/accounts\.db is damaged: /);
  expect(told.stderr).toMatch(/ MiB\) are in /);
  rmSync(join(backup, 'log.json'));
  const refused = restore(backup, join(place, 'other'), { sends: false, despiteDamage: true });
  await expect(refused).rejects.toThrow(`${backup} has no log.json: there is no log in it`);
  expect(existsSync(join(place, 'other'))).toBe(false);
});

test('an outbox that is damaged → nothing is sent twice for that: said how to restore the rest', async () => {
  writeFileSync(join(backup, 'backup.json'), '{');
  writeFileSync(join(backup, 'outbox.db'), 'SQLite format 3\0'.padEnd(8192, 'x'));
  const dataDir = join(place, 'data');
  const despiteDamage = true;
  await expect(restore(backup, dataDir, { sends: false, despiteDamage })).rejects.toThrow(
    `cannot use ${join(backup, 'outbox.db')}: file is not a database: `,
  );
  rmSync(join(backup, 'outbox.db'));
  expect((await restore(backup, dataDir, { sends: false, despiteDamage })).notes).toHaveLength(1);
});
