import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Unavailable, Unusable, WrongValues } from '../../src/failures.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { MountedDisk } from '../support/small-disk.ts';
import { sendingConformance } from './conformance.ts';
import { receiptConformance } from './receipts.ts';
import { reportConformance } from './reports.ts';
import { accounts, blocked, message, page, start, tellAll, want } from './support.ts';

const makePlace = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-outbox-'));
  return {
    open: () => openSqliteOutbox(join(folder, 'outbox.db')),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
};

sendingConformance('SQLite', makePlace);
receiptConformance('SQLite', makePlace);
reportConformance('SQLite', makePlace);

it('a batch of many messages → others have their turn while it is made ready, and closing waits for it', async () => {
  const at = await makePlace();
  const outbox = await at.open();
  onTestFinished(async () => {
    vi.restoreAllMocks();
    await outbox.close();
    await at.remove();
  });
  // So that messages are counted, not how fast they are written.
  let calls = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => calls++);
  const written = vi.spyOn(JSON, 'stringify');
  const adding = outbox.add({
    account: 1,
    messages: Array.from({ length: 500 }, (_, i) => message(`m${i}`)),
    now: start,
  });
  const closing = outbox.close();
  let [most, before] = [0, 0];
  while (before < 500) {
    await new Promise(resolve => setImmediate(resolve));
    most = Math.max(most, written.mock.calls.length - before);
    before = written.mock.calls.length;
  }
  // Twenty go into a text, each with a text or two of its own.
  expect(most).toBeLessThan(150);
  expect(await adding).toEqual(Array(500).fill(true));
  await closing;
});

it('a file that is no database → refused in words', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-outbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'outbox.db'), 'x'.repeat(5000));
  await expect(openSqliteOutbox(join(folder, 'outbox.db'))).rejects.toThrow('not a database');
});

it('a request that cannot be carried out, beside others → is refused alone, and what they took and gave stays so', async () => {
  const at = await makePlace();
  const outbox = await at.open();
  onTestFinished(async () => {
    await outbox.close();
    await at.remove();
  });
  const ended = ['a', 'b', 'c'].map(id => message(id, { end: blocked }));
  await outbox.add({ account: 1, messages: ended, now: start });
  await tellAll(outbox);
  const all = { account: 1, limit: 10 };
  /** No time has a fraction in the file. Those of one turn share a transaction. */
  const beside = async <T>(ask: () => Promise<T>): Promise<T> => {
    const broken = { accounts: [1], page, psid: 'p', kind: 'delivered', mids: ['mid'], at: 0.5 } as const;
    const [before, asked, after] = await Promise.allSettled([
      outbox.receive([broken], start),
      ask(),
      outbox.receive([broken], start),
    ]);
    for (const one of [before, after]) {
      expect(one).toMatchObject({ status: 'rejected' });
      expect(one.status === 'rejected' && one.reason).toBeInstanceOf(WrongValues);
    }
    if (asked.status === 'rejected') throw asked.reason;
    return asked.value;
  };
  expect(await beside(() => outbox.add({ account: 1, messages: [message('d')], now: start }))).toEqual([true]);
  const [first = 0, second = 0] = (await beside(() => outbox.takeReports({ ...all, limit: 2 }))).map(one => one.id);
  await beside(() => outbox.reportsGiven([first]));
  await beside(() => outbox.reportsGivenBack([second]));
  expect((await outbox.takeReports(all)).map(one => one.message.messageId)).toEqual(['b', 'c']);
  expect((await outbox.stats()).openReports).toBe(2);
});

it('a file that lost a table → nothing that was asked is to blame', async () => {
  const { path, outbox } = await opened();
  const db = new DatabaseSync(path);
  db.exec('DROP TABLE parked');
  db.close();
  const event = { accounts: [1], page, psid: 'p', kind: 'delivered', mids: ['mid'], at: start } as const;
  await expect(outbox.receive([event], start)).rejects.toBeInstanceOf(Unavailable);
  expect(await outbox.add({ account: 1, messages: [message('m1')], now: start })).toEqual([true]);
});

it('a thread that ended → nothing that was asked is to blame, another goes on, and what callers took stays theirs', async () => {
  const { outbox, endThread, pausesMs } = await opened();
  const ended = ['a', 'b'].map(id => message(id, { end: blocked }));
  await outbox.add({ account: 1, messages: [...ended, message('m1')], now: start });
  await tellAll(outbox);
  const all = { account: 1, limit: 10 };
  const [taken] = await outbox.takeReports({ ...all, limit: 1 });
  const claimed = await outbox.claim([want], start);
  endThread();
  const asked = outbox.untold(1);
  await expect(asked).rejects.toThrow('the thread of the outbox ended');
  await expect(asked).rejects.toBeInstanceOf(Unavailable);
  expect(await outbox.claim([want], start)).toEqual([]);
  await outbox.settle(
    claimed.map(({ id }) => ({ id, kind: 'done' })),
    start,
  );
  expect(await outbox.stats()).toMatchObject({ queued: 0, sending: 0, untold: 1 });
  expect((await outbox.takeReports(all)).map(one => one.message.messageId)).toEqual(['b']);
  await outbox.reportsGiven([taken?.id ?? 0]);
  expect((await outbox.stats()).openReports).toBe(1);
  expect(pausesMs).toEqual([0]);
  // One that ends again soon is not started at once, and then all the same.
  endThread();
  await expect(outbox.stats()).rejects.toBeInstanceOf(Unavailable);
  await expect.poll(() => outbox.stats().catch(() => undefined)).toMatchObject({ openReports: 1 });
  expect(pausesMs).toEqual([0, 100]);
});

it('its file moved away, with a copy in its place, a link to nowhere or none → nothing is taken or given until it is back', async () => {
  const { path, outbox } = await opened();
  await outbox.add({ account: 1, messages: [message('a')], now: start });
  const replacements = [() => {}, () => copyFileSync(`${path}.moved`, path), () => symlinkSync(path, path)];
  for (const replace of replacements) {
    renameSync(path, `${path}.moved`);
    replace();
    await expect(outbox.add({ account: 1, messages: [message('b')], now: start })).rejects.toBeInstanceOf(Unavailable);
    await expect(outbox.claim([want], start)).rejects.toBeInstanceOf(Unavailable);
    renameSync(`${path}.moved`, path);
  }
  expect((await outbox.claim([want], start)).map(one => one.message.messageId)).toEqual(['a']);
});

it('its thread ends while its file is away → none is made in its place, and all goes on once it is back', async () => {
  const { path, outbox, endThread } = await opened();
  await outbox.add({ account: 1, messages: [message('a')], now: start });
  const files = [path, `${path}-wal`, `${path}-shm`].filter(existsSync);
  for (const file of files) renameSync(file, `${file}.moved`);
  endThread();
  await expect(outbox.stats()).rejects.toBeInstanceOf(Unavailable);
  await expect(outbox.stats()).rejects.toThrow('is not there any more');
  expect(existsSync(path)).toBe(false);
  for (const file of files) renameSync(`${file}.moved`, file);
  await expect
    .poll(() => outbox.claim([want], start).catch(() => []), { timeout: 10_000 })
    .toMatchObject([{ message: { messageId: 'a' } }]);
});

const onDisks = it.skipIf(!MountedDisk.isAvailable);

onDisks('nothing can be kept on its disk → what changes nothing says so too, until something can be', async () => {
  const { disk, outbox } = await onSmallDisk();
  await outbox.add({ account: 1, messages: [message('a')], now: start });
  disk.fill();
  const many = Array.from({ length: 500 }, (_, number) => message(`m${number}`));
  await expect(outbox.add({ account: 1, messages: many, now: start })).rejects.toBeInstanceOf(Unavailable);
  await expect(outbox.waiting(start)).rejects.toBeInstanceOf(Unavailable);
  await expect(outbox.stats()).rejects.toBeInstanceOf(Unavailable);
  disk.makeRoom();
  expect(await outbox.stats()).toMatchObject({ queued: 1 });
  expect((await outbox.claim([want], start)).map(one => one.message.messageId)).toEqual(['a']);
});

onDisks(
  'its thread begins while its file can only be read → nothing is given, and as ever once it can be written',
  async () => {
    const { disk, outbox, endThread } = await onSmallDisk();
    await outbox.add({ account: 1, messages: [message('a')], now: start });
    const open = disk.closeForWriting();
    endThread();
    await expect(outbox.stats()).rejects.toBeInstanceOf(Unavailable);
    await expect(outbox.waiting(start)).rejects.toBeInstanceOf(Unavailable);
    await expect(outbox.waiting(start)).rejects.toBeInstanceOf(Unavailable);
    open();
    await expect
      .poll(() => outbox.claim([want], start).catch(() => []), { timeout: 10_000 })
      .toMatchObject([{ message: { messageId: 'a' } }]);
  },
);

onDisks('a disk that can only be read, at the start → refused in words', async () => {
  const disk = MountedDisk.mount(2 * 1024 * 1024);
  onTestFinished(() => disk.remove());
  const open = disk.closeForWriting();
  onTestFinished(open);
  const refused = openSqliteOutbox(join(disk.folder, 'outbox.db'));
  await expect(refused).rejects.toBeInstanceOf(Unusable);
  await expect(refused).rejects.toThrow('read-only file system');
});

async function onSmallDisk() {
  const disk = MountedDisk.mount(2 * 1024 * 1024);
  onTestFinished(() => disk.remove());
  return { disk, ...(await opened(join(disk.folder, 'data'))) };
}

/** From the present schema back to that of before `is_in_line`. */
const schemaBefore = `
  ${['in_line', 'scheduled', 'open_reports', 'pushes']
    .flatMap(name => ['added', 'removed', 'changed'].map(change => `DROP TRIGGER ${name}_${change};`))
    .join('')}
  DELETE FROM counter WHERE name IN ('in_line', 'scheduled', 'open_reports', 'pushes');
  DROP INDEX message_in_line;
  ALTER TABLE message DROP COLUMN is_in_line;
  CREATE INDEX message_of_conversation ON message (account, sender, destination, place) WHERE state IN (1, 2, 3);
  DROP INDEX message_of_person;
  CREATE INDEX message_open ON message (account, sender, psid, delivery, meta_at) WHERE state = 4 AND seen_at IS NULL;
  CREATE INDEX message_seen ON message (account, sender, psid, meta_at) WHERE seen_at IS NOT NULL;
  CREATE INDEX step_of_message ON step (message);
  PRAGMA user_version = 8;
`;

it('a file of before, with messages in every state → is taken over: each in its line, followed to its end', async () => {
  const { path, outbox } = await opened();
  const of = (destination: string, ...ids: readonly string[]) => ids.map(id => message(id, { destination }));
  const later = message('later', { destination: 'p4', dueAt: start + 100_000 });
  await outbox.add({
    account: 1,
    messages: [...of('p1', 'sent', 'next'), ...of('p2', 'unknown', 'held', 'last'), ...of('p3', 'under way'), later],
    now: start,
  });
  const idOf = new Map((await outbox.claim([want], start)).map(one => [one.message.messageId, one.id]));
  await outbox.settle(
    [
      { id: idOf.get('sent') ?? 0, kind: 'sent', mid: 'mid' },
      { id: idOf.get('unknown') ?? 0, kind: 'unknown' },
    ],
    start,
  );
  await outbox.close();
  const file = new DatabaseSync(path);
  file.exec(schemaBefore);
  file.close();
  const again = await openSqliteOutbox(path);
  onTestFinished(() => again.close());
  expect(await again.stats()).toMatchObject({ scheduled: 1, queued: 3, sending: 1, unknown: 1 });
  await again.recover('requeue', start);
  const claimedBy = async (now: number) => (await again.claim([want], now)).map(one => one.message.messageId).sort();
  expect(await claimedBy(start)).toEqual(['next', 'under way']);
  // What is unknown holds up its conversation for ten seconds, and only the first of it goes then.
  expect(await claimedBy(start + 10_000)).toEqual(['held']);
  expect(await claimedBy(start + 100_000)).toEqual(['later']);
  await again.receive([{ accounts, page, psid: 'p1', kind: 'read', watermark: start, at: start + 5 }], start + 5);
  const told = await tellAll(again);
  expect(told.filter(one => one.messageId === 'sent').map(one => one.seenAt)).toEqual([
    undefined,
    undefined,
    undefined,
    start + 5,
  ]);
});

/** An outbox of a file, and a way to end the thread that holds it. */
async function opened(folder = mkdtempSync(join(tmpdir(), 'sentlog-outbox-'))) {
  const path = join(folder, 'outbox.db');
  const threads: Worker[] = [];
  const pausesMs: unknown[] = [];
  const hear = (worker: Worker) => threads.push(worker);
  process.on('worker', hear);
  const outbox = await openSqliteOutbox(path, (_, detail) => pausesMs.push(Reflect.get(detail, 'pauseMs')));
  onTestFinished(async () => {
    process.off('worker', hear);
    await outbox.close();
    rmSync(folder, { recursive: true, force: true });
  });
  // It reads what it is asked for, and this is nothing.
  const endThread = () => threads.at(-1)?.postMessage(null);
  return { path, outbox, endThread, pausesMs };
}
