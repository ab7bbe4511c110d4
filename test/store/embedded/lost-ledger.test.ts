import {
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { emptyLogAdvice } from '../../../src/failures.ts';
import { limits } from '../../../src/limits.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { changeLogFields } from '../../support/log-json.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = Date.now();
const messages = 8;
const hourMs = 3_600_000;
const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };

/** A sealed segment, and a young one. */
function recordedIn(dataDir: string): void {
  const log = new SimulatedLog(dataDir, systemDisk);
  for (let i = 0; i < messages; i++) log.record({ ...batch, submissions: [submission(i, { sentAt: now - i })] });
  log.seal();
  log.close();
}

const ways: Readonly<Record<string, (path: string) => void>> = {
  deleted: path => rmSync(path, { recursive: true }),
  emptied: path => truncateSync(path),
  zeroed: path => writeFileSync(path, Buffer.alloc(statSync(path).size)),
};
const ledgers = ['ledger', 'ledger.copy'];
const logFiles = ['log.json', 'log.json.copy'];

/** Every set of those that may be gone together. */
const sets = [...Array(2 ** 5).keys()].map(bits =>
  [...ledgers, ...logFiles, 'segments'].filter((_, i) => (bits & (1 << i)) > 0),
);
const telling = [ledgers, [...ledgers, 'segments'], sets.at(-1) ?? []];

test.each([
  // What is deleted altogether was no log.
  ['deleted', sets.slice(0, -1)],
  ['emptied', telling],
  ['zeroed', telling],
])('any of segments, ledgers and log files %s together → what is lost is told, at the next start too', (way, gones) => {
  const root = temporaryFolder();
  const whole = join(root, 'whole');
  mkdirSync(whole);
  recordedIn(whole);
  for (const gone of gones) {
    const dataDir = join(root, gone.join('+') || 'none');
    cpSync(whole, dataDir, { recursive: true });
    for (const name of gone) (name === 'segments' ? ways.deleted : ways[way])?.(join(dataDir, name));
    const isLost = gone.includes('segments') || ledgers.every(name => gone.includes(name));
    for (const start of isLost ? [1, 2] : [1]) {
      const log = new SimulatedLog(dataDir, systemDisk);
      const what = `${gone.join(', ')}: start ${start}`;
      expect(log.logs(1), what).toHaveLength(gone.includes('segments') ? 0 : messages);
      expect(log.found.damaged.length > 0, what).toBe(isLost);
      log.record({ ...batch, account: 2, submissions: [submission(start)] });
      expect(log.logs(2), what).toHaveLength(start);
      log.close();
    }
  }
});

test('segments and ledgers are gone → not complete, told until what was sent by then is past retention, and not again', async () => {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  const look = async (work?: (store: Awaited<ReturnType<SqliteLog['open']>>) => Promise<unknown>) => {
    const store = await log.open();
    try {
      await work?.(store);
      return (await store.stats()).damaged.map(({ name }) => name);
    } finally {
      await store.close();
    }
  };
  expect(await look(store => store.record({ ...batch, submissions: [submission(1, { sentAt: now })] }))).toEqual([]);
  for (const name of ['segments', ...ledgers]) rmSync(join(log.dataDir, name), { recursive: true });
  expect(await look(store => store.dropBefore(now - 1000))).toEqual(['ledger']);
  expect(log.witness.damagedParts).toMatchObject([{ name: 'ledger' }]);
  // Longer than others keep theirs, one account may keep its own.
  const past = Date.now() + limits.futureSkewMs + 1000;
  expect(await look(store => store.dropBefore(past, new Map([[1, now]])))).toEqual(['ledger']);
  expect(await look(store => store.dropBefore(past))).toEqual([]);
  expect(await look()).toEqual([]);
});

test('a log of before its ledger was noted → nothing is told where there never was one', () => {
  const dataDir = temporaryFolder();
  recordedIn(dataDir);
  changeLogFields(dataDir, ({ hasLedger: _, ...fields }) => fields, { write: JSON.stringify });
  for (const name of ledgers) rmSync(join(dataDir, name));
  const log = new SimulatedLog(dataDir, systemDisk);
  expect(log.found.damaged).toEqual([]);
  log.close();
  expect(new LogFile(dataDir).ledgerLostAt).toBeUndefined();
});

/** A log whose ledger is lost, and with it that a report waits. */
function lostIn(way: string, gone: readonly string[]): string {
  const dataDir = temporaryFolder();
  recordedIn(dataDir);
  const log = new SimulatedLog(dataDir, systemDisk);
  log.record({ ...batch, submissions: [{ messageId: 'nobody has it yet', at: now, doneAt: now }] });
  log.close();
  for (const name of gone) (name === 'segments' ? ways.deleted : ways[way])?.(join(dataDir, name));
  return dataDir;
}

test.each([{ gone: ledgers }, { gone: [...ledgers, 'segments'] }])(
  '$gone are gone → what is recorded after the first start is trusted by all later ones',
  ({ gone }) => {
    const dataDir = lostIn('deleted', gone);
    const names = () => readdirSync(join(dataDir, 'segments')).filter(name => name.endsWith('.journal'));
    const start = (sentAt?: number) => {
      const log = new SimulatedLog(dataDir, systemDisk);
      expect(log.found.damaged).toMatchObject([{ name: 'ledger' }]);
      if (sentAt !== undefined) log.record({ ...batch, account: 2, submissions: [submission(sentAt, { sentAt })] });
      log.close();
      const { trust, eras } = new LogFile(dataDir);
      return { trustedFrom: trust.from(2), sequence: eras.at(-1)?.sequence ?? 0, segments: names().length };
    };
    // However often it is only read before, the numbers that were lost do not come again.
    start();
    start();
    const first = start(now + hourMs);
    expect(first.sequence).toBeGreaterThan(2 ** 32);
    expect(first.trustedFrom).toBeLessThan(now + hourMs);
    for (const hours of [2, 3]) expect(start(now + hours * hourMs)).toEqual(first);
  },
);

/** Overwrites what is there, and takes no more. */
const fullDisk: Disk = {
  ...systemDisk,
  write(file, from, position) {
    if (position + from.byteLength > fstatSync(file).size)
      throw Object.assign(new Error('ENOSPC: no space left on device'), { syscall: 'write', code: 'ENOSPC' });
    systemDisk.write(file, from, position);
  },
};

test.each(Object.keys(ways).flatMap(way => [ledgers, [...ledgers, 'segments']].map(gone => ({ way, gone }))))(
  '$gone $way on a full disk → the log is read, and the loss told then and once there is room',
  ({ way, gone }) => {
    const dataDir = lostIn(way, gone);
    for (const disk of [fullDisk, fullDisk, systemDisk, systemDisk]) {
      const log = new SimulatedLog(dataDir, disk);
      expect(log.found.damaged).toMatchObject([{ name: 'ledger' }]);
      expect(log.logs(1)).toHaveLength(gone.includes('segments') ? 0 : messages);
      log.close();
    }
    expect(new LogFile(dataDir).trust.from(1) > now).toBe(!gone.includes('segments'));
  },
);

test('what is advised is moved away → an empty log begins, and nothing is told as lost', () => {
  const dataDir = temporaryFolder();
  recordedIn(dataDir);
  const parts = readdirSync(dataDir);
  const patterns = /^move (.*) away /.exec(emptyLogAdvice)?.[1]?.split(/, | and /) ?? [];
  expect(patterns).toContain('segments/');
  for (const pattern of patterns)
    for (const name of parts.filter(part => matchesGlob(part, pattern.replace('/', ''))))
      rmSync(join(dataDir, name), { recursive: true });
  for (let start = 1; start <= 2; start++) {
    const log = new SimulatedLog(dataDir, systemDisk);
    expect(log.found.damaged).toEqual([]);
    expect(log.logDamage).toBeUndefined();
    expect(log.logs(1)).toHaveLength(start - 1);
    log.record({ ...batch, submissions: [submission(start)] });
    log.close();
  }
});

const slotBytes = 128;

test('a power cut takes both copies of every slot that was written over → the ledger is not told as lost', () => {
  const dataDir = temporaryFolder();
  const paths = ledgers.map(name => join(dataDir, name));
  const log = new SimulatedLog(dataDir, systemDisk);
  log.record({ ...batch, submissions: [submission(1)] });
  const before = paths.map(path => readFileSync(path));
  log.record({ ...batch, submissions: [submission(2)] });
  log.close();
  for (const [i, path] of paths.entries()) {
    const slots = readFileSync(path);
    let written = 0;
    for (let at = 0; at < slots.byteLength; at += slotBytes) {
      if (before[i]?.subarray(at, at + slotBytes).equals(slots.subarray(at, at + slotBytes))) continue;
      slots.fill(0xff, at + 8, at + slotBytes);
      written++;
    }
    expect(written).toBe(1);
    writeFileSync(path, slots);
  }
  for (let start = 1; start <= 2; start++) {
    const again = new SimulatedLog(dataDir, systemDisk);
    expect(again.found.damaged).toEqual([]);
    expect(again.logs(1)).toHaveLength(2);
    again.close();
  }
});

describe('what the ledger says of waiting reports', () => {
  const waiting = { reports: 3, taken: 7, lost: 2, lostUntil: 99 };

  test('no other version takes it for a segment: in every slot, the id is a segment’s or that of a free one', () => {
    const dataDir = temporaryFolder();
    const ledger = new Ledger(dataDir);
    ledger.tallyWaiting(waiting);
    ledger.close();
    for (const name of ledgers) expect(readFileSync(join(dataDir, name)).readDoubleLE(8)).toBe(0);
    const again = new Ledger(dataDir);
    expect(again.waiting).toEqual(waiting);
    expect(again.all()).toEqual([]);
    again.close();
  });

  test('as versions wrote it that called it segment -1 → read, and written anew; what a version made of it goes', () => {
    const dataDir = temporaryFolder();
    const ledger = new Ledger(dataDir);
    ledger.tallyWaiting(waiting);
    ledger.close();
    for (const name of ledgers) {
      const slot = readFileSync(join(dataDir, name)).subarray(0, slotBytes);
      slot.writeDoubleLE(-1, 8);
      slot.writeDoubleLE(0, 16);
      slot.writeUInt32LE(crc32(slot.subarray(0, 88)), 88);
      writeFileSync(join(dataDir, name), slot);
    }
    const again = new Ledger(dataDir);
    expect(again.waiting).toEqual(waiting);
    expect(again.all()).toEqual([]);
    again.tallyWaiting({ ...waiting, reports: 4 });
    again.close();
    const third = new Ledger(dataDir);
    expect(third.waiting).toEqual({ ...waiting, reports: 4 });
    third.close();
    for (const name of ledgers) expect(readFileSync(join(dataDir, name))).toHaveLength(slotBytes);
    const folder = new Folder(dataDir);
    const made = ['0000000-1.journal', '0000000-1.index', '0000000-1.facets'].map(name => join(folder.path, name));
    for (const path of made) writeFileSync(path, 'made');
    new SimulatedLog(dataDir, systemDisk).close();
    expect(made.filter(path => existsSync(path))).toEqual([]);
  });
});
