import { integer, optional } from '../../../postgres/cells.ts';
import type { Database } from '../log/database.ts';

/** A row of its own, of no account, says until when all accounts are added up: from there on are the few that are not. */
const allSummed = 'SELECT s.until_tx FROM summed s WHERE s.account_id = 0';

/** Behind what all accounts are added up. */
export async function allSummedUntil(source: Pick<Database, 'read'>): Promise<number> {
  const [[until] = []] = await source.read({ name: 'all summed', text: allSummed });
  return optional(until, integer) ?? 0;
}

/**
 * Begins a statement on the recordings that are not added up, of those from a transaction on, by the index of their
 * transactions: as `notSummedFrom` has them.
 */
export function notSummed(since: number, before?: number): string {
  const end = before === undefined ? '' : `AND r.tx < ${before}`;
  return `WITH late AS MATERIALIZED (
    SELECT r.account_id, r.tx, r.generation, r.messages, r.reports, r.oldest_sent_at, r.newest_sent_at
    FROM recording r WHERE r.tx >= ${since} ${end})`;
}

export const notSummedFrom = 'late r JOIN summed s ON s.account_id = r.account_id AND r.tx >= s.until_tx';
