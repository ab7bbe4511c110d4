import type { EpochMs } from '../../domain/message.ts';
import { statuses } from '../../domain/registry.ts';
import { reportOn, type Subscribed, type ToldStep } from '../reporting.ts';
import { type Cells, number, optionalNumber, string } from './cells.ts';
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

  /** As `untoldIn` reads them. */
  untold(limit: number): readonly Cells[] {
    return this.#rows.cells(oldest, limit);
  }

  told(ids: readonly number[], now: EpochMs, subscribed: ReadonlyMap<number, Subscribed>): void {
    const those = JSON.stringify(ids);
    const reported = new Set<number>();
    for (const step of this.#rows.cells(toReport, those).map(toldIn)) {
      const isReported = step.isReported || reported.has(step.message);
      const report = reportOn({ ...step, message: step.terms, isReported }, subscribed.get(step.account));
      if (report === undefined) continue;
      const { message, account, statusKey, errorKey } = step;
      this.#reports.add(message, account, report, { statusKey, errorKey, moment: step.seenAt ?? step.doneAt, now });
      if (report.isOpen) reported.add(message);
    }
    if (reported.size > 0) this.#rows.run(markReported, JSON.stringify([...reported]));
    this.#rows.run(forget, those);
  }
}

/** The first step of a message goes with all that there is of it; of the others its id is enough. */
const oldest = `SELECT step.id, message.account, message.message_id, step.at, step.status, step.error, step.done_at,
    step.seen_at, CASE step.is_first WHEN 1 THEN message.body END, CASE step.with_price WHEN 1 THEN message.price END
  FROM step JOIN message ON message.id = step.message ORDER BY step.id LIMIT ?`;
const these = 'IN (SELECT value FROM json_each(?))';
const forget = `DELETE FROM step WHERE id ${these}`;
const markReported = `UPDATE message SET is_reported = 1 WHERE id ${these}`;

const finalKeys = statuses.filter(one => one.final).map(one => one.key);
/** A body was written without blanks, and has quotes within its texts escaped: what does not stand in it so it does not have. */
const has = (text: string) => `instr(message.body, '${text}') > 0`;
/**
 * Steps that somebody may want a report of: of the others no message is looked at. Of most messages the account's own terms
 * hold, and no body need be read.
 */
const toReport = `SELECT step.message, message.account, step.is_first, message.is_reported, step.status, step.error, step.done_at,
    step.seen_at, CASE WHEN ${has('"reports":')} OR ${has('"isForeign":')} THEN message.body END
  FROM step JOIN message ON message.id = step.message
  WHERE step.id ${these} AND (step.seen_at IS NOT NULL OR step.status IN (${finalKeys.join()})
    OR (step.is_first = 0 AND ${has('"intermediate":true')}))
  ORDER BY step.id`;

function toldIn([message, account, isFirst, isReported, status, error, done, seen, body]: Cells) {
  const [statusKey, seenAt] = [optionalNumber(status), optionalNumber(seen)];
  return {
    message: number(message),
    account: number(account),
    isFirst: isFirst === 1,
    isReported: isReported === 1,
    errorKey: optionalNumber(error),
    doneAt: optionalNumber(done),
    ...(statusKey !== undefined && { statusKey }),
    ...(seenAt !== undefined && { seenAt }),
    terms: termsIn(body),
  };
}

function termsIn(body: unknown): ToldStep['message'] {
  return body === null ? {} : JSON.parse(string(body));
}
