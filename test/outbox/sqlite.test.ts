import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { sendingConformance } from './conformance.ts';
import { receiptConformance } from './receipts.ts';
import { reportConformance } from './reports.ts';
import { blocked, message, page, start, tellAll } from './support.ts';

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

it('a transaction undone by another’s request → reports it took are free again, and those it gave are not given anew', async () => {
  const at = await makePlace();
  const outbox = await at.open();
  onTestFinished(async () => {
    await outbox.close();
    await at.remove();
  });
  await outbox.add({
    account: 1,
    messages: [message('a', { end: blocked }), message('b', { end: blocked })],
    now: start,
  });
  await tellAll(outbox);
  const all = { account: 1, limit: 10 };
  /** No time has a fraction in the file. The requests share a transaction unless the thread was quicker: then once more. */
  const undone = async <T>(ask: () => Promise<T>, redo: (value: T) => Promise<unknown>) => {
    for (;;) {
      const broken = { accounts: [1], page, psid: 'p', kind: 'delivered', mids: ['mid'], at: 0.5 } as const;
      const [asked, other] = await Promise.allSettled([ask(), outbox.receive([broken], start)]);
      expect(other.status).toBe('rejected');
      if (asked.status === 'rejected') return;
      await redo(asked.value);
    }
  };
  await undone(
    () => outbox.takeReports(all),
    taken => outbox.reportsGivenBack(taken.map(one => one.id)),
  );
  const taken = await outbox.takeReports(all);
  expect(taken.map(one => one.message.messageId)).toEqual(['a', 'b']);
  const [first, second] = taken.map(one => one.id);
  let isGiven = false;
  await undone(
    () => outbox.reportsGiven([first ?? 0]),
    async () => {
      isGiven = true;
    },
  );
  expect(await outbox.takeReports(all)).toEqual([]);
  await undone(
    () => outbox.reportsGivenBack([second ?? 0]),
    () => outbox.takeReports(all),
  );
  expect(await outbox.takeReports(all)).toEqual([]);
  expect((await outbox.stats()).openReports).toBe(isGiven ? 1 : 2);
});
