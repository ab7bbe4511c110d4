import { integer, optional, type Row, text } from '../../postgres/cells.ts';
import { lockKey } from '../../postgres/locks.ts';
import type { Session, Statement, Transaction, Value } from '../../postgres/session.ts';
import type { Untold } from '../outbox.ts';
import { firstSubmissionOf, type Step, type steps, submissionOf } from '../telling.ts';

/** What a process took to tell the log is another's after this: it is gone. */
const takenMs = 30_000;

/** A step of each message of `c`, the rows that a statement gave: its columns are expressions over those. */
type StepColumns = {
  readonly at: string;
  readonly codes?: (typeof steps)[keyof typeof steps];
  readonly statusKey?: string;
  readonly errorKey?: string;
  readonly doneAt?: string;
  readonly seenAt?: string;
  readonly isFirst?: string;
  readonly withPrice?: boolean;
};

/** The end of a statement that changed messages: keeps what the log has to hear, and gives the messages' ids. */
export function telling({ at, codes, isFirst = 'false', withPrice = false, ...own }: StepColumns): string {
  const { statusKey = codes?.status.key ?? 'NULL', errorKey = codes?.error.key ?? 'NULL' } = own;
  const { doneAt = 'NULL', seenAt = 'NULL' } = own;
  return `INSERT INTO outbox_step (message, happened_at, is_first, status, error, done_at, seen_at, with_price)
    SELECT c.id, ${at}, ${isFirst}, ${statusKey}, ${errorKey}, ${doneAt}, ${seenAt}, ${withPrice} FROM c
    RETURNING message`;
}

/**
 * The messages that wait longest and nobody else is telling of are this process's to tell of, until it said that they were
 * told. Which those are stands in one row: each step would have to be written once more. One message has all of it, its end
 * too, and no answer but that it was done: a process that stops meanwhile keeps no other from telling.
 */
export async function takeUntold(session: Transaction, teller: string, limit: number): Promise<void> {
  session.send(takeAlone, []);
  await session.last(take, [teller, limit]);
}

/** Of the messages that it took, the oldest first, all steps there are. */
export async function takenSteps(
  ask: (statement: Statement, values: readonly Value[]) => Promise<readonly Row[]>,
  teller: string,
  limit: number,
): Promise<readonly (Untold & { readonly sender: string })[]> {
  const rows = await ask(taken, [teller, limit]);
  return rows.map(untoldIn).sort((a, b) => a.id - b.id);
}

export async function letGo(session: Session, teller: string): Promise<void> {
  await session.query('DELETE FROM outbox_telling WHERE teller = $1', [teller]);
  await session.query('UPDATE outbox_report SET taker = NULL WHERE is_open AND taker = $1', [teller]);
}

/** So that two processes never find the same steps. */
const takeAlone = { name: 'outbox steps alone', text: `SELECT pg_advisory_xact_lock(${lockKey('telling')})` };
/**
 * Of one message two processes tell nothing at once. Programs of before note at each step who tells it. While it has the lock
 * it waits for no other: one that stopped may hold its row.
 */
const take = {
  name: 'outbox steps taken',
  text: `WITH oldest AS MATERIALIZED (
      SELECT o.id, o.message FROM outbox_step o
      WHERE o.message NOT IN (SELECT unnest(t.messages) FROM outbox_telling t
          WHERE t.teller <> $1 AND t.taken_until >= clock_timestamp())
        AND (o.teller IS NULL OR o.taken_until < clock_timestamp())
      ORDER BY o.id LIMIT $2),
    heads AS MATERIALIZED (SELECT o.message, min(o.id) AS id FROM oldest o GROUP BY o.message),
    past AS (
      DELETE FROM outbox_telling t WHERE t.teller = ANY (ARRAY(
        SELECT p.teller FROM outbox_telling p WHERE p.teller <> $1 AND p.taken_until < clock_timestamp()
        FOR UPDATE SKIP LOCKED)))
    INSERT INTO outbox_telling (teller, messages, taken_until)
    SELECT $1, array_agg(h.message ORDER BY h.id), clock_timestamp() + ${takenMs} * interval '1 millisecond'
    FROM heads h HAVING count(*) > 0
    ON CONFLICT (teller) DO UPDATE SET messages = excluded.messages, taken_until = excluded.taken_until`,
};
/**
 * Where the log is behind, it is told of most messages once, with what became of them, and need not change what it has.
 */
const taken = {
  name: 'outbox steps of a teller',
  text: `SELECT s.id, s.happened_at, s.status, s.error, s.done_at, s.seen_at, m.account_id, m.sender, m.message_id,
      CASE WHEN s.is_first THEN m.body END, CASE WHEN s.with_price THEN m.price END
    FROM (SELECT o.* FROM outbox_telling t CROSS JOIN LATERAL unnest(t.messages) WITH ORDINALITY h(message, nr)
        CROSS JOIN LATERAL (SELECT * FROM outbox_step o WHERE o.message = h.message ORDER BY o.id LIMIT $2) o
        WHERE t.teller = $1 ORDER BY h.nr, o.id LIMIT $2) s
    JOIN outbox_message m ON m.id = s.message`,
};

/** The first step of a message comes with all that there is of it; of the others its id is enough. */
function untoldIn([id, at, status, error, done, seen, account, sender, messageId, body, price]: Row) {
  const [statusKey, errorKey] = [optional(status, integer), optional(error, integer)];
  const [doneAt, seenAt] = [optional(done, integer), optional(seen, integer)];
  const [bodyText, priceText] = [optional(body, text), optional(price, text)];
  const step: Step = {
    at: integer(at),
    isFirst: bodyText !== undefined,
    ...(statusKey !== undefined && { statusKey }),
    ...(errorKey !== undefined && { errorKey }),
    ...(doneAt !== undefined && { doneAt }),
    ...(seenAt !== undefined && { seenAt }),
    ...(priceText !== undefined && { price: JSON.parse(priceText) }),
  };
  const submission =
    bodyText === undefined ? submissionOf(text(messageId), step) : firstSubmissionOf(JSON.parse(bodyText), step);
  return { id: integer(id), account: integer(account), sender: text(sender), submission };
}
