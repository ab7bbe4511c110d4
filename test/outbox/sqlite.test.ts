import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { Unavailable, WrongValues } from '../../src/failures.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { sendingConformance } from './conformance.ts';
import { receiptConformance } from './receipts.ts';
import { reportConformance } from './reports.ts';
import { blocked, message, page, start, tellAll, want } from './support.ts';

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

/** An outbox of a file, and a way to end the thread that holds it. */
async function opened() {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-outbox-'));
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
