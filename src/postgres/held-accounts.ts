import { limits } from '../limits.ts';
import { integer, truth } from './cells.ts';
import type { Session } from './session.ts';

/** What the log holds of an account, whether or not that account is there. */
export type HeldAccount = { readonly id: number; readonly messages: number; readonly newestSentAt: number };

/** Whether there are messages and no account at all: the accounts are lost, and those made anew are others. */
export async function lacksAccounts(session: Pick<Session, 'query'>): Promise<boolean> {
  const [[there] = []] = await session.query('SELECT EXISTS (SELECT FROM account)');
  if (truth(there)) return false;
  const [[held] = []] = await session.query('SELECT EXISTS (SELECT FROM recording) OR EXISTS (SELECT FROM tally)');
  return truth(held);
}

/** The accounts that the log has messages of, by their ids; those of the last seconds may be counted or not. */
export async function accountsHeld(session: Pick<Session, 'query'>): Promise<readonly HeldAccount[]> {
  const rows = await session.query(accountsHeldQuery);
  const held = new Map<number, HeldAccount>();
  for (const [slice, messages, newestSentAt] of rows) {
    // Of an account that is spread, each slice comes for itself.
    const id = integer(slice) % limits.accountIdEnd;
    const before = held.get(id);
    held.set(id, {
      id,
      messages: integer(messages) + (before?.messages ?? 0),
      newestSentAt: Math.max(integer(newestSentAt), before?.newestSentAt ?? -Infinity),
    });
  }
  return [...held.values()].sort((a, b) => a.id - b.id);
}

/** The accounts that senders are of; mirrors are of accounts that are there. */
export async function accountsPlaced(session: Pick<Session, 'query'>): Promise<readonly number[]> {
  const rows = await session.query('SELECT s.account_id FROM sender s UNION SELECT p.account_id FROM report_place p');
  return rows.map(([id]) => integer(id));
}

const accountsHeldQuery = `
  SELECT h.account_id, sum(h.messages)::bigint, max(h.newest_sent_at) FROM (
    SELECT t.account_id, t.messages, t.newest_sent_at FROM tally t
    UNION ALL
    SELECT r.account_id, r.messages, r.newest_sent_at
      FROM summed s JOIN recording r ON r.account_id = s.account_id AND r.tx >= s.until_tx
  ) h GROUP BY h.account_id`;
