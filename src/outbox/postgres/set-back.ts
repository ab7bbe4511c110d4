import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { bigints } from '../../postgres/arrays.ts';
import { integer } from '../../postgres/cells.ts';
import type { Transaction } from '../../postgres/session.ts';
import { pushAgainMostMs } from '../reporting.ts';
import { states } from '../states.ts';
import type { PageRows } from './pages.ts';

/** As in the embedded engine. Processes whose clocks differ change nothing that is right by any of them. */
export async function clockSetBack(session: Transaction, pages: PageRows, now: EpochMs): Promise<boolean> {
  const pushed = (await session.query(pushes, [now])).length;
  const ids = (await session.query(ahead, [now])).map(([id]) => integer(id));
  if (ids.length > 0) {
    pages.holdOf(session, ids);
    await session.query(messages, [bigints(ids), now]);
  }
  return pushed === limits.outboxStepMax || ids.length === limits.outboxStepMax;
}

const isAhead = (state: number, now: string) => `m.state = ${state} AND m.claimed_at > ${now}::bigint`;
/** By an index for each: the table holds what was sent in a month. */
const ahead = {
  name: 'outbox messages of a clock before',
  text: `SELECT m.id FROM outbox_message m WHERE m.is_head AND m.due_at > $1::bigint + ${limits.sendAgainMsMax}
    UNION ALL SELECT m.id FROM outbox_message m WHERE ${isAhead(states.claimed, '$1')}
    UNION ALL SELECT m.id FROM outbox_message m WHERE ${isAhead(states.unknown, '$1')} LIMIT ${limits.outboxStepMax}`,
};
/** What was claimed or settled meanwhile, by the clock as it is now, stays. */
const messages = {
  name: 'outbox messages by the clock as it is',
  text: `UPDATE outbox_message m SET
      due_at = CASE WHEN m.is_head THEN least(m.due_at, $2::bigint + ${limits.conversationHoldMs}) ELSE m.due_at END,
      claimed_at = CASE WHEN ${isAhead(states.claimed, '$2')} OR ${isAhead(states.unknown, '$2')} THEN $2::bigint ELSE m.claimed_at END,
      deadline = CASE WHEN ${isAhead(states.unknown, '$2')} THEN least(m.deadline, $2::bigint + ${limits.echoWaitMs})
        ELSE m.deadline END
    WHERE m.id = ANY ($1::bigint[])`,
};
const pushes = {
  name: 'outbox pushes by the clock as it is',
  text: `UPDATE outbox_report SET push_at = $1::bigint WHERE id IN (
      SELECT r.id FROM outbox_report r WHERE r.push_at IS NOT NULL AND r.push_at > $1::bigint + ${pushAgainMostMs('r.push_tries')}
      LIMIT ${limits.outboxStepMax} FOR UPDATE SKIP LOCKED)
    RETURNING id`,
};
