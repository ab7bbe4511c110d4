import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { EpochMs, LogRecord, Submission } from '../../../src/domain/message.ts';
import { type Status, statuses } from '../../../src/domain/registry.ts';
import { summaryRange } from '../../../src/domain/summary.ts';
import type { Store } from '../../../src/store/store.ts';
import { SqliteLog, submission, until } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const accounts = [1, 2];
/** Of each account, recorded by so many calls. */
const messages = 230;
const original = new SqliteLog();
/** What lay on disk when nothing had been closed: what a kill -9 leaves. */
const crashed = new SqliteLog();
const reference = new Map<number, ReadonlyMap<string, LogRecord>>();

/** Two accounts turn about: sealed segments, and a young one with its write-ahead log; most messages reported on. */
beforeAll(async () => {
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
  await until(() => names(original).filter(name => name.endsWith('.index')).length === 4);
  await until(() => names(original).filter(name => name.endsWith('-wal')).length === 1);
  for (const account of accounts) reference.set(account, await logsOf(store, account));
  copy(original, crashed);
  await store.close();
});

afterAll(() => {
  for (const log of [original, crashed]) log.remove();
});

function numberedMessage(number: number): Submission {
  // Some run over several pages of the file.
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

const names = (log: SqliteLog) => readdirSync(join(log.dataDir, 'segments')).sort();

function copy(from: SqliteLog, to: SqliteLog): void {
  for (const name of readdirSync(from.dataDir).filter(name => !name.startsWith('lock')))
    cpSync(join(from.dataDir, name), join(to.dataDir, name), { recursive: true });
}

async function logsOf(store: Store, account: number): Promise<ReadonlyMap<string, LogRecord>> {
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

async function isComplete(store: Store, account: number): Promise<boolean> {
  const range = summaryRange({}, 0 as EpochMs, now + 60_000, 60);
  return (await store.summarize({ account, filter: {}, sentSince: 0, range, budgetMs: 60_000 })).complete;
}

type Damage = { readonly what: string; readonly at: number; readonly bytes: number };

/** Does something to a file at a place that is a part of its length. */
function inflict({ what, at, bytes }: Damage, path: string): void {
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

const anyDamage = fc.record({
  what: fc.constantFrom('flipped', 'flipped', 'zeroed', 'cut', 'emptied', 'deleted'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.integer({ min: 1, max: 20_000 }),
});

/** Everything of an account that is not as it was answered. */
function differing(account: number, logs: ReadonlyMap<string, LogRecord>) {
  const answered = [...(reference.get(account) ?? [])];
  const missing = answered.filter(([id]) => !logs.has(id)).map(([id]) => id);
  const older = answered.filter(([id, log]) => logs.has(id) && logs.get(id)?.status.key !== log.status.key);
  const strange = [...logs].filter(([id, log]) => {
    const known = reference.get(account)?.get(id);
    return known?.contentJson !== log.contentJson || known.sentAt !== log.sentAt || known.sender !== log.sender;
  });
  return { missing, older, strange };
}

/** Opens a damaged log; gives what is not as it was, once all is found that is to be found. */
async function looked(log: SqliteLog, look: (store: Store) => Promise<void>): Promise<void> {
  const store = await log.open();
  try {
    // Each row is read: what a start did not see is seen now.
    for (const account of accounts) await logsOf(store, account);
    await look(store);
  } finally {
    await store.close();
  }
}

const damagedLog = async (
  damage: Damage,
  path: (log: SqliteLog) => string,
  check: (log: SqliteLog) => Promise<void>,
) => {
  const log = new SqliteLog();
  try {
    mkdirSync(log.dataDir, { recursive: true });
    copy(crashed, log);
    inflict(damage, path(log));
    await check(log);
  } finally {
    log.remove();
  }
};

test('anything done to any file of a log → it starts, serves the rest as it was, and tells of what it lacks', async () => {
  const paths = fc.nat().map(number => (log: SqliteLog) => {
    const files = [...names(log).map(name => join('segments', name)), 'log.json', 'ledger', 'ledger.copy'];
    return join(log.dataDir, files[number % files.length] ?? '');
  });
  await fc.assert(
    fc.asyncProperty(anyDamage, paths, (damage, path) =>
      damagedLog(damage, path, async log => {
        // Twice: what is lost is told for as long as it is, and no more is lost.
        let lost: string[] | undefined;
        for (let run = 0; run < 2; run++)
          await looked(log, async store => {
            const found: string[] = [];
            for (const account of accounts) {
              const { missing, older, strange } = differing(account, await logsOf(store, account));
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
      }),
    ),
    { numRuns: 8, endOnFailure: true },
  );
}, 240_000);

test.each([
  // A flipped bit costs the rows of its page at most, however much of the log comes after it.
  { damage: { what: 'flipped', at: 0.1, bytes: 3 }, lostMax: 60 },
  { damage: { what: 'flipped', at: 0, bytes: 3 }, lostMax: 0 },
  { damage: { what: 'zeroed', at: 0.3, bytes: 3 }, lostMax: 60 },
  { damage: { what: 'cut', at: 0.99, bytes: 3 }, lostMax: 60 },
  { damage: { what: 'emptied', at: 0, bytes: 0 }, lostMax: 100 },
  { damage: { what: 'deleted', at: 0, bytes: 0 }, lostMax: 100 },
])(
  'the write-ahead log of the young segment $damage.what at $damage.at → the rest is brought back',
  async ({ damage, lostMax }) => {
    const log = (one: SqliteLog) => join(one.dataDir, 'segments', names(one).find(name => name.endsWith('-wal')) ?? '');
    await damagedLog(damage, log, async one => {
      const answered = accounts.reduce((sum, account) => sum + (reference.get(account)?.size ?? 0), 0);
      await looked(one, async store => {
        let missing = 0;
        for (const account of accounts) missing += differing(account, await logsOf(store, account)).missing.length;
        expect(missing).toBeLessThanOrEqual(lostMax);
        const { messages, damaged } = await store.stats();
        expect(messages).toBe(answered - missing);
        if (missing > 0) expect(damaged[0]?.reason).toContain(`${missing} of its `);
      });
    });
  },
);

test.each([
  ['rows file', ['.rows.db']],
  ['rows file and index', ['.rows.db', '.index']],
])('%s of a sealed segment missing → told, with how much it was', async (_, suffixes) => {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  copy(crashed, log);
  for (const suffix of suffixes) rmSync(join(log.dataDir, 'segments', `000000002${suffix}`));
  for (let run = 0; run < 2; run++)
    await looked(log, async store => {
      expect((await store.stats()).damaged).toMatchObject([
        { name: '000000002.rows.db', reason: expect.stringContaining('100 of its 100 messages') },
      ]);
      expect(await isComplete(store, 1)).toBe(false);
    });
  // Nothing of it is inside retention any more: there is nothing to tell.
  const store = await log.open();
  await store.dropBefore(now + 60_000);
  expect((await store.stats()).damaged).toEqual([]);
  await store.close();
});

test('a row that does not verify, in a sealed segment and in the young one → costs that row alone', async () => {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  copy(crashed, log);
  const bent = names(log).filter(name => name.endsWith('.rows.db'));
  for (const name of bent) {
    const file = new DatabaseSync(join(log.dataDir, 'segments', name));
    file.exec("UPDATE message SET body = replace(body, 'page', 'bent') WHERE ordinal = 7");
    file.close();
  }
  await looked(log, async store => {
    const lost = [];
    for (const account of accounts) {
      const { missing, strange } = differing(account, await logsOf(store, account));
      expect(strange).toEqual([]);
      lost.push(...missing);
    }
    expect(lost).toHaveLength(bent.length);
    expect((await store.stats()).damaged.map(part => part.reason)).toEqual(
      bent.map(() => expect.stringMatching(/^1 of its \d+ messages and 0 of its \d+ reports/)),
    );
  });
});
