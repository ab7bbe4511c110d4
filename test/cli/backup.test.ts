import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { backUp, restore } from '../../src/cli/backup-folder.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, walkIds } from '../support/sqlite-log.ts';
import { oneLine, run } from './run.ts';

const now = 1_800_000_000_000;

/** A log in small segments, and a place for its backups. */
function logAndPlace() {
  const log = new SqliteLog();
  const place = `${log.dataDir}-backups`;
  mkdirSync(place);
  onTestFinished(() => {
    log.remove();
    rmSync(place, { recursive: true, force: true });
  });
  return { log, place };
}

/** A log on the data folder that a backup becomes. */
async function restored(backup: string, place: string) {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  const dataDir = join(place, 'restored');
  await restore(backup, dataDir, false);
  rmSync(log.dataDir, { recursive: true });
  renameSync(dataDir, log.dataDir);
  const store = await log.open();
  onTestFinished(() => store.close());
  return store;
}

test('backups while the store records, seals and reports → each has all that was answered before it began, and goes on', async () => {
  const { log, place } = logAndPlace();
  const store = await log.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 37, now);
  let [recorded, isOver] = [37, false];
  const recording = (async () => {
    while (!isOver) {
      await recordNumbered(store, recorded, recorded + 37, now);
      recorded += 37;
      const report = { messageId: submission(recorded - 20).messageId, doneAt: now + 1, at: now + 1 };
      await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
    }
  })();
  const begun: number[] = [];
  for (let i = 0; i < 3; i++) {
    begun.push(recorded);
    await backUp(log.dataDir, join(place, `b${i}`));
  }
  isOver = true;
  await recording;
  for (const [i, before] of begun.entries()) {
    const again = await restored(join(place, `b${i}`), place);
    expect((await again.stats()).damaged).toEqual([]);
    const ids = await walkIds(again);
    expect(ids.length).toBeGreaterThanOrEqual(before);
    expect(ids).toEqual(numberedIds(0, ids.length));
    await recordNumbered(again, ids.length, ids.length + 300, now);
    expect(await walkIds(again)).toEqual(numberedIds(0, ids.length + 300));
    expect((await again.stats()).damaged).toEqual([]);
  }
});

test('sentlog backup of a folder in use, and restore → all that is the log’s, the outbox only where it is asked for', async () => {
  const { log, place } = logAndPlace();
  const store = await log.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 150, now);
  const accounts = new SqliteAccountRows(join(log.dataDir, 'accounts.db'), true);
  onTestFinished(() => accounts.close());
  for (const name of ['outbox.db', 'notes.txt']) writeFileSync(join(log.dataDir, name), '');
  const [backup, dataDir] = [join(place, 'b'), join(place, 'data')];
  const made = await run(['backup', backup, '--data-dir', log.dataDir]);
  expect(made).toMatchObject({ code: 0, stdout: '' });
  expect(oneLine(made.stderr)).toMatch(/^\d+ segments \(.* MiB\) are in /);
  expect(existsSync(join(backup, 'notes.txt'))).toBe(false);
  const back = await run(['restore', backup], { env: { SENTLOG_DATA_DIR: dataDir } });
  expect(back).toMatchObject({ code: 0, stdout: '' });
  expect(readdirSync(dataDir)).toContain('accounts.db');
  expect(readdirSync(dataDir)).not.toContain('outbox.db');
  const withOutbox = join(place, 'with-outbox');
  await run(['restore', backup, '--with-outbox', '--data-dir', withOutbox]);
  expect(readdirSync(withOutbox)).toContain('outbox.db');
});

test.each([
  [['backup', 'PLACE/b', '--data-dir', 'PLACE/nothing'], /there is no log in /],
  [['backup', 'PLACE/full', '--data-dir', 'LOG'], /full is not empty: nothing is written over/],
  [['backup', 'PLACE/b', '--data-dir', 'LOG'], /pg_dump, pg_basebackup/, 'postgres://127.0.0.1:1/nowhere'],
  [['restore', 'PLACE/full', '--data-dir', 'PLACE/new'], /full is no backup, or one that was not finished/],
  [['restore', 'PLACE/b', '--data-dir', 'LOG'], /pg_dump, pg_basebackup/, 'postgres://127.0.0.1:1/nowhere'],
])('%j → refused in one line, and nothing is made', async (args, reason, database = '') => {
  const { log, place } = logAndPlace();
  await (await log.open()).close();
  mkdirSync(join(place, 'full'));
  writeFileSync(join(place, 'full', 'something'), '');
  const given = args.map(one => one.replace('PLACE', place).replace('LOG', log.dataDir));
  const refused = await run(given, { env: { ...(database !== '' && { SENTLOG_STORE: database }) } });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(oneLine(refused.stderr)).toMatch(reason);
  expect(readdirSync(place)).toEqual(['full']);
});
