import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { pushAgainMostMs } from '../reporting.ts';
import { states } from '../states.ts';
import type { OutboxRows } from './rows.ts';

const some = (table: string, where: string) =>
  `id IN (SELECT id FROM ${table} WHERE ${where} LIMIT ${limits.outboxStepMax})`;
const again = `UPDATE message SET due_at = ?1 + ${limits.conversationHoldMs}
  WHERE ${some('message', `is_head = 1 AND due_at > ?1 + ${limits.sendAgainMsMax}`)}`;
const claimed = `UPDATE message SET claimed_at = ?1 WHERE ${some('message', `state = ${states.claimed} AND claimed_at > ?1`)}`;
const unknown = `UPDATE message SET claimed_at = ?1, deadline = min(deadline, ?1 + ${limits.echoWaitMs})
  WHERE ${some('message', `state = ${states.unknown} AND claimed_at > ?1`)}`;
const pushes = `UPDATE report SET push_at = ?1
  WHERE ${some('report', `push_at IS NOT NULL AND push_at > ?1 + ${pushAgainMostMs('push_tries')}`)}`;

/**
 * Nothing waits longer than it may from now on; `true` when there may be more. What is tried again has been after what is
 * unknown of its conversation, in any case.
 */
export function clockSetBack(rows: OutboxRows, now: EpochMs): boolean {
  const changed = [again, claimed, unknown, pushes].map(statement => rows.run(statement, now));
  return changed.includes(limits.outboxStepMax);
}
