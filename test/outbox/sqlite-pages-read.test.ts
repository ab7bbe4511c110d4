import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Want } from '../../src/outbox/outbox.ts';
import { openOutboxFile } from '../../src/outbox/sqlite/outbox-file.ts';
import { Queue } from '../../src/outbox/sqlite/queue.ts';
import { Receipts } from '../../src/outbox/sqlite/receipts.ts';
import { ReportRows } from '../../src/outbox/sqlite/report-rows.ts';
import { OutboxRows } from '../../src/outbox/sqlite/rows.ts';
import { TellingRows } from '../../src/outbox/sqlite/telling-rows.ts';
import { steps } from '../../src/outbox/telling.ts';
import { newMessageId } from '../../src/wire/send/send-request.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const now = Date.UTC(2026, 0, 1);
const accounts = [7, 8];
const senders = ['page 1', 'page 2'];
const pages = accounts.flatMap(account => senders.map(sender => ({ account, sender })));
const pageBytes = 4096;

/** What this thread was given of files so far. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/thread-self/io', 'utf8'))?.[1]);
}

/** How many pages of the file each thing that is done all the time reads, with so many messages in line. */
function pagesRead(folder: string, messages: number): Readonly<Record<string, number>> {
  const db = openOutboxFile(join(folder, `${messages}.db`));
  const rows = new OutboxRows(db);
  const receipts = new Receipts(rows);
  const reports = new ReportRows(rows);
  const telling = new TellingRows(rows, reports);
  const queue = new Queue(rows, receipts);
  let people = 100_000;
  const add = (count: number) => {
    for (let nr = 0; nr < count; nr++) {
      const { account = 0, sender = '' } = pages[nr % pages.length] ?? {};
      const messageId = newMessageId();
      const kept = JSON.stringify({ messageId, sender, contentJson: '{"type":"TEXT","text":"hello"}' });
      const added = [messageId, sender, `${people++}`, 0, now, now + 3_600_000, null, kept, null, null] as const;
      queue.add({ account, texts: [JSON.stringify([added])], now });
    }
  };
  db.exec('BEGIN');
  add(messages);
  db.exec('COMMIT');
  const read = new Map<string, number>();
  const count = <T>(name: string, work: () => T): T => {
    db.exec('PRAGMA shrink_memory; BEGIN IMMEDIATE');
    const before = bytesRead();
    const result = work();
    read.set(name, (bytesRead() - before) / pageBytes);
    db.exec('COMMIT');
    return result;
  };
  count('add', () => add(20));
  const wants = pages.map((page): Want => ({ ...page, lane: 'text', count: 2 }));
  expect(count('waiting', () => queue.waiting(now)).pages).toHaveLength(pages.length);
  const claimed = count('claim', () => queue.claim(wants, now)).flat();
  expect(claimed).toHaveLength(2 * pages.length);
  const [again = 0, ...sent] = claimed.map(([id]) => id);
  count('settle', () => {
    queue.settle([{ id: again, kind: 'again', dueAt: now + 1000, counts: true }], now);
    const failed = sent.pop() ?? 0;
    queue.settle(
      [
        {
          id: failed,
          kind: 'failed',
          statusKey: steps.expiredUnsent.status.key,
          errorKey: steps.expiredUnsent.error.key,
        },
      ],
      now,
    );
    for (const id of sent) queue.settle([{ id, kind: 'sent', mid: `mid ${id}`, psid: `psid ${id}` }], now);
  });
  count('receive', () => {
    for (const [account, page] of pages.map(one => [one.account, one.sender] as const))
      receipts.receive(
        { kind: 'delivered', accounts: [account], page, psid: 'nobody', at: now, mids: ['mid 0'], watermark: now },
        now,
      );
  });
  count('lapse', () => queue.lapse(now));
  const untold = count('untold', () => telling.untold(10));
  count('told', () =>
    telling.told(
      untold.map(([id]) => Number(id)),
      now,
      new Map(),
    ),
  );
  count('duePushes', () => reports.duePushes([], 32, now));
  const rest = telling.untold(messages * 2).map(([id]) => Number(id));
  db.exec('BEGIN');
  telling.told(rest, now, new Map());
  reports.given([1]);
  db.exec('COMMIT');
  expect(count('stats', () => queue.stats())).toMatchObject({
    queued: Number(rows.get('SELECT count(*) AS count FROM message WHERE is_in_line = 1')?.count),
    openReports: Number(rows.get('SELECT count(*) AS count FROM report WHERE is_open = 1')?.count),
    scheduled: 0,
    pushes: 0,
    untold: 0,
  });
  count('takeReports', () => reports.take({ account: 7, limit: 10 }));
  db.close();
  return Object.fromEntries(read);
}

test('what is done all the time → reads as little of the file, however much waits in line', async () => {
  const folder = temporaryFolder();
  const [few, many] = [pagesRead(folder, 200), pagesRead(folder, 6400)];
  // Each look for a row goes down a step or two more in what is 32 times as long.
  for (const [name, read] of Object.entries(many)) expect(read, name).toBeLessThanOrEqual(2 * (few[name] ?? 0) + 10);
});
