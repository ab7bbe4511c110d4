import { limits } from '../../../limits.ts';
import { bigints, texts } from '../../../postgres/arrays.ts';
import { integer, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import { RowsInto } from '../rows/rows-into.ts';
import type { HeldReport } from '../rows/written.ts';
import type { Recording } from './record-statements.ts';

const held: Statement = {
  name: 'waiting reports',
  text: `
    SELECT w.message_id, w.number, w.received_at, w.said FROM waiting_report w
    WHERE w.account_id = $1 AND w.message_id = ANY ($2::text[]) ORDER BY w.number`,
};

/** What waits for these messages, in the order it came. Their ids must be claimed or locked. */
export async function heldReports(
  { session, account }: Recording,
  messageIds: readonly string[],
): Promise<readonly HeldReport[]> {
  if (messageIds.length === 0) return [];
  const rows = await session.query(held, [account, texts(messageIds)]);
  return rows.map(row => ({
    messageId: text(row[0]),
    number: integer(row[1]),
    receivedAt: integer(row[2]),
    said: text(row[3]),
  }));
}

const waitingCount: Statement = {
  name: 'waiting count',
  text: `SELECT count(*) FROM (
    SELECT FROM waiting_report w WHERE w.account_id = $1 LIMIT ${limits.waitingOfAccountMax}
  ) w`,
};

/** How many reports of the account wait. */
export async function countWaiting({ session, account }: Recording): Promise<number> {
  const [[count] = []] = await session.query(waitingCount, [account]);
  return integer(count);
}

const waitingRows = new RowsInto<HeldReport>(
  'waiting_report',
  [{ name: 'account_id', type: 'bigint' }],
  [
    { name: 'message_id', type: 'text', of: ({ messageId }) => messageId },
    { name: 'number', type: 'bigint', of: ({ number }) => number },
    { name: 'received_at', type: 'bigint', of: ({ receivedAt }) => receivedAt },
    { name: 'said', type: 'text', of: ({ said }) => said },
  ],
);

const joined: Statement = {
  name: 'joined reports',
  text: `DELETE FROM waiting_report w WHERE w.account_id = $1
    AND w.message_id = ANY ($2::text[]) AND w.number = ANY ($3::bigint[])`,
};

/** Has some reports wait from now on, and some others no more. */
export function writeWaiting(
  recording: Recording,
  { waits, joins }: { readonly waits: readonly HeldReport[]; readonly joins: readonly HeldReport[] },
): void {
  waitingRows.add(recording, [recording.account], waits);
  if (joins.length === 0) return;
  const ids = texts(joins.map(({ messageId }) => messageId));
  recording.session.send(joined, [recording.account, ids, bigints(joins.map(({ number }) => number))]);
}
