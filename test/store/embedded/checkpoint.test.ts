import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { anySubmission } from '../conformance/model.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
const roomy = 1000;

function newFolder(): string {
  // In memory where the system has it: nothing here waits for a disk.
  const dataDir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-checkpoint-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

const fileIn = (dataDir: string, kind: string) => join(dataDir, 'segments', `000000001.${kind}`);

function record(log: SimulatedLog, submissions: readonly Submission[], account = 1): void {
  log.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
}

/** All that a log tells of two accounts. */
function toldBy(log: SimulatedLog): unknown {
  return [1, 2].map(account => [
    log.logs(account),
    log.summary(account, now),
    log.summary(account, now, { sender: ['s'] }),
    log.summary(account, now, {}, { by: ['sender', 'error'] }),
  ]);
}

const batches = fc.sample(fc.array(anySubmission, { minLength: 1, maxLength: 8 }), { seed: 7, numRuns: 20 });

/** A log that was left open by a process that ended, with a checkpoint of its rows after so many of all batches. */
function leftLog(dataDir: string, checkpointAfter: number): unknown {
  const log = new SimulatedLog(dataDir, systemDisk, roomy);
  for (const [i, batch] of batches.entries()) {
    record(log, batch, 1 + (i % 2));
    if (i === checkpointAfter) log.checkpoint();
  }
  const told = toldBy(log);
  log.close();
  return told;
}

function reopened(dataDir: string): { readonly told: unknown; readonly log: SimulatedLog } {
  const log = new SimulatedLog(dataDir, systemDisk, roomy);
  onTestFinished(() => log.close());
  return { told: toldBy(log), log };
}

test.each([1, 10, 19])(
  'a checkpoint after %i batches → all is as it was, and goes on as if no process had ended',
  at => {
    const dataDir = newFolder();
    const told = leftLog(dataDir, at);
    expect(systemDisk.exists(fileIn(dataDir, 'checkpoint'))).toBe(true);
    const { told: found, log } = reopened(dataDir);
    expect(found).toEqual(told);
    expect(log.found.segments[0]?.isUnverified).toBe(true);
    const without = newFolder();
    leftLog(without, -1);
    const { log: other } = reopened(without);
    expect(other.found.segments[0]?.isUnverified).toBe(false);
    for (const one of [log, other]) {
      for (const [i, batch] of batches.entries()) record(one, batch, 2 - (i % 2));
      one.checkpoint();
    }
    expect(toldBy(log)).toEqual(toldBy(other));
  },
);

test('a checkpoint that is cut, or has any bit flipped → the rows tell all', () => {
  const dataDir = newFolder();
  const told = leftLog(dataDir, 10);
  const path = fileIn(dataDir, 'checkpoint');
  const whole = readFileSync(path);
  const step = Math.floor(whole.byteLength / 20);
  for (let at = 3; at < whole.byteLength; at += step) {
    const bent = Buffer.from(whole);
    bent.writeUInt8(bent.readUInt8(at) ^ (1 << (at % 8)), at);
    writeFileSync(path, bent);
    const flipped = new SimulatedLog(dataDir, systemDisk, roomy);
    expect(toldBy(flipped), `bit of byte ${at}`).toEqual(told);
    expect(flipped.found.recovered).toEqual([]);
    flipped.close();
  }
  writeFileSync(path, whole);
  truncateSync(path, whole.byteLength - 8);
  expect(reopened(dataDir).told).toEqual(told);
});

test('a checkpoint of what the journal does not hold → counts for nothing', () => {
  const [dataDir, other] = [newFolder(), newFolder()];
  leftLog(other, 10);
  // Of the same log, whose journal went on otherwise: the folder was restored from a copy.
  const log = new SimulatedLog(dataDir, systemDisk, roomy);
  for (const batch of batches.slice(0, 5)) record(log, batch);
  log.close();
  copyFileSync(fileIn(other, 'checkpoint'), fileIn(dataDir, 'checkpoint'));
  const found = new SimulatedLog(dataDir, systemDisk, roomy);
  expect(found.found.segments[0]?.isUnverified).toBe(false);
  const copy = readFileSync(fileIn(dataDir, 'journal'));
  for (const batch of batches.slice(5, 10)) record(found, batch);
  found.checkpoint();
  found.close();
  const lost = readFileSync(fileIn(dataDir, 'checkpoint'));
  writeFileSync(fileIn(dataDir, 'journal'), copy);
  for (const name of ['ledger', 'ledger.copy']) rmSync(join(dataDir, name));
  const restored = new SimulatedLog(dataDir, systemDisk, roomy);
  expect(restored.found.segments[0]?.isUnverified).toBe(false);
  for (const batch of batches.slice(10, 20)) record(restored, batch);
  const told = toldBy(restored);
  restored.close();
  writeFileSync(fileIn(dataDir, 'checkpoint'), lost);
  const { told: again, log: last } = reopened(dataDir);
  expect(last.found.segments[0]?.isUnverified).toBe(false);
  expect(again).toEqual(told);
});

test('a row that a checkpoint is of is damaged → found when the segment is sealed, and never served', () => {
  const dataDir = newFolder();
  leftLog(dataDir, 19);
  const journal = fileIn(dataDir, 'journal');
  const bytes = readFileSync(journal);
  bytes.writeUInt8(bytes.readUInt8(400) ^ 1, 400);
  writeFileSync(journal, bytes);
  const log = new SimulatedLog(dataDir, systemDisk, roomy);
  onTestFinished(() => log.close());
  expect(log.found.recovered).toEqual([]);
  expect(() => [log.logs(1), log.logs(2)]).toThrow('checksum');
  log.fill(1);
  expect(() => log.seal()).toThrow('checksum');
});
