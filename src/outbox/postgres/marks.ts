import { states } from '../states.ts';
import { steps } from '../telling.ts';
import { telling } from './steps.ts';

/** By a receipt of a later moment. It counts for the moment of sending. */
export const implies = (from: string, at: string) => `
  UPDATE outbox_message m SET delivery = 1, implied_at = least(${at}, m.meta_at), deadline = NULL FROM ${from} AND m.delivery = 0
  RETURNING m.id, m.implied_at, ${at} AS delivered_at`;
/** A read implies the delivery, too: where nothing of it was known, both are told, in that order. */
export const sees = (from: string, wasDelivered: string, at: string) => `
  WITH c AS (
    UPDATE outbox_message m SET seen_at = ${at}, delivery = greatest(m.delivery, 1), deadline = NULL,
      implied_at = CASE ${wasDelivered} WHEN 0 THEN least(${at}, m.meta_at) ELSE m.implied_at END
    FROM ${from} AND (m.seen_at IS NULL OR m.seen_at > ${at})
    RETURNING m.id, m.implied_at, ${at} AS seen_at, ${wasDelivered} = 0 AS is_implied)
  INSERT INTO outbox_step (message, happened_at, status, error, done_at, seen_at)
  SELECT s.id, s.happened_at, s.status, s.error, s.done_at, s.seen_at FROM (
    SELECT c.id, 0 AS nr, c.implied_at AS happened_at, ${steps.delivered.status.key} AS status,
      ${steps.delivered.error.key} AS error, c.seen_at AS done_at, NULL::bigint AS seen_at FROM c WHERE c.is_implied
    UNION ALL SELECT c.id, 1, c.seen_at, NULL, NULL, NULL, c.seen_at FROM c) s
  ORDER BY s.nr, s.id`;
export const tellImplied = telling({ at: 'c.implied_at', codes: steps.delivered, doneAt: 'c.delivered_at' });

const marks = `unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
  w(account_id, page, psid, watermark, happened_at)`;
const markBefore = (to: 'delivered_to' | 'read_to') => `coalesce((SELECT v.${to} FROM outbox_conversation v
  WHERE v.account_id = w.account_id AND v.page = w.page AND v.psid = w.psid), -1)`;
/**
 * Of each message the earliest that covers it, of those that no mark before covered: to be asked before the mark is kept.
 * Conversation by conversation: all open messages would be looked through.
 */
const covered = (isBetween: string, isOpen: string) => `(
  SELECT DISTINCT ON (o.id) o.id, o.delivery, w.happened_at FROM ${marks} CROSS JOIN LATERAL (
    SELECT m.id, m.delivery FROM outbox_message m
    WHERE m.account_id = w.account_id AND m.sender = w.page AND m.psid = w.psid AND ${isBetween}
      AND m.state = ${states.sent} AND ${isOpen} OFFSET 0) o
  ORDER BY o.id, w.happened_at) r WHERE m.id = r.id`;
const isBeforeMark = `m.meta_at >= ${markBefore('delivered_to')} AND m.meta_at < w.watermark`;
const isUpToMark = `m.meta_at > ${markBefore('read_to')} AND m.meta_at <= w.watermark`;

const deliveredBefore = {
  name: 'outbox messages delivered before',
  text: `WITH c AS (${implies(covered(isBeforeMark, 'm.delivery = 0'), 'r.happened_at')}) ${tellImplied}`,
};
const readUpTo = {
  name: 'outbox messages read',
  text: sees(covered(isUpToMark, 'm.seen_at IS NULL'), 'r.delivery', 'r.happened_at'),
};
/**
 * A read that happened before one that was heard of already: what that one told of is seen from the earliest on. Whoever saw a
 * message had seen those before it: behind the last that was seen as early nothing is looked at.
 */
const ofReader = (one: string) =>
  `${one}.account_id = w.account_id AND ${one}.sender = w.page AND ${one}.psid = w.psid AND ${one}.meta_at <= w.watermark
    AND ${one}.seen_at IS NOT NULL`;
const seenEarlier = {
  name: 'outbox messages seen earlier',
  text: `WITH c AS (
      UPDATE outbox_message m SET seen_at = r.happened_at FROM (
        SELECT DISTINCT ON (o.id) o.id, w.happened_at FROM ${marks}
        JOIN outbox_conversation v ON v.account_id = w.account_id AND v.page = w.page AND v.psid = w.psid
          AND v.read_at > w.happened_at
        CROSS JOIN LATERAL (SELECT s.id FROM outbox_message s WHERE ${ofReader('s')} AND s.seen_at > w.happened_at
          AND s.meta_at > coalesce((SELECT b.meta_at FROM outbox_message b WHERE ${ofReader('b')}
            AND b.seen_at <= w.happened_at ORDER BY b.meta_at DESC LIMIT 1), -1) OFFSET 0) o
        ORDER BY o.id, w.happened_at) r
      WHERE m.id = r.id RETURNING m.id, m.seen_at)
    ${telling({ at: 'c.seen_at', seenAt: 'c.seen_at' })}`,
};
/** So exact is it known when a conversation changed last: it stands in an index, where each change costs more than all else. */
export const changedMs = 3_600_000;
const keepMark = (to: string, at: string) => `
  INSERT INTO outbox_conversation (account_id, page, psid, ${to}, ${at}, changed_at)
  SELECT DISTINCT ON (w.account_id, w.page, w.psid) w.account_id, w.page, w.psid, w.watermark, w.happened_at, $6::bigint
  FROM ${marks} ORDER BY w.account_id, w.page, w.psid, w.watermark DESC, w.happened_at
  ON CONFLICT (account_id, page, psid) DO UPDATE SET ${to} = excluded.${to}, ${at} = excluded.${at},
    changed_at = CASE WHEN excluded.changed_at - outbox_conversation.changed_at BETWEEN 0 AND ${changedMs}
      THEN outbox_conversation.changed_at ELSE excluded.changed_at END
  WHERE outbox_conversation.${to} IS NULL OR outbox_conversation.${to} < excluded.${to}
    OR outbox_conversation.${to} = excluded.${to} AND outbox_conversation.${at} > excluded.${at}`;
const deliveredTo = { name: 'outbox conversations delivered', text: keepMark('delivered_to', 'delivered_at') };
const readTo = { name: 'outbox conversations read', text: keepMark('read_to', 'read_at') };

/** What marks tell of messages, and how far they reach from then on. */
export const byDeliveries = { tell: [deliveredBefore], keep: deliveredTo };
export const byReads = { tell: [seenEarlier, readUpTo], keep: readTo };
