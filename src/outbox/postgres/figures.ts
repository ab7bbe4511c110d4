import { integer } from '../../postgres/cells.ts';
import type { Transaction } from '../../postgres/session.ts';
import type { OutboxStats } from '../outbox.ts';
import { states } from '../states.ts';

/** So many of a kind are counted one by one. */
export const countedMax = 10_000;

/**
 * How many rows an index has, exactly up to `countedMax`. More are what the database noted when it last looked through the
 * index, if that is more: whoever asks for figures does so again and again, and there may be millions. To keep count
 * would take each change of a message a row that all others change too.
 */
const counted = (index: string, rows: string) => `(
    SELECT CASE WHEN c.count <= ${countedMax} THEN c.count
      ELSE greatest(c.count, (SELECT i.reltuples::bigint FROM pg_class i WHERE i.oid = '${index}'::regclass)) END
    FROM (SELECT count(*) FROM (SELECT FROM ${rows} LIMIT ${countedMax + 1}) r) c)`;

/** A plan that begins with all rows of a table, or with all of an index, would not end where enough are counted. */
export const figurePlans = {
  text: `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`,
};

export const figures = {
  name: 'outbox figures',
  text: `SELECT ${[
    counted('outbox_message_scheduled', `outbox_message m WHERE m.state = ${states.scheduled}`),
    counted('outbox_message_of_conversation', 'outbox_message m WHERE m.state IN (1, 2, 3)'),
    counted('outbox_message_claimed', `outbox_message m WHERE m.state = ${states.claimed}`),
    counted('outbox_message_unknown_of', `outbox_message m WHERE m.state = ${states.unknown}`),
    counted('outbox_step_pkey', 'outbox_step'),
    counted('outbox_parked_pkey', 'outbox_parked'),
    counted('outbox_report_open', 'outbox_report r WHERE r.is_open'),
    counted('outbox_report_to_push', 'outbox_report r WHERE r.push_at IS NOT NULL'),
  ].join()}`,
};

export async function outboxFigures(session: Transaction): Promise<OutboxStats> {
  session.send(figurePlans, []);
  const [row = []] = await session.query(figures);
  const [scheduled = 0, inLine = 0, sending = 0, unknown = 0, untold = 0, ...others] = row.map(integer);
  const [parked = 0, openReports = 0, pushes = 0] = others;
  const queued = Math.max(0, inLine - sending - unknown);
  return { scheduled, queued, sending, unknown, untold, parked, openReports, pushes };
}
