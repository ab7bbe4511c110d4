import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JournalRows } from '../../src/store/embedded/rows/journal-rows.ts';
import { messageCells, reportCells } from '../../src/store/embedded/rows/row-cells.ts';
import { messageSum, reportSum } from '../../src/store/embedded/rows/row-sums.ts';
import type { Rows } from '../../src/store/embedded/rows/rows.ts';
import { changeLogFields } from './log-json.ts';

/** As versions before the journal made it. */
const schema = `
  PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; BEGIN;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE message (
    ordinal INTEGER PRIMARY KEY, account INTEGER NOT NULL, sent_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    status INTEGER NOT NULL, error INTEGER NOT NULL, at INTEGER NOT NULL, done_at INTEGER, seen_at INTEGER,
    price REAL, currency TEXT, message_count INTEGER NOT NULL, extra TEXT, sum INTEGER NOT NULL, body TEXT NOT NULL
  );
  CREATE TABLE report (
    sequence INTEGER PRIMARY KEY, previous INTEGER NOT NULL, status INTEGER NOT NULL, error INTEGER NOT NULL,
    at INTEGER NOT NULL, done_at INTEGER, seen_at INTEGER, price REAL, currency TEXT, extra TEXT, sum INTEGER NOT NULL,
    message INTEGER NOT NULL, received_at INTEGER NOT NULL, said TEXT NOT NULL,
    account INTEGER NOT NULL, sent_at INTEGER NOT NULL, changed INTEGER NOT NULL,
    moved TEXT
  ); COMMIT;`;

/** Writes rows into the SQLite file that a version before the journal would have written. */
export function writeEarlierRows(path: string, rows: Rows): void {
  const meta = rows.meta();
  const db = new DatabaseSync(path);
  db.exec(schema);
  db.exec('BEGIN');
  const insertMeta = db.prepare('INSERT INTO meta (name, value) VALUES (?, ?)');
  for (const [name, value] of Object.entries({ formatVersion: 2, ...meta })) insertMeta.run(name, value);
  const message = db.prepare(`INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  for (const row of rows.messagesFrom(0, 1e6))
    message.run(...messageCells(row).slice(0, 13), messageSum(row), row.body);
  const report = db.prepare(`INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  for (const row of rows.reportsFrom(meta.firstSequence, 1e6))
    report.run(...reportCells(row).slice(0, 10), reportSum(row), ...reportCells(row).slice(10));
  db.exec('COMMIT');
  db.close();
}

/** Makes a closed log's folder what a version before the journal left: rows in SQLite files, and no index yet. */
export function makeEarlier(dataDir: string): void {
  const folder = join(dataDir, 'segments');
  for (const name of readdirSync(folder)) {
    if (/\.(?:index|facets)$/.test(name)) rmSync(join(folder, name));
    if (!name.endsWith('.journal')) continue;
    const rows = new JournalRows(join(folder, name));
    writeEarlierRows(join(folder, name.replace('.journal', '.rows.db')), rows);
    rows.close();
    rmSync(join(folder, name));
  }
  changeLogFields(dataDir, fields => ({ ...fields, formatVersion: 2 }), { write: JSON.stringify });
}
