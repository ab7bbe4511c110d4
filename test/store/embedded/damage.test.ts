import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { statuses } from '../../../src/domain/registry.ts';
import { repair } from '../../../src/store/embedded/offline/repair.ts';
import type { Store } from '../../../src/store/store.ts';
import { bendRows } from '../../support/bent-journal.ts';
import { changeLogFields } from '../../support/log-json.ts';
import { numberedIds, recordNumbered, SqliteLog, until, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const logs: SqliteLog[] = [];
const stores: Store[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const log of logs.splice(0)) log.remove();
});

async function opened(log: SqliteLog): Promise<Store> {
  const store = await log.open();
  stores.push(store);
  return store;
}

/** Five sealed segments of 100 messages, closed. */
async function fiveSegments(): Promise<SqliteLog> {
  const log = new SqliteLog();
  logs.push(log);
  const store = await log.open();
  await recordNumbered(store, 0, 500, now);
  await recordNumbered(store, 500, 501, now);
  await until(() => files(log).filter(name => name.endsWith('.index')).length === 5);
  await store.close();
  return log;
}

function files(log: SqliteLog, folder = 'segments'): string[] {
  return existsSync(join(log.dataDir, folder)) ? readdirSync(join(log.dataDir, folder)).sort() : [];
}

function flipBit(path: string, offset: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, offset);
  closeSync(fd);
}

/** What is lost is of segment 3, and no more than was cut off. */
function expectFewLost(ids: readonly string[]): void {
  const lost = numberedIds(0, 501).filter(id => !ids.includes(id));
  expect(lost.length).toBeLessThan(80);
  expect(lost.filter(id => !numberedIds(200, 300).includes(id))).toEqual([]);
}

test('rows file cut short → made again of what is left, what is lost is told', async () => {
  const log = await fiveSegments();
  const path = join(log.dataDir, 'segments', '000000003.journal');
  truncateSync(path, statSync(path).size - 8192);
  const store = await opened(log);
  expect(log.witness.damagedParts).toHaveLength(1);
  expectFewLost(await walkIds(store));
  expect(files(log, 'damaged')).toContain('000000003.journal');
  expect((await store.stats()).damaged).toHaveLength(1);
  await recordNumbered(store, 200, 300, now);
  expect((await walkIds(store)).sort()).toEqual(numberedIds(0, 501).sort());
});

test.each([20, 100, 4096, 9000])('bit %i of a rows file flipped → what it hit is never served', async offset => {
  const log = await fiveSegments();
  flipBit(join(log.dataDir, 'segments', '000000003.journal'), offset);
  const store = await opened(log);
  await until(() => log.witness.notes.includes('a damaged segment was made again of its rows'));
  expectFewLost(await walkIds(store));
  expect(files(log, 'damaged')).toContain('000000003.journal');
});

test('a row that a start did not read, since a checkpoint is of it, is damaged → found while the log serves, before anybody asks', async () => {
  const log = new SqliteLog({ checkpointRows: 50, segmentMessagesMax: 1000 });
  logs.push(log);
  const first = await log.open();
  await recordNumbered(first, 0, 60, now);
  await until(() => files(log).includes('000000001.checkpoint'));
  await first.close();
  bendRows(join(log.dataDir, 'segments', '000000001.journal'), 'flipped', 'message', 10);
  const store = await opened(log);
  await until(() => log.witness.notes.includes('a damaged segment was made again of its rows'));
  expect(await walkIds(store)).toEqual(numberedIds(0, 60).filter(id => id !== 'message-10'));
  expect((await store.stats()).damaged).toMatchObject([{ name: '000000001.journal' }]);
});

test('rows of a segment are damaged one after the other while the log serves → each costs itself alone', async () => {
  const log = await fiveSegments();
  const store = await opened(log);
  const path = join(log.dataDir, 'segments', '000000003.journal');
  const lost: string[] = [];
  for (const number of [10, 50, 90]) {
    bendRows(path, 'flipped', 'message', number);
    lost.push(`message-${200 + number}`);
    expect(await walkIds(store)).toEqual(numberedIds(0, 501).filter(id => !lost.includes(id)));
  }
  expect((await store.stats()).damaged).toMatchObject([{ reason: expect.stringMatching(/^3 of its 100 messages /) }]);
});

test('rows file of the youngest segment is junk → set aside, recording goes on in a new one', async () => {
  const log = await fiveSegments();
  const fd = openSync(join(log.dataDir, 'segments', '000000006.journal'), 'r+');
  writeSync(fd, Buffer.alloc(40_960, 7), 0, 40_960, 0);
  closeSync(fd);
  const store = await opened(log);
  expect(log.witness.damagedParts).toHaveLength(1);
  expect(await walkIds(store)).toEqual(numberedIds(0, 500));
  await recordNumbered(store, 500, 600, now);
  expect(await walkIds(store)).toEqual(numberedIds(0, 600));
});

test.each(['header', 'middle', 'end', 'missing'])('index damaged (%s) → made again from the rows', async where => {
  const log = await fiveSegments();
  const path = join(log.dataDir, 'segments', '000000002.index');
  const { size } = statSync(path);
  if (where === 'missing') truncateSync(path, 0);
  else if (where === 'end') truncateSync(path, size - 10);
  else flipBit(path, where === 'header' ? 30 : Math.floor(size / 2));
  const store = await opened(log);
  await until(() => log.witness.notes.length > 0);
  await until(() => statSync(path).size === size);
  expect(await walkIds(store)).toEqual(numberedIds(0, 501));
  expect(log.witness.damagedParts).toEqual([]);
  for (const destination of ['person-0', 'person-3']) {
    const page = await store.find({ account: 1, filter: { destination }, sentSince: 0, limit: 1000, walk: false });
    expect(page.logs.map(one => one.messageId)).toEqual(
      numberedIds(0, 501).filter((_, i) => i % 7 === Number(destination.slice(-1))),
    );
  }
});

test('reports lost → their messages keep what they were recorded with', async () => {
  const log = new SqliteLog();
  logs.push(log);
  const first = await log.open();
  await recordNumbered(first, 0, 150, now);
  const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
  if (delivered === undefined) throw new Error('no such status');
  const report = { messageId: 'message-5', status: delivered, at: now };
  await first.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
  await recordNumbered(first, 150, 201, now);
  await until(() => files(log).includes('000000002.index'));
  await first.close();
  truncateSync(join(log.dataDir, 'segments', '000000002.journal'), 64);
  const store = await opened(log);
  expect(await walkIds(store)).toEqual([...numberedIds(0, 100), 'message-200']);
  expect((await store.stats()).damaged).toHaveLength(1);
  const history = await store.history(1, 'message-5', 0);
  expect(history?.log.status.name).toBe('PENDING_ACCEPTED');
  const again = await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
  expect(again.updated).toBe(1);
});

test('segment set aside whole by an older version, some of it recorded again since → repair brings the rest back', async () => {
  const log = await fiveSegments();
  mkdirSync(join(log.dataDir, 'damaged'));
  for (const suffix of ['.journal', '.index'])
    renameSync(join(log.dataDir, 'segments', `000000003${suffix}`), join(log.dataDir, 'damaged', `000000003${suffix}`));
  const path = join(log.dataDir, 'damaged', '000000003.journal');
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf('number 250'); at >= 0; at = bytes.indexOf('number 250', at + 1)) flipBit(path, at);
  for (const name of ['ledger', 'ledger.copy']) rmSync(join(log.dataDir, name));
  changeLogFields(log.dataDir, ({ hasLedger: _, ...fields }) => fields, { write: JSON.stringify });
  const before = await log.open();
  expect((await before.stats()).damaged).toHaveLength(1);
  await recordNumbered(before, 200, 210, now);
  await before.close();
  expect(repair(log.dataDir)).toEqual([
    { name: '000000003.journal', messages: 89, reports: 0, again: 10, lostMessages: 1, lostReports: 0 },
  ]);
  expect(repair(log.dataDir)).toEqual([]);
  const store = await opened(log);
  const ids = await walkIds(store);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  expect(ids.sort()).toEqual(
    numberedIds(0, 501)
      .filter(id => id !== 'message-250')
      .sort(),
  );
  expect((await store.stats()).damaged).toMatchObject([{ reason: expect.stringContaining('1 of its 100 messages') }]);
});
