import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { AccountId, EpochMs, Submission } from '../../../src/domain/message.ts';
import { isOutage } from '../../../src/store/embedded/files/damage.ts';
import { StoreUnusable } from '../../../src/store/store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { below, type Fault, PowerCut, type Random, randomOf, SimulatedDisk } from '../../support/simulated-disk.ts';
import { anySubmission } from '../conformance/model.ts';
import { SimulatedLog, summaryQuery, takeReserve } from './simulated-log.ts';

const start: EpochMs = 1_700_000_000_000;
const accounts: readonly AccountId[] = [1, 2];
const stepsMax = 14;
const attemptsMax = 60;

/** What so many runs came to. */
export type Tried = { readonly crashes: number; readonly merged: number; readonly checkpoints: number };

/**
 * A run for each seed; a failure names its seed. Each is in a folder that goes with it, in memory where the system has
 * it: what SQLite syncs need not wait for a disk.
 */
export async function trySeeds(seeds: Iterable<number>): Promise<Tried> {
  let [crashes, merged, checkpoints] = [0, 0, 0];
  for (const seed of seeds) {
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-disk-'));
    try {
      const run = new Run(seed, folder);
      await run.go();
      expect(openIn(folder), 'files left open').toEqual([]);
      crashes += run.crashes;
      merged += run.merged;
      checkpoints += run.checkpoints;
    } catch (cause) {
      throw new Error(`SENTLOG_DISK_SEED=${seed} shows it again`, { cause });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { crashes, merged, checkpoints };
}

/** Which files of a folder this process has open; removed ones too. Nothing where the system does not tell. */
function openIn(folder: string): readonly string[] {
  const descriptors = '/proc/self/fd';
  if (!existsSync(descriptors)) return [];
  return (
    readdirSync(descriptors)
      .map(name => join(descriptors, name))
      // That of the listing itself is closed by now.
      .flatMap(path => (lstatSync(path, { throwIfNoEntry: false }) === undefined ? [] : [readlinkSync(path)]))
      .filter(target => target.startsWith(folder))
  );
}

/** A log on a disk that fails, beside the reference store that is told what was answered. */
class Run {
  readonly reference = new MemoryStore();
  readonly #random: Random;
  readonly #seed: number;
  readonly #folder: string;
  readonly #batches: Submission[][];
  #dataDir: string;
  #disk: SimulatedDisk;
  #log: SimulatedLog;
  #now = start + 10_000;
  #crashes = 0;
  #merged = 0;
  #checkpoints = 0;

  constructor(seed: number, folder: string) {
    this.#seed = seed;
    this.#folder = folder;
    this.#random = randomOf(seed);
    const anyBatch = fc.array(anySubmission, { minLength: 1, maxLength: 8 });
    this.#batches = fc.sample(anyBatch, { seed, numRuns: stepsMax });
    this.#dataDir = join(this.#folder, `${seed}-0`);
    mkdirSync(this.#dataDir);
    // What is reserved is asked for once a second: a run takes less.
    takeReserve(this.#dataDir);
    this.#disk = new SimulatedDisk(this.#random, this.#faults());
    this.#log = this.#opened();
  }

  get crashes(): number {
    return this.#crashes;
  }

  get merged(): number {
    return this.#merged;
  }

  get checkpoints(): number {
    return this.#checkpoints;
  }

  async go(): Promise<void> {
    for (const submissions of this.#batches) {
      this.#now += 1000;
      const account = accounts[below(this.#random, accounts.length)] ?? 1;
      const batch = { account, binding: {}, receivedAt: this.#now, sentSince: 0, submissions };
      this.#persist(() => this.#log.record(batch));
      await this.reference.record(batch);
      if (this.#random() < 0.5) this.#persist(() => this.#checkpoint());
      if (this.#random() < 0.5) this.#persist(() => this.#log.seal(true));
      if (this.#random() < 0.4) this.#persist(() => this.#merge());
      if (this.#random() < 0.2) this.#reopen();
    }
    await this.#compare();
    this.#reopen();
    await this.#compare();
    this.#log.close();
  }

  #checkpoint(): void {
    this.#log.checkpoint();
    this.#checkpoints += this.#log.checkpoints;
    this.#log.checkpoints = 0;
  }

  #merge(): void {
    this.#log.merge();
    this.#merged += this.#log.merged;
    this.#log.merged = 0;
  }

  /** Does what a caller does who is refused: tries again, after a power cut on the log as it is found. */
  #persist(work: () => void): void {
    for (let attempt = 0; ; attempt++) {
      try {
        return work();
      } catch (error) {
        if (error instanceof PowerCut) this.#crash();
        else if (!isOutage(error) || attempt === attemptsMax) throw error;
      }
    }
  }

  /** What was answered before is there, whatever became of the batch that was under way. */
  #crash(): void {
    this.#crashes++;
    const found = join(this.#folder, `${this.#seed}-${this.#crashes}`);
    this.#disk.crashed(this.#dataDir, found);
    this.#letGo();
    rmSync(this.#dataDir, { recursive: true, force: true });
    this.#dataDir = found;
    this.#disk = new SimulatedDisk(this.#random, this.#faults());
    this.#log = this.#opened();
  }

  #reopen(): void {
    this.#letGo();
    this.#log = this.#opened();
  }

  /** Closes files of a log that is gone. */
  #letGo(): void {
    try {
      this.#log.close();
    } catch (error) {
      if (!(error instanceof PowerCut) && !isOutage(error)) throw error;
    }
  }

  #opened(): SimulatedLog {
    for (let attempt = 0; ; attempt++) {
      try {
        const log = new SimulatedLog(this.#dataDir, this.#disk);
        // Nothing that was answered can be lost by what was not synced, and so nothing is told to be.
        expect(log.found.damaged, 'damaged').toEqual([]);
        expect(log.found.recovered, 'recovered').toEqual([]);
        expect(log.logDamage, 'log.json').toBeUndefined();
        return log;
      } catch (error) {
        // A start that the disk did not give something ends; the next may be given it.
        const cause = error instanceof StoreUnusable ? error.cause : error;
        if (error instanceof PowerCut) this.#cutWhileOpening();
        else if (!isOutage(cause) || attempt === attemptsMax) throw error;
      }
    }
  }

  #cutWhileOpening(): void {
    this.#crashes++;
    const found = join(this.#folder, `${this.#seed}-${this.#crashes}`);
    this.#disk.crashed(this.#dataDir, found);
    this.#dataDir = found;
    this.#disk = new SimulatedDisk(this.#random, this.#faults());
  }

  async #compare(): Promise<void> {
    for (const account of accounts) {
      const page = await this.reference.find({ account, filter: {}, sentSince: 0, limit: 1000, walk: false });
      expect(this.#log.logs(account)).toEqual(page.logs);
      const summary = await this.reference.summarize(summaryQuery(account, this.#now));
      expect(this.#log.summary(account, this.#now)).toEqual(summary);
      const bySender = await this.reference.summarize(summaryQuery(account, this.#now, {}, ['sender']));
      expect(this.#log.summary(account, this.#now, {}, { by: ['sender'] })).toEqual(bySender);
    }
  }

  /** One power cut, and some stretches in which calls fail; after four cuts nothing fails any more. */
  #faults(): readonly Fault[] {
    if (this.#crashes >= 4) return [];
    const faults: Fault[] = Array.from({ length: below(this.#random, 4) }, () => {
      const from = below(this.#random, 120);
      return { kind: this.#random() < 0.5 ? 'EIO' : 'ENOSPC', from, to: from + 1 + below(this.#random, 12) };
    });
    const cutAt = below(this.#random, 120);
    return this.#random() < 0.8 ? [...faults, { kind: 'cut', from: cutAt, to: cutAt }] : faults;
  }
}
