import type { EpochMs } from '../../domain/message.ts';
import { statusByKey } from '../../domain/registry.ts';
import { reportOn, type Subscribed, type ToldStep } from '../reporting.ts';
import { type Cells, integer, number, optionalNumber, optionalText, type Row } from './cells.ts';
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
    const told = this.#rows.cells(forget, JSON.stringify(ids)).map(toldIn);
    for (const step of told.sort((a, b) => a.id - b.id)) this.#report(step, now, subscribed);
  }

  /** Of most steps nobody wants a report, and no message is looked at for them. */
  #report(step: ToldRow, now: EpochMs, subscribed: ReadonlyMap<number, Subscribed>): void {
    const { message: id, isFirst, statusKey, errorKey, doneAt, seenAt } = step;
    const isFinal = statusKey !== undefined && statusByKey(statusKey).final;
    if (isFirst && !isFinal) return;
    const row = this.#rows.get(isFinal || seenAt !== undefined ? terms : wantsIntermediate, id);
    if (row === undefined) return;
    const account = integer(row, 'account');
    const report = reportOn(
      {
        message: termsIn(row),
        isFirst,
        isReported: integer(row, 'is_reported') === 1,
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

/** The first step of a message goes with all that there is of it; of the others its id is enough. */
const oldest = `SELECT step.id, message.account, message.message_id, step.at, step.status, step.error, step.done_at,
    step.seen_at, CASE step.is_first WHEN 1 THEN message.body END, CASE step.with_price WHEN 1 THEN message.price END
  FROM step JOIN message ON message.id = step.message ORDER BY step.id LIMIT ?`;
const forget = `DELETE FROM step WHERE id IN (SELECT value FROM json_each(?))
  RETURNING id, message, is_first, status, error, done_at, seen_at`;

/** A body was written without blanks, and has quotes within its texts escaped: what does not stand in it so it does not have. */
const has = (name: string) => `instr(body, '"${name}":') > 0`;
const terms = `SELECT account, is_reported, CASE WHEN ${has('reports')} OR ${has('isForeign')} THEN body END AS body
  FROM message WHERE id = ?`;
const wantsIntermediate = `SELECT account, is_reported, body FROM message
  WHERE id = ? AND instr(body, '"intermediate":true') > 0`;

/** Of most messages the account's own terms hold, and none need be read. */
function termsIn(row: Row): ToldStep['message'] {
  const body = optionalText(row, 'body');
  return body === undefined ? {} : JSON.parse(body);
}

type ToldRow = ReturnType<typeof toldIn>;

function toldIn([id, message, isFirst, status, error, done, seen]: Cells) {
  return {
    id: number(id),
    message: number(message),
    isFirst: isFirst === 1,
    statusKey: optionalNumber(status),
    errorKey: optionalNumber(error),
    doneAt: optionalNumber(done),
    seenAt: optionalNumber(seen),
  };
}
