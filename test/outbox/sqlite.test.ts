import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { sendingConformance } from './conformance.ts';
import { receiptConformance } from './receipts.ts';
import { reportConformance } from './reports.ts';

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
