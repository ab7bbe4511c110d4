import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { makeEarlier } from '../../support/earlier-folder.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';

const now = Date.UTC(2026, 5, 1, 12);
const price = { pricePerMessage: 0, currency: 'EUR' };
const all = { account: 1, filter: {}, sentSince: 0, limit: 10, walk: false };

/** The checksums of these rows: as they are, and as version 0.1.0 took them when the price came as -0. */
const sums = { message: [938251689, 2322623327], report: [3262863830, 262586990] };

test('checksums that version 0.1.0 took over a price of -0 → the rows are sound, and a wrong one is still seen', async () => {
  const log = new SqliteLog();
  try {
    const store = await log.open();
    const message = { ...submission(0), messageId: 'zero', sender: 'page', destination: 'person', sentAt: now - 1000 };
    const submissions = [
      { ...message, contentJson: '{"text":"a","type":"TEXT"}', price },
      { messageId: 'zero', at: now, price: { pricePerMessage: 1, currency: 'EUR' } },
    ];
    await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
    await store.close();
    makeEarlier(log.dataDir);
    const db = new DatabaseSync(join(log.dataDir, 'segments', '000000001.rows.db'));
    const stored = db.prepare('SELECT sum FROM message').get();
    expect(stored).toMatchObject({ sum: sums.message[0] });
    const sumAs = (table: 'message' | 'report', sum: number) => db.exec(`UPDATE ${table} SET sum = ${sum}`);
    db.exec(`UPDATE report SET price = 0, status = 30005, at = ${now}, sum = ${sums.report[1]}`);
    sumAs('message', sums.message[1] ?? 0);
    const again = await log.open();
    expect(log.witness.damagedParts).toEqual([]);
    expect((await again.find(all)).logs).toMatchObject([{ messageId: 'zero', price }]);
    await again.close();
    sumAs('report', (sums.report[0] ?? 0) + 1);
    db.close();
    // Without its index each row is read at the start.
    rmSync(join(log.dataDir, 'segments', '000000001.index'), { force: true });
    await (await log.open()).close();
    expect(log.witness.damagedParts).toHaveLength(1);
  } finally {
    log.remove();
  }
});
