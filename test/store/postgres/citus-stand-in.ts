import type { AccountId } from '../../../src/domain/message.ts';
import { distributedTables } from '../../../src/store/postgres/schema/citus.ts';
import type { PostgresDatabase } from './database.ts';

/** What the stand-in's two nodes are called. */
export const nodes = ['node-0:5432', 'node-1:5432'] as const;

/**
 * Has a database of plain PostgreSQL pass for a coordinator of Citus with two nodes, as far as a program asks for that:
 * its catalogs say so, and `summed` is in two parts by account, `summed_0` and `summed_1`. Whoever locks one of them has
 * that node answer nothing.
 */
export async function standInForCitus(database: PostgresDatabase): Promise<void> {
  const store = await database.open();
  await store.close();
  // A plan for any account would lock both parts.
  await database.query(
    `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET plan_cache_mode = force_custom_plan`,
  );
  const spread = distributedTables.map(table => `('${table}', 'h')`).join();
  await database.query(`
    SET search_path = sentlog;
    ALTER TABLE summed RENAME TO summed_before;
    CREATE TABLE summed (account_id bigint PRIMARY KEY, until_tx bigint NOT NULL) PARTITION BY HASH (account_id);
    CREATE TABLE summed_0 PARTITION OF summed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE summed_1 PARTITION OF summed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char");
    INSERT INTO pg_dist_partition VALUES ${spread};
    CREATE TABLE pg_dist_node
      (groupid integer, nodename text, nodeport integer, noderole text, isactive boolean, shouldhaveshards boolean);
    CREATE TABLE pg_dist_placement (shardid bigint, groupid integer);
    INSERT INTO pg_dist_node SELECT n, 'node-' || n, 5432, 'primary', true, true FROM generate_series(0, 1) n;
    INSERT INTO pg_dist_placement SELECT n, n FROM generate_series(0, 1) n;
    CREATE FUNCTION get_shard_id_for_distribution_column(regclass, bigint) RETURNS bigint LANGUAGE sql
      AS $$ SELECT satisfies_hash_partition('sentlog.summed'::regclass, 2, 1, $2)::integer::bigint $$;
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
      SELECT 99999, 'citus', 10, oid, false, '0' FROM pg_namespace WHERE nspname = 'pg_catalog'`);
}

/** An account that lies on one of the nodes. */
export async function accountOn(database: PostgresDatabase, node: 0 | 1): Promise<AccountId> {
  const [{ account } = {}] = await database.query(
    `SELECT min(n) AS account FROM generate_series(1::bigint, 100) n
     WHERE sentlog.get_shard_id_for_distribution_column('sentlog.summed', n) = ${node}`,
  );
  return Number(account);
}
