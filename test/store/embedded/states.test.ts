import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { statuses, statusGroupNames } from '../../../src/domain/registry.ts';
import { DamagedStates } from '../../../src/store/embedded/files/damage.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { anyDamage, inflict, logsOf } from '../../support/crashed-log.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { SqliteLog, submission, until } from '../../support/sqlite-log.ts';
import { EndingDisk, Killed } from './ending-disk.ts';
import { SimulatedLog, summaryQuery } from './simulated-log.ts';

const now = 1_700_000_000_000;
const perSegment = 6;

const folder = () => {
  const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-states-'));
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  return place;
};

const isState = (name: string) => name === 'states' || name.endsWith('.state');
const stateFiles = (dataDir: string) => readdirSync(join(dataDir, 'segments')).filter(isState).sort();

/** A log beside the reference store, which is told what was answered. */
class Beside {
  readonly reference = new MemoryStore();
  log: SimulatedLog;
  #clock = now;

  constructor(dataDir: string, disk: Disk = systemDisk) {
    this.log = new SimulatedLog(dataDir, disk, perSegment);
  }

  async messages(from: number, to: number): Promise<void> {
    const sent = Array.from({ length: to - from }, (_, i) => submission(from + i, { sentAt: now - 100 + from + i }));
    await this.#record(sent);
    this.log.seal(true);
  }

  /** A report on each, which leads it to another state than the one before. */
  async reports(...numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      const status = statuses[(this.#clock - now) % statuses.length];
      if (status === undefined) throw new Error('no such status');
      await this.#record([{ messageId: `message-${number}`, status, doneAt: this.#clock }]);
    }
  }

  /** Reads as a reader does whose engine has states that cannot be read made again. */
  read<T>(work: (log: SimulatedLog) => T): T {
    for (;;) {
      try {
        return work(this.log);
      } catch (error) {
        if (!(error instanceof DamagedStates)) throw error;
        this.log.restate(error.segmentId);
      }
    }
  }

  async isRight(): Promise<void> {
    for (const group of statusGroupNames) {
      const found = await this.reference.find({
        account: 1,
        filter: { generalStatus: [group] },
        sentSince: 0,
        limit: 1000,
        walk: false,
      });
      expect(this.read(log => log.logs(1, { generalStatus: [group] }))).toEqual(found.logs);
      const query = summaryQuery(1, this.#clock, { generalStatus: [group] });
      const summary = await this.reference.summarize(query);
      expect(this.read(log => log.summary(1, this.#clock, { generalStatus: [group] }))).toEqual(summary);
    }
    const { logs } = await this.reference.find({ account: 1, filter: {}, sentSince: 0, limit: 1000, walk: false });
    expect(this.read(log => log.logs(1))).toEqual(logs);
  }

  async #record(submissions: readonly ReturnType<typeof submission>[]): Promise<void> {
    const batch = { account: 1, binding: {}, receivedAt: ++this.#clock, sentSince: 0, submissions };
    this.log.record(batch);
    await this.reference.record(batch);
  }
}

/** Ten sealed segments, reports in and on each, the states of six in files, and late reports since. */
async function aged(dataDir: string): Promise<Beside> {
  const beside = new Beside(dataDir);
  for (let from = 0; from < 11 * perSegment; from += perSegment) {
    await beside.messages(from, from + perSegment);
    await beside.reports(from, from + 1, Math.floor(from / 2));
  }
  beside.log.settle();
  expect(beside.log.filed).toEqual([1, 2, 3, 4, 5, 6]);
  beside.log.settle();
  await beside.reports(0, 7, 8, 7, 30, 65);
  return beside;
}

const status = statuses.find(({ id }) => id === 5) ?? statuses[0];

describe('states of sealed messages in files', () => {
  // By a clock that stands, all that is due is moved at once.
  beforeAll(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterAll(() => void vi.useRealTimers());

  test('late reports, many times over → each state is as it was left, and few late ones are left in memory', async () => {
    const beside = await aged(folder());
    await beside.isRight();
    for (let round = 0; round < 8; round++) {
      await beside.reports(...Array.from({ length: 12 }, (_, i) => (round * 5 + i * 3) % 36));
      beside.log.settle();
      await beside.isRight();
    }
    beside.log.close();
  });

  test('a start → opens no file of states where nothing was reported late since, and takes nothing for damaged', async () => {
    const dataDir = folder();
    const beside = await aged(dataDir);
    // Ten segments more, of which the states are noted as those before.
    for (let from = 66; from < 90; from += perSegment) await beside.messages(from, from + perSegment);
    beside.log.settle();
    beside.log.close();
    const opened: string[] = [];
    const open: Disk['open'] = (path, mode) => {
      opened.push(path);
      return systemDisk.open(path, mode);
    };
    const { filed } = beside.log;
    beside.log = new SimulatedLog(dataDir, { ...systemDisk, open }, perSegment);
    expect(opened.filter(path => path.endsWith('.state'))).toEqual([]);
    expect([beside.log.filed, beside.log.found.damaged, beside.log.found.rebuilt]).toEqual([filed, [], []]);
    expect(filed.length).toBeGreaterThan(6);
    await beside.isRight();
    beside.log.close();
  });

  test('anything done to files of states, between two runs or meanwhile → all is as it was', async () => {
    const dataDir = folder();
    const beside = await aged(dataDir);
    beside.log.close();
    const files = stateFiles(dataDir);
    await fc.assert(
      fc.asyncProperty(anyDamage, fc.constantFrom(...files), fc.boolean(), async (damage, file, isMeanwhile) => {
        const copy = join(dataDir, '..', `${Math.random()}`);
        cpSync(dataDir, copy, { recursive: true });
        try {
          if (!isMeanwhile) inflict(damage, join(copy, 'segments', file));
          beside.log = new SimulatedLog(copy, systemDisk, perSegment);
          expect([beside.log.found.damaged, beside.log.found.recovered]).toEqual([[], []]);
          if (isMeanwhile) inflict(damage, join(copy, 'segments', file));
          await beside.isRight();
          beside.log.settle();
          beside.log.settle();
          beside.log.close();
          beside.log = new SimulatedLog(copy, systemDisk, perSegment);
          await beside.isRight();
          beside.log.settle();
          expect(beside.log.filed).toEqual([1, 2, 3, 4, 5, 6]);
          beside.log.close();
        } finally {
          rmSync(copy, { recursive: true });
        }
      }),
      { numRuns: 40 },
    );
  });

  test('files of states of an earlier moment of the log → what was reported since counts', async () => {
    const [dataDir, earlier] = [folder(), folder()];
    const beside = await aged(dataDir);
    beside.log.close();
    cpSync(dataDir, earlier, { recursive: true });
    beside.log = new SimulatedLog(dataDir, systemDisk, perSegment);
    await beside.reports(1, 2, 13, 14, 1);
    for (const segment of [1, 2, 3]) beside.log.restate(segment);
    beside.log.settle();
    beside.log.settle();
    expect(beside.log.filed).toEqual([1, 2, 3, 4, 5, 6]);
    beside.log.close();
    takeStates(earlier, dataDir);
    beside.log = new SimulatedLog(dataDir, systemDisk, perSegment);
    await beside.isRight();
    beside.log.close();
  });

  test('a log that lost its end, beside states that have it → they are not believed, however far it comes later', async () => {
    const [dataDir, later] = [folder(), folder()];
    const beside = await aged(dataDir);
    beside.log.close();
    cpSync(dataDir, later, { recursive: true });
    const lost = new SimulatedLog(later, systemDisk, perSegment);
    if (status === undefined) throw new Error('no such status');
    const report = (number: number) => ({
      messageId: `message-${number}`,
      status,
      doneAt: now,
    });
    lost.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [1, 2, 9, 10, 13].map(report) });
    for (const segment of [1, 2, 3]) lost.restate(segment);
    lost.settle();
    lost.close();
    takeStates(later, dataDir);
    for (let run = 0; run < 3; run++) {
      beside.log = new SimulatedLog(dataDir, systemDisk, perSegment);
      await beside.isRight();
      await beside.reports(3, 4, 1, 15);
      beside.log.close();
    }
  });

  test('the process ends at any change while states are moved → the next finds all that was answered', async () => {
    const dataDir = folder();
    const beside = await aged(dataDir);
    await beside.reports(...Array.from({ length: 36 }, (_, number) => number));
    beside.log.close();
    for (let changesMax = 0, isDone = false; !isDone; changesMax++) {
      const copy = join(dataDir, '..', `states-${changesMax}-${Math.random()}`);
      cpSync(dataDir, copy, { recursive: true });
      const ending = new EndingDisk(changesMax);
      try {
        beside.log = new SimulatedLog(copy, ending.disk, perSegment);
        // Late states fill half of their room: files are made anew.
        for (let i = 0; i < 3; i++) beside.log.settle();
        isDone = true;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      beside.log = new SimulatedLog(copy, systemDisk, perSegment);
      expect([beside.log.found.damaged, beside.log.found.recovered], `${changesMax} changes`).toEqual([[], []]);
      await beside.isRight();
      beside.log.close();
      rmSync(copy, { recursive: true });
    }
  });
});

test('a file of states is cut while the server runs → it is made again, which is told, and nothing else is', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 10 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  onTestFinished(() => store.close());
  const record = (submissions: readonly ReturnType<typeof submission>[]) =>
    store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
  for (let from = 0; from < 100; from += 10)
    await record(Array.from({ length: 10 }, (_, i) => submission(from + i, { sentAt: now - 100 + from + i })));
  if (status === undefined) throw new Error('no such status');
  await record(Array.from({ length: 60 }, (_, i) => ({ messageId: `message-${i}`, status, doneAt: now })));
  await until(() => stateFiles(log.dataDir).length > 4);
  for (const name of stateFiles(log.dataDir))
    if (name !== 'states') truncateSync(join(log.dataDir, 'segments', name), 100);
  // Readers hear of the files some time after these are there.
  await until(async () => (await logsOf(store, 1)).size === 100 && log.witness.notes.length > 0);
  const logs = await logsOf(store, 1);
  expect([...logs.values()].map(one => one.status.name).filter(name => name === status.name).length).toBe(60);
  expect(new Set(log.witness.notes)).toEqual(new Set(['the states of the messages of a segment are made again']));
  expect((await store.stats()).damaged).toEqual([]);
});

/** Puts the files of states of one folder in the place of another's. */
function takeStates(from: string, to: string): void {
  for (const name of stateFiles(to)) rmSync(join(to, 'segments', name));
  for (const name of stateFiles(from)) cpSync(join(from, 'segments', name), join(to, 'segments', name));
}
