import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { numberedIds, recordNumbered, SqliteLog, until, walkIds } from '../support/sqlite-log.ts';
import { oneLine, run } from './run.ts';

const now = 1_800_000_000_000;

/** A log whose second segment an older version set aside whole. */
async function logWithSetAside(): Promise<SqliteLog> {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  const store = await log.open();
  await recordNumbered(store, 0, 250, now);
  await recordNumbered(store, 250, 251, now);
  const [segments, damaged] = [join(log.dataDir, 'segments'), join(log.dataDir, 'damaged')];
  await until(() => readdirSync(segments).filter(name => name.endsWith('.index')).length === 2);
  await store.close();
  mkdirSync(damaged);
  for (const name of ['000000002.journal', '000000002.index']) renameSync(join(segments, name), join(damaged, name));
  for (const name of ['ledger', 'ledger.copy']) rmSync(join(log.dataDir, name));
  return log;
}

test('sentlog repair → tells what is back and what is lost, and that is in the log; once more → nothing to do', async () => {
  const log = await logWithSetAside();
  const repaired = await run(['repair', '--data-dir', log.dataDir]);
  expect(repaired).toMatchObject({ code: 0, stdout: '' });
  expect(repaired.stderr).toContain(
    '000000002.journal: 100 messages and 0 reports are back; 0 messages were recorded again since, 0 messages and 0 reports are lost',
  );
  const store = await log.open();
  expect(await walkIds(store)).toEqual(numberedIds(0, 251));
  const inUse = await run(['repair'], { env: { SENTLOG_DATA_DIR: log.dataDir } });
  expect(inUse).toMatchObject({ code: 1, stdout: '' });
  expect(oneLine(inUse.stderr)).toContain('is in use by another sentlog process');
  await store.close();
  const again = await run(['repair'], { env: { SENTLOG_DATA_DIR: log.dataDir } });
  expect(again).toMatchObject({ code: 0, stdout: '' });
  expect(again.stderr).toContain('nothing of this log is set aside');
});

test('sentlog repair where the log is in a database → refused in one line', async () => {
  const refused = await run(['repair'], { env: { SENTLOG_STORE: 'postgres://127.0.0.1:1/nowhere' } });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(oneLine(refused.stderr)).toContain('only a data folder is');
});
