import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LogRecord } from '../../../src/domain/message.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { FolderLog } from '../../../src/store/embedded/offline/folder-log.ts';
import { repair } from '../../../src/store/embedded/offline/repair.ts';
import { anyDamage, inflict } from '../../support/crashed-log.ts';
import { submission } from '../../support/sqlite-log.ts';
import { EndingDisk, Killed } from './ending-disk.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;

/**
 * A folder as a kill -9 left it of a program that wrote rows into SQLite files: 23 messages of two accounts and reports on
 * some, in three sealed segments and a young one with its write-ahead log. With the logs that it answered.
 */
function earlierFolder(): { readonly dataDir: string; readonly logs: Readonly<Record<string, readonly LogRecord[]>> } {
  const packed = readFileSync(join(import.meta.dirname, 'log-of-format-2.json.gz'));
  const { files, logs } = JSON.parse(gunzipSync(packed).toString());
  // In memory where the system has it: what SQLite syncs need not wait for a disk. What a file is its own name tells alone.
  const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-takeover.volume.rows.db-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  const dataDir = join(place, 'data');
  for (const [name, bytes] of Object.entries<string>(files)) {
    mkdirSync(dirname(join(dataDir, name)), { recursive: true });
    writeFileSync(join(dataDir, name), Buffer.from(bytes, 'base64'));
  }
  return { dataDir, logs };
}

const names = (dataDir: string) =>
  readdirSync(join(dataDir, 'segments')).filter(name => /\.(?:journal|rows\.db)$/.test(name));
const versionOf = (dataDir: string) => JSON.parse(readFileSync(join(dataDir, 'log.json'), 'utf8')).formatVersion;
const record = (log: SimulatedLog, from: number, count: number) =>
  log.record({
    account: 1,
    binding: {},
    receivedAt: now + 10_000,
    sentSince: 0,
    submissions: Array.from({ length: count }, (_, i) => submission(from + i, { sentAt: now + 5000 + i })),
  });

describe('a folder whose rows stand in SQLite files', () => {
  test('→ is read as it was, older programs refuse it from then on, and what comes goes into a journal', () => {
    const { dataDir, logs } = earlierFolder();
    expect(versionOf(dataDir)).toBe(2);
    for (let run = 0; run < 2; run++) {
      const log = new SimulatedLog(dataDir, systemDisk, 6);
      expect(versionOf(dataDir)).toBe(4);
      expect([log.found.damaged, log.found.recovered]).toEqual([[], []]);
      if (run === 0) {
        for (const account of [1, 2]) expect(log.logs(account)).toEqual(logs[account]);
        record(log, 1000, 3);
        // One that is there already, in a sealed segment, and one in the young one that was.
        record(log, 0, 1);
        record(log, 20, 1);
      }
      expect(log.logs(1).map(one => one.messageId)).toEqual([
        ...[1002, 1001, 1000].map(id => `message-${id}`),
        ...(logs[1] ?? []).map(one => one.messageId),
      ]);
      expect(log.logs(2)).toEqual(logs[2]);
      log.seal(true);
      log.close();
    }
    expect(names(dataDir)).toEqual([
      '000000001.rows.db',
      '000000002.rows.db',
      '000000003.rows.db',
      '000000004.rows.db',
      '000000005.journal',
    ]);
    expect(existsSync(join(dataDir, 'segments', '000000004.index'))).toBe(true);
  });

  test('a segment of it was set aside, and is brought back → as a journal, and older programs refuse the folder', () => {
    const { dataDir, logs } = earlierFolder();
    mkdirSync(join(dataDir, 'damaged'));
    const segments = join(dataDir, 'segments');
    for (const name of readdirSync(segments).filter(name => name.startsWith('000000002.')))
      renameSync(join(segments, name), join(dataDir, 'damaged', name));
    expect(repair(dataDir)).toMatchObject([{ name: '000000002.journal', again: 0, lostMessages: 0 }]);
    expect(versionOf(dataDir)).toBe(4);
    const log = new SimulatedLog(dataDir, systemDisk, 6);
    onTestFinished(() => log.close());
    for (const account of [1, 2]) expect(log.logs(account)).toEqual(logs[account]);
  });

  test('→ becomes volumes like any other, and is copied as it is', () => {
    const { dataDir, logs } = earlierFolder();
    const offline = new FolderLog(dataDir);
    expect([offline.damaged, offline.segments.reduce((sum, one) => sum + one.messages, 0)]).toEqual([[], 23]);
    offline.close();
    const log = new SimulatedLog(dataDir, systemDisk, 6);
    onTestFinished(() => log.close());
    log.seal(true);
    log.merge();
    expect(names(dataDir)).toEqual([]);
    for (const account of [1, 2]) expect(log.logs(account)).toEqual(logs[account]);
  });

  test('a process ends at some change while it takes the folder over → the next finds everything', () => {
    const { dataDir, logs } = earlierFolder();
    for (let changesMax = 0, isDone = false; !isDone; changesMax += 5) {
      const copy = join(dirname(dataDir), `${changesMax}`);
      cpSync(dataDir, copy, { recursive: true });
      const ending = new EndingDisk(changesMax);
      try {
        const log = new SimulatedLog(copy, ending.disk, 6);
        record(log, 1000, 7);
        log.seal(true);
        log.close();
        isDone = ending.changes < changesMax;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      const log = new SimulatedLog(copy, systemDisk, 6);
      expect([log.found.damaged, log.found.recovered], `${changesMax} changes`).toEqual([[], []]);
      expect(log.logs(1).filter(one => one.sentAt < now + 5000)).toEqual(logs[1]);
      expect(log.logs(2)).toEqual(logs[2]);
      log.close();
      rmSync(copy, { recursive: true });
    }
  });

  test('anything done to its files → what is left is as it was, and what it lacks is told', () => {
    fc.assert(
      fc.property(anyDamage, fc.constantFrom(1, 2, 3, 4, 5), (damage, number) => {
        const { dataDir, logs } = earlierFolder();
        const file = number === 5 ? '000000004.rows.db-wal' : `00000000${number}.rows.db`;
        inflict(damage, join(dataDir, 'segments', file));
        let missing = 0;
        for (let run = 0; run < 2; run++) {
          const log = new SimulatedLog(dataDir, systemDisk, 6);
          try {
            const left = [1, 2].flatMap(account => log.logs(account));
            const byId = new Map([...(logs[1] ?? []), ...(logs[2] ?? [])].map(one => [one.messageId, one]));
            for (const one of left) expect(byId.get(one.messageId)?.contentJson).toBe(one.contentJson);
            if (run > 0) expect(left.length).toBe(23 - missing);
            missing = 23 - left.length;
            if (missing > 0) expect(log.found.damaged).not.toEqual([]);
          } catch (error) {
            // Of a sealed segment damage shows when its rows are read: then its index is gone with it, and it is made anew.
            if (!(error instanceof Error) || error.name !== 'DamagedSegment') throw error;
            for (const end of ['index', 'facets'])
              systemDisk.remove(join(dataDir, 'segments', `00000000${number}.${end}`));
            run = -1;
          } finally {
            log.close();
          }
        }
      }),
      { numRuns: 8 },
    );
  });
});
