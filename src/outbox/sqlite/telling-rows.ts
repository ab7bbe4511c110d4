import type { EpochMs } from '../../domain/message.ts';
import { statusByKey } from '../../domain/registry.ts';
import type { Untold } from '../outbox.ts';
import { reportOn, type Subscribed } from '../reporting.ts';
import { firstSubmissionOf, type Step, submissionOf } from '../telling.ts';
import { integer, optionalInteger, outgoingIn, priceIn, type Row, text } from './cells.ts';
import type { ReportRows } from './report-rows.ts';
import type { OutboxRows } from './rows.ts';

/** What the log has to hear, and the reports that come of its having heard. */
export class TellingRows {
  readonly #rows: OutboxRows;
  readonly #reports: ReportRows;

  constructor(rows: OutboxRows, reports: ReportRows) {
    this.#rows = rows;
    this.#reports = reports;
  }

  untold(limit: number): readonly Untold[] {
    return this.#rows.all(oldest, limit).map(row => {
      const price = priceIn(row);
      const step = { ...stepIn(row), ...(price !== undefined && { price }) };
      const submission = step.isFirst
        ? firstSubmissionOf(outgoingIn(row), step)
        : submissionOf(text(row, 'message_id'), step);
      return { id: integer(row, 'id'), account: integer(row, 'account'), submission };
    });
  }

  told(ids: readonly number[], now: EpochMs, subscribed: ReadonlyMap<number, Subscribed>): void {
    const named = JSON.stringify(ids);
    const told = this.#rows.all(`SELECT ${columns} FROM step WHERE ${isNamed} ORDER BY id`, named);
    this.#rows.run(`DELETE FROM step WHERE ${isNamed}`, named);
    for (const row of told) this.#report(integer(row, 'message'), stepIn(row), now, subscribed);
  }

  /** Of most steps nobody wants a report, and no message is read for them. */
  #report(id: number, step: Step, now: EpochMs, subscribed: ReadonlyMap<number, Subscribed>): void {
    const { isFirst, statusKey, errorKey, doneAt, seenAt } = step;
    const isFinal = statusKey !== undefined && statusByKey(statusKey).final;
    if (isFirst && !isFinal) return;
    const message = this.#rows.get(isFinal || seenAt !== undefined ? whole : wantsIntermediate, id);
    if (message === undefined) return;
    const account = integer(message, 'account');
    const report = reportOn(
      {
        message: outgoingIn(message),
        isFirst,
        isReported: integer(message, 'is_reported') === 1,
        ...(statusKey !== undefined && { statusKey }),
        ...(seenAt !== undefined && { seenAt }),
      },
      subscribed.get(account),
    );
    if (report === undefined) return;
    const moment = seenAt ?? doneAt;
    this.#reports.add(id, account, report, { statusKey, errorKey, moment, now });
  }
}

const columns = 'step.id, step.message, step.at, step.is_first, step.status, step.error, step.done_at, step.seen_at';

/** The first step of a message goes with all that there is of it; of the others its id is enough. */
const oldest = `SELECT ${columns}, message.account, message.message_id,
    CASE step.is_first WHEN 1 THEN message.body END AS body, CASE step.with_price WHEN 1 THEN message.price END AS price
  FROM step JOIN message ON message.id = step.message ORDER BY step.id LIMIT ?`;
const isNamed = 'id IN (SELECT value FROM json_each(?))';

const whole = 'SELECT account, is_reported, body FROM message WHERE id = ?';
/** Only those whose text says so anywhere: it was written without blanks. */
const wantsIntermediate = `${whole} AND instr(body, '"intermediate":true') > 0`;

function stepIn(row: Row): Step {
  const [statusKey, errorKey] = [optionalInteger(row, 'status'), optionalInteger(row, 'error')];
  const [doneAt, seenAt] = [optionalInteger(row, 'done_at'), optionalInteger(row, 'seen_at')];
  return {
    at: integer(row, 'at'),
    isFirst: integer(row, 'is_first') === 1,
    ...(statusKey !== undefined && { statusKey }),
    ...(errorKey !== undefined && { errorKey }),
    ...(doneAt !== undefined && { doneAt }),
    ...(seenAt !== undefined && { seenAt }),
  };
}
