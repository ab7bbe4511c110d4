import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Job, NewJob, Queue, Sent } from './plain-queue.ts';

/** One SQLite file: one transaction a call, every commit on the disk. */
export class PlainSqliteQueue implements Queue {
  readonly #database: DatabaseSync;

  constructor(folder: string) {
    this.#database = new DatabaseSync(join(folder, 'queue.sqlite'));
    this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE job (id INTEGER PRIMARY KEY, message_id TEXT NOT NULL UNIQUE, page TEXT NOT NULL, body TEXT NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, mid TEXT);
      CREATE INDEX job_waiting ON job (id) WHERE state = 0;
      CREATE INDEX job_mid ON job (mid) WHERE mid IS NOT NULL;`);
  }

  add(jobs: readonly NewJob[]): Promise<void> {
    return this.#transact(() => {
      const insert = this.#database.prepare('INSERT INTO job (message_id, page, body) VALUES (?, ?, ?)');
      for (const { messageId, page, body } of jobs) insert.run(messageId, page, body);
    });
  }

  take(count: number): Promise<readonly Job[]> {
    return this.#transact(() =>
      this.#database
        .prepare(
          `UPDATE job SET state = 1 WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?)
           RETURNING id, page, message_id, body`,
        )
        .all(count)
        .map(row => ({
          id: Number(row.id),
          page: String(row.page),
          messageId: String(row.message_id),
          body: String(row.body),
        })),
    );
  }

  sent(those: readonly Sent[]): Promise<void> {
    return this.#transact(() => {
      const update = this.#database.prepare('UPDATE job SET state = 2, mid = ? WHERE id = ?');
      for (const { id, mid } of those) update.run(mid, id);
    });
  }

  delivered(mids: readonly string[]): Promise<void> {
    return this.#transact(() => {
      const update = this.#database.prepare('UPDATE job SET state = 3 WHERE mid = ?');
      for (const mid of mids) update.run(mid);
    });
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async #transact<T>(work: () => T): Promise<T> {
    this.#database.exec('BEGIN IMMEDIATE');
    const result = work();
    this.#database.exec('COMMIT');
    return result;
  }
}
