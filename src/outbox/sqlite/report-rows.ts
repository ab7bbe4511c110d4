import type { SQLInputValue } from 'node:sqlite';
import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { PushTurns, pushWindow } from '../push-turns.ts';
import type { DuePush, NewReport, PushOutcome, PushPlace, Report, ReportQuery } from '../reporting.ts';
import { steps } from '../telling.ts';
import { integer, optionalInteger, optionalText, outgoingIn, priceIn, type Row, text } from './cells.ts';
import type { OutboxRows } from './rows.ts';

const columns = `report.id, report.account, report.kind, report.status, report.error, report.moment, report.url,
  report.push_tries, message.body, message.price, message.psid, message.mid, message.sent_at`;
const seen = 1;

const dueAccounts = `
  WITH RECURSIVE has(account) AS (
    SELECT min(account) FROM report INDEXED BY report_due WHERE push_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(account) FROM report INDEXED BY report_due WHERE push_at IS NOT NULL AND account > has.account)
    FROM has WHERE has.account IS NOT NULL)
  SELECT account FROM has WHERE account IS NOT NULL AND EXISTS (
    SELECT 1 FROM report INDEXED BY report_due
    WHERE push_at IS NOT NULL AND report.account = has.account AND push_at <= ?)`;
const duePlaces = `
  SELECT url FROM report INDEXED BY report_due
  WHERE push_at IS NOT NULL AND account = ? AND push_at <= ? AND url NOT IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM json_each(?) WHERE substr(report.url, 1, length(value)) = value)
  ORDER BY push_at, id LIMIT ${pushWindow}`;

/** What a report says, and when it was made. */
type Made = {
  readonly statusKey: number | undefined;
  readonly errorKey: number | undefined;
  readonly moment: EpochMs | undefined;
  readonly now: EpochMs;
};

/** Reports that wait to be fetched or pushed. What a caller has taken is known only in memory: it ends with the process. */
export class ReportRows {
  readonly #rows: OutboxRows;
  readonly #taken: Set<number>;
  /** What the transaction under way took and let go: it may be undone. */
  #takenNow: number[] = [];
  #freedNow: number[] = [];
  readonly #turns = new PushTurns();

  constructor(rows: OutboxRows, taken: readonly number[] = []) {
    this.#rows = rows;
    this.#taken = new Set(taken);
  }

  /** Keeps a report that a step of a message makes. */
  add(
    message: number,
    account: number,
    { kind, isOpen, url }: NewReport,
    { statusKey, errorKey, moment, now }: Made,
  ): void {
    this.#rows.run(
      `INSERT INTO report (message, account, made_at, kind, status, error, moment, is_open, url, push_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message,
      account,
      now,
      kind === 'seen' ? seen : 0,
      statusKey ?? null,
      errorKey ?? null,
      moment ?? null,
      Number(isOpen),
      url ?? null,
      url === undefined ? null : now,
    );
  }

  take({ account, limit, messageId, ...others }: ReportQuery): readonly Report[] {
    const conditions = ['report.is_open = 1', 'report.account = ?'];
    const values: SQLInputValue[] = [account];
    if (messageId !== undefined) {
      conditions.push('report.message = (SELECT id FROM message WHERE message_id = ? AND account = ?)');
      values.push(messageId, account);
    }
    for (const [name, value] of Object.entries(others)) {
      if (value === undefined) continue;
      conditions.push(`json_extract(message.body, '$.${name}') = ?`);
      values.push(value);
    }
    const found = this.#rows.all(
      `SELECT ${columns} FROM report JOIN message ON message.id = report.message
       WHERE ${conditions.join(' AND ')} ORDER BY report.id LIMIT ?`,
      ...values,
      limit + this.#taken.size,
    );
    const free = found.filter(row => !this.#taken.has(integer(row, 'id'))).slice(0, limit);
    for (const row of free) {
      this.#taken.add(integer(row, 'id'));
      this.#takenNow.push(integer(row, 'id'));
    }
    return free.map(reportIn);
  }

  given(ids: readonly number[]): void {
    for (const id of ids) {
      this.#rows.run('UPDATE report SET is_open = 0 WHERE id = ?', id);
      this.#forgetDone(id);
    }
    this.giveBack(ids);
  }

  giveBack(ids: readonly number[]): void {
    this.#freedNow.push(...ids);
  }

  /** The transaction under way is kept. */
  done(): void {
    this.#forget(this.#freedNow);
  }

  /** It is undone: nobody was handed what it took, and what it let go is still with whoever has it. */
  undone(): void {
    this.#forget(this.#takenNow);
  }

  #forget(ids: readonly number[]): void {
    for (const id of ids) this.#taken.delete(id);
    this.#takenNow = [];
    this.#freedNow = [];
  }

  duePushes(busy: readonly PushPlace[], places: number, now: EpochMs): readonly DuePush[] {
    const accounts = this.#rows.all(dueAccounts, now).map(row => integer(row, 'account'));
    const due = this.#turns.order(accounts, busy).flatMap(account => {
      const { urls, prefixes } = this.#turns.excluded(account, busy);
      const rows = this.#rows.all(duePlaces, account, now, JSON.stringify(urls), JSON.stringify(prefixes));
      return rows.map(row => ({ account, url: text(row, 'url') }));
    });
    return this.#turns.deal(due, busy, places).flatMap(({ account, url }) => this.#dueAt(account, url, now));
  }

  pushed(outcomes: readonly PushOutcome[]): void {
    for (const { id, againAt } of outcomes) {
      this.#rows.run('UPDATE report SET push_at = ?, push_tries = push_tries + 1 WHERE id = ?', againAt ?? null, id);
      if (againAt === undefined) this.#forgetDone(id);
    }
  }

  /** `true` when there may be more that is too old. */
  forget(now: EpochMs): boolean {
    const dropped = this.#rows.run(
      `DELETE FROM report WHERE id IN (SELECT id FROM report WHERE made_at < ? LIMIT ${limits.outboxStepMax})`,
      now - limits.reportsMs,
    );
    return dropped === limits.outboxStepMax;
  }

  #forgetDone(id: number): void {
    this.#rows.run('DELETE FROM report WHERE id = ? AND is_open = 0 AND push_at IS NULL', id);
  }

  #dueAt(account: number, url: string, now: EpochMs): readonly DuePush[] {
    const rows = this.#rows.all(
      `SELECT ${columns} FROM report JOIN message ON message.id = report.message
       WHERE report.push_at IS NOT NULL AND report.account = ? AND report.url = ? AND report.push_at <= ?
       ORDER BY report.push_at, report.id LIMIT ${limits.pushReportsMax}`,
      account,
      url,
      now,
    );
    return rows.map(row => ({ place: { account, url }, report: reportIn(row), tries: integer(row, 'push_tries') }));
  }
}

function reportIn(row: Row): Report {
  const [moment, psid] = [optionalInteger(row, 'moment'), optionalText(row, 'psid')];
  // What was not sent cost nothing.
  const price = row.mid === null && row.status !== steps.done.status.key ? undefined : priceIn(row);
  const common = {
    id: integer(row, 'id'),
    account: integer(row, 'account'),
    message: outgoingIn(row),
    sentAt: integer(row, 'sent_at'),
    ...(psid !== undefined && { psid }),
    ...(price !== undefined && { price }),
  };
  if (integer(row, 'kind') === seen) return { ...common, kind: 'seen', seenAt: integer(row, 'moment') };
  return {
    ...common,
    kind: 'delivery',
    statusKey: integer(row, 'status'),
    errorKey: integer(row, 'error'),
    ...(moment !== undefined && { doneAt: moment }),
  };
}
