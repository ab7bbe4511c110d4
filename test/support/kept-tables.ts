import { migrate } from '../../src/postgres/migrate.ts';
import type { PostgresServer } from './postgres-server.ts';

export type KeptPlace = { readonly url: string; readonly schema: string };

/** Those that their making fills. */
const filled = ['migration', 'generation', 'total_until', 'retention_change'].map(name => `'${name}'`).join();

/**
 * Schemas with all tables of sentlog in one database, which the tests of a file have one after the other: to delete what
 * a test left takes a twentieth of the CPU of making the tables, which was most of what such a test took.
 */
export class KeptTables {
  readonly #server: PostgresServer;
  readonly #url: string;
  readonly #free: KeptPlace[] = [];
  #made = 0;

  constructor(server: PostgresServer) {
    this.#server = server;
    this.#url = server.url('postgres');
  }

  /** Tables without rows, until they are given back. */
  async take(): Promise<KeptPlace> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const place = { url: this.#url, schema: `kept_${++this.#made}` };
    await migrate(place, () => {});
    return place;
  }

  /** Nobody may be at work on them. */
  async giveBack(place: KeptPlace): Promise<void> {
    await this.#server.query(
      `DO $$ DECLARE kept text; BEGIN
         SET LOCAL session_replication_role = replica;
         FOR kept IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
           WHERE schemaname = '${place.schema}' AND tablename NOT IN (${filled})
         LOOP EXECUTE 'DELETE FROM ' || kept; END LOOP;
       END $$`,
      this.#url,
    );
    this.#free.push(place);
  }
}
