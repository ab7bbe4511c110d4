import { closeSync, cpSync, openSync, readdirSync, readSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { EpochMs, LogRecord, Submission } from '../../src/domain/message.ts';
import { type Status, statuses } from '../../src/domain/registry.ts';
import { summaryRange } from '../../src/domain/summary.ts';
import type { Merging } from '../../src/store/embedded/threads/messages.ts';
import type { Store } from '../../src/store/store.ts';
import { crashImage } from './crash-image.ts';
import { SqliteLog, submission, until } from './sqlite-log.ts';

export const now = 1_800_000_000_000;
export const accounts = [1, 2];
/** Of each account, recorded by so many calls. */
const messages = 230;

export type Damage = { readonly what: string; readonly at: number; readonly bytes: number };
type Logs = ReadonlyMap<string, LogRecord>;

export const anyDamage = fc.record({
  what: fc.constantFrom('flipped', 'flipped', 'zeroed', 'cut', 'emptied', 'deleted'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.integer({ min: 1, max: 20_000 }),
});

/**
 * What a kill -9 leaves of a log that two accounts wrote turn about: sealed segments, and a young one; most messages
 * reported on. With what was answered of it.
 */
export class CrashedLog {
  readonly #files = new SqliteLog();
  readonly #answered = new Map<number, Logs>();
  readonly #merging: Merging | undefined;

  /** With `merging`, the sealed segments are in volumes. */
  constructor(merging?: Merging) {
    this.#merging = merging;
  }

  async write(): Promise<void> {
    const original = new SqliteLog(this.#merging === undefined ? {} : { merging: this.#merging });
    const store = await original.open();
    const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
    for (let from = 0; from < messages; from += 23)
      for (const account of accounts) {
        const numbers = Array.from({ length: 23 }, (_, i) => from + i);
        await record(store, account, numbers.map(numberedMessage));
        const reported = numbers.filter(number => number % 3 > 0).map(number => Math.max(0, number - 20));
        await record(
          store,
          account,
          reported.map(number => reportOn(number, delivered)),
        );
      }
    await until(() => segmentFiles(original).filter(name => name.endsWith('.index')).length === 4);
    if (this.#merging !== undefined)
      await until(() => segmentFiles(original).filter(name => name.endsWith('.journal')).length === 1);
    for (const account of accounts) this.#answered.set(account, await logsOf(store, account));
    await crashImage(original.dataDir, this.#files.dataDir);
    await store.close();
    original.remove();
  }

  remove(): void {
    this.#files.remove();
  }

  /** Relative to the data folder: everything whose damage can cost anything. */
  get files(): readonly string[] {
    return [...segmentFiles(this.#files).map(name => join('segments', name)), 'log.json', 'ledger', 'ledger.copy'];
  }

  get messages(): number {
    return accounts.reduce((sum, account) => sum + (this.#answered.get(account)?.size ?? 0), 0);
  }

  /** A copy of it for one test. */
  async copied(check: (log: SqliteLog) => Promise<void>): Promise<void> {
    const log = new SqliteLog();
    try {
      cpSync(this.#files.dataDir, log.dataDir, { recursive: true });
      await check(log);
    } finally {
      log.remove();
    }
  }

  /** The same with damage to some of its files. */
  async damaged(damage: Damage, files: readonly string[], check: (log: SqliteLog) => Promise<void>): Promise<void> {
    await this.copied(async log => {
      for (const file of files) inflict(damage, join(log.dataDir, file));
      await check(log);
    });
  }

  /** Everything of an account that is not as it was answered. */
  differing(account: number, logs: Logs) {
    const answered = [...(this.#answered.get(account) ?? [])];
    const missing = answered.filter(([id]) => !logs.has(id)).map(([id]) => id);
    const older = answered.filter(([id, log]) => logs.has(id) && logs.get(id)?.status.key !== log.status.key);
    const strange = [...logs].filter(([id, log]) => {
      const known = this.#answered.get(account)?.get(id);
      return known?.contentJson !== log.contentJson || known.sentAt !== log.sentAt || known.sender !== log.sender;
    });
    return { missing, older, strange };
  }

  /**
   * Opens a damaged log twice: it serves the rest as it was, and takes records. What it lacks is told for as long as it
   * lacks it, and it never lacks more.
   */
  async servesAndTells(log: SqliteLog): Promise<void> {
    let lost: string[] | undefined;
    for (let run = 0; run < 2; run++)
      await looked(log, async store => {
        const found: string[] = [];
        for (const account of accounts) {
          const { missing, older, strange } = this.differing(account, await logsOf(store, account));
          expect(strange).toEqual([]);
          found.push(...missing.map(id => `${account} ${id}`));
          if (missing.length === 0 && older.length === 0) continue;
          expect((await store.stats()).damaged).not.toEqual([]);
          expect(await isComplete(store, account)).toBe(false);
        }
        if (lost !== undefined) expect(found).toEqual(lost);
        lost = found;
        await record(store, 3, [numberedMessage(run)]);
        expect((await logsOf(store, 3)).size).toBe(run + 1);
      });
  }
}

export function numberedMessage(number: number): Submission {
  // Some are longer than most.
  const text = 'x'.repeat(number % 11 === 0 ? 20_000 : number % 40);
  return submission(number, { sentAt: now - number * 1000, contentJson: JSON.stringify({ text, type: 'TEXT' }) });
}

function reportOn(number: number, status: Status | undefined): Submission {
  if (status === undefined) throw new Error('no such status');
  return { messageId: `message-${number}`, status, doneAt: now + number };
}

async function record(store: Store, account: number, submissions: readonly Submission[]): Promise<void> {
  await store.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
}

export const segmentFiles = (log: SqliteLog) => readdirSync(join(log.dataDir, 'segments')).sort();

export async function logsOf(store: Store, account: number): Promise<Logs> {
  const logs = new Map<string, LogRecord>();
  for (let after: string | undefined; ; ) {
    const page = await store.find({
      account,
      filter: {},
      sentSince: 0,
      limit: 97,
      walk: true,
      ...(after && { after }),
    });
    for (const log of page.logs) logs.set(log.messageId, log);
    if (page.next === undefined) return logs;
    after = page.next;
  }
}

export async function isComplete(store: Store, account: number): Promise<boolean> {
  const range = summaryRange({}, 0 as EpochMs, now + 60_000, 60);
  return (await store.summarize({ account, filter: {}, sentSince: 0, range, budgetMs: 60_000 })).complete;
}

/** Does something to a file at a place that is a part of its length. */
export function inflict({ what, at, bytes }: Damage, path: string): void {
  const { size } = statSync(path);
  const offset = Math.min(Math.floor(at * size), size - 1);
  if (what === 'deleted') return rmSync(path);
  if (what === 'emptied') return truncateSync(path, 0);
  if (what === 'cut') return truncateSync(path, offset);
  const fd = openSync(path, 'r+');
  const part = Buffer.alloc(what === 'flipped' ? 1 : Math.min(bytes, size - offset));
  if (what === 'flipped') {
    readSync(fd, part, 0, 1, offset);
    part.writeUInt8(part.readUInt8() ^ (1 << (bytes % 8)));
  }
  writeSync(fd, part, 0, part.byteLength, offset);
  closeSync(fd);
}

/** Opens a damaged log, and looks once each row was read: what a start did not see is seen then. */
export async function looked(log: SqliteLog, look: (store: Store) => Promise<void>): Promise<void> {
  const store = await log.open();
  try {
    for (const account of accounts) await logsOf(store, account);
    await look(store);
  } finally {
    await store.close();
  }
}
