import pg from 'pg';
import type { Job, NewJob, Queue, Sent } from './plain-queue.ts';

const connections = 8;

/** One PostgreSQL table: one statement a call. */
export class PlainPostgresQueue implements Queue {
  readonly #pool: pg.Pool;

  private constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  static async open(url: string): Promise<PlainPostgresQueue> {
    const pool = new pg.Pool({ connectionString: url, max: connections });
    await pool.query(`CREATE TABLE IF NOT EXISTS job (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      message_id text NOT NULL UNIQUE, page text NOT NULL, body text NOT NULL, state smallint NOT NULL DEFAULT 0, mid text)`);
    await pool.query('CREATE INDEX IF NOT EXISTS job_waiting ON job (id) WHERE state = 0');
    await pool.query('CREATE INDEX IF NOT EXISTS job_mid ON job (mid) WHERE mid IS NOT NULL');
    return new PlainPostgresQueue(pool);
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    await this.#pool.query(
      'INSERT INTO job (message_id, page, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])',
      [jobs.map(one => one.messageId), jobs.map(one => one.page), jobs.map(one => one.body)],
    );
  }

  async take(count: number): Promise<readonly Job[]> {
    const { rows } = await this.#pool.query(
      `UPDATE job SET state = 1 WHERE id IN
         (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING id, page, message_id, body`,
      [count],
    );
    return rows.map(row => ({ id: Number(row.id), page: row.page, messageId: row.message_id, body: row.body }));
  }

  async sent(those: readonly Sent[]): Promise<void> {
    await this.#pool.query(
      'UPDATE job SET state = 2, mid = s.mid FROM unnest($1::bigint[], $2::text[]) s(id, mid) WHERE job.id = s.id',
      [those.map(one => one.id), those.map(one => one.mid)],
    );
  }

  async delivered(mids: readonly string[]): Promise<void> {
    if (mids.length > 0) await this.#pool.query('UPDATE job SET state = 3 WHERE mid = ANY ($1::text[])', [mids]);
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
