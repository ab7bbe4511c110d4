import type { AccountId, EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { AddBatch, Claimed, NewMessage, OutboxStats, Result, Untold, Waiting, Want } from '../outbox.ts';
import { keysOf, laneIndex, states } from '../states.ts';
import { type Step, steps, submissionOf } from '../telling.ts';
import { integer, laneIn, optionalInteger, outgoingIn, priceIn, type Row, text } from './cells.ts';
import type { Receipts } from './receipts.ts';
import type { OutboxRows } from './rows.ts';

const columns =
  'id, account, sender, destination, lane, state, due_at, expires_at, tries, claimed_at, mid, psid, meta_at, last_error, body';

const ready = `SELECT ${columns} FROM message
  WHERE is_head = 1 AND account = ? AND sender = ? AND lane = ? AND expires_at > ?`;

/** Messages in line, and what became of those that were sent. */
export class Queue {
  readonly #rows: OutboxRows;
  readonly #receipts: Receipts;

  constructor(rows: OutboxRows, receipts: Receipts) {
    this.#rows = rows;
    this.#receipts = receipts;
  }

  add({ account, messages, now }: AddBatch): readonly boolean[] {
    return messages.map(message => this.#addOne(account, message, now));
  }

  #addOne(account: AccountId, { lane, price, end, ...message }: NewMessage, now: EpochMs): boolean {
    const { messageId, sender, destination, dueAt, expiresAt } = message;
    const isDue = dueAt <= now;
    const state = end === undefined ? states.scheduled : states.ended;
    const added = this.#rows.get(
      `INSERT OR IGNORE INTO message (account, message_id, sender, destination, lane, place, state, is_head, accepted_at,
         sent_at, due_at, expires_at, deadline, tries, is_echoed, price, body)
       VALUES (?, ?, ?, ?, ?, 0, ${state}, 0, ?, ?, ?, ?, ?, 0, 0, ?, ?)
       RETURNING id, account, sender, destination, due_at`,
      account,
      messageId,
      sender,
      destination,
      laneIndex(lane),
      now,
      now,
      dueAt,
      expiresAt,
      end === undefined ? expiresAt : null,
      price === undefined ? null : JSON.stringify(price),
      JSON.stringify(message),
    );
    if (added === undefined) return false;
    const id = integer(added, 'id');
    if (end !== undefined) this.#rows.step(id, { at: now, isFirst: true, doneAt: now, ...end });
    else if (isDue) this.#begin(id, added, now);
    return true;
  }

  /** From here on it is a message of the log. */
  #begin(id: number, row: Row, now: EpochMs): void {
    this.#rows.enqueue(id, row);
    this.#rows.step(id, { at: now, isFirst: true, ...keysOf(steps.accepted) });
  }

  #beginDue(now: EpochMs): void {
    const due = this.#rows.all(
      `SELECT ${columns} FROM message WHERE state = 0 AND due_at <= ? ORDER BY due_at, id LIMIT ${limits.outboxStepMax}`,
      now,
    );
    for (const row of due) {
      this.#rows.run('UPDATE message SET sent_at = ? WHERE id = ?', now, integer(row, 'id'));
      this.#begin(integer(row, 'id'), row, now);
    }
  }

  claim(wants: readonly Want[], now: EpochMs): readonly Claimed[] {
    this.#beginDue(now);
    return wants.flatMap(({ account, sender, lane, count }) => {
      const of = [account, sender, laneIndex(lane)];
      // What waited for its moment goes first: the line may never be empty.
      const back = this.#rows.all(
        `${ready} AND due_at > 0 AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
        ...of,
        now,
        now,
        count,
      );
      const rest = count - back.length;
      const inLine = rest > 0 ? this.#rows.all(`${ready} AND due_at = 0 ORDER BY id LIMIT ?`, ...of, now, rest) : [];
      return [...back, ...inLine].map(row => this.#claimed(row, now));
    });
  }

  #claimed(row: Row, now: EpochMs): Claimed {
    const id = integer(row, 'id');
    this.#rows.run(
      `UPDATE message SET state = ${states.claimed}, is_head = 0, claimed_at = ?, deadline = NULL WHERE id = ?`,
      now,
      id,
    );
    const [account, sender] = [integer(row, 'account'), text(row, 'sender')];
    return { id, account, sender, lane: laneIn(row), message: outgoingIn(row), tries: integer(row, 'tries') };
  }

  settle(results: readonly Result[], now: EpochMs): void {
    for (const result of results) {
      const row = this.#rows.get(`SELECT ${columns} FROM message WHERE id = ?`, result.id);
      // Its echo may have told before, or its account is gone.
      if (row !== undefined && integer(row, 'state') === states.claimed) this.#settleOne(row, result, now);
    }
  }

  #settleOne(row: Row, result: Result, now: EpochMs): void {
    const id = integer(row, 'id');
    switch (result.kind) {
      case 'sent':
        return this.#receipts.sent(row, {
          mid: result.mid,
          psid: result.psid ?? text(row, 'destination'),
          at: now,
          isEchoed: false,
        });
      case 'done':
        return this.#end(row, { at: now, isFirst: false, doneAt: now, ...keysOf(steps.done) }, true);
      case 'failed': {
        const { statusKey, errorKey } = result;
        return this.#end(row, { at: now, isFirst: false, doneAt: now, statusKey, errorKey });
      }
      case 'unknown': {
        const deadline = Math.min(integer(row, 'expires_at'), integer(row, 'claimed_at') + limits.echoWaitMs);
        this.#rows.run(`UPDATE message SET state = ${states.unknown}, deadline = ? WHERE id = ?`, deadline, id);
        return this.#rows.advance(row);
      }
      case 'again':
        this.#rows.run(
          `UPDATE message SET state = ${states.queued}, is_head = 1, due_at = ?, tries = tries + ?,
             last_error = coalesce(?, last_error), deadline = expires_at WHERE id = ?`,
          result.dueAt,
          Number(result.counts),
          result.errorKey ?? null,
          id,
        );
    }
  }

  #end(row: Row, step: Step, withPrice = false): void {
    const id = integer(row, 'id');
    this.#rows.run(`UPDATE message SET state = ${states.ended}, is_head = 0, deadline = NULL WHERE id = ?`, id);
    this.#rows.step(id, step, withPrice);
    this.#rows.advance(row);
  }

  lapse(now: EpochMs): boolean {
    const past = this.#rows.all(
      `SELECT ${columns} FROM message WHERE deadline <= ? ORDER BY deadline LIMIT ${limits.outboxStepMax}`,
      now,
    );
    for (const row of past) this.#lapseOne(row, now);
    return past.length === limits.outboxStepMax;
  }

  #lapseOne(row: Row, now: EpochMs): void {
    const id = integer(row, 'id');
    const step = { at: now, isFirst: false, doneAt: now };
    switch (integer(row, 'state')) {
      case states.sent:
        this.#rows.run('UPDATE message SET deadline = NULL WHERE id = ?', id);
        return this.#rows.step(id, { ...step, ...keysOf(steps.expiredUnreported) });
      case states.unknown:
        this.#rows.run(`UPDATE message SET state = ${states.lost}, deadline = NULL WHERE id = ?`, id);
        this.#rows.step(id, { ...step, ...keysOf(steps.expiredUnknown) });
        return this.#rows.release(row);
      case states.scheduled:
        this.#rows.run('UPDATE message SET sent_at = ? WHERE id = ?', now, id);
        return this.#end(row, { ...step, ...keysOf(steps.expiredUnsent), isFirst: true });
      default: {
        const errorKey = optionalInteger(row, 'last_error') ?? steps.expiredUnsent.error.key;
        return this.#end(row, { ...step, ...keysOf(steps.expiredUnsent), errorKey });
      }
    }
  }

  recover(how: 'hold' | 'requeue', now: EpochMs): void {
    const left = this.#rows.all(`SELECT ${columns} FROM message WHERE state = 2`);
    for (const row of left) {
      const id = integer(row, 'id');
      this.#settleOne(
        row,
        how === 'hold' ? { id, kind: 'unknown' } : { id, kind: 'again', dueAt: 0, counts: false },
        now,
      );
    }
  }

  waiting(now: EpochMs): Waiting {
    this.#beginDue(now);
    const pages = [];
    for (let row = this.#pageAfter(-1, '', -1); row !== undefined; ) {
      const [account, sender, lane] = [integer(row, 'account'), text(row, 'sender'), laneIn(row)];
      pages.push({ account, sender, lane, dueAt: integer(row, 'due_at') });
      row = this.#pageAfter(account, sender, laneIndex(lane));
    }
    const next = this.#rows.get('SELECT min(due_at) AS due_at FROM message WHERE state = 0');
    const nextScheduledAt = next === undefined ? undefined : optionalInteger(next, 'due_at');
    return { pages, ...(nextScheduledAt !== undefined && { nextScheduledAt }) };
  }

  #pageAfter(account: number, sender: string, lane: number): Row | undefined {
    return this.#rows.get(
      `SELECT account, sender, lane, due_at FROM message
       WHERE is_head = 1 AND (account, sender, lane) > (?, ?, ?) ORDER BY account, sender, lane, due_at LIMIT 1`,
      account,
      sender,
      lane,
    );
  }

  untold(limit: number): readonly Untold[] {
    const found = this.#rows.all(
      `SELECT step.id AS step_id, step.at, step.is_first, step.status, step.error, step.done_at, step.seen_at AS step_seen_at,
         step.with_price, message.account, message.body, message.price
       FROM step JOIN message ON message.id = step.message ORDER BY step.id LIMIT ?`,
      limit,
    );
    return found.map(row => ({
      id: integer(row, 'step_id'),
      account: integer(row, 'account'),
      submission: submissionOf(outgoingIn(row), stepIn(row)),
    }));
  }

  dropAccount(account: AccountId): void {
    this.#rows.run('DELETE FROM report WHERE account = ?', account);
    this.#rows.run('DELETE FROM step WHERE message IN (SELECT id FROM message WHERE account = ?)', account);
    this.#rows.run('DELETE FROM message WHERE account = ?', account);
    this.#rows.run('DELETE FROM parked WHERE account = ?', account);
    this.#rows.run('DELETE FROM conversation WHERE account = ?', account);
  }

  dropBefore(acceptedAt: EpochMs): boolean {
    const past = this.#rows.all(
      `SELECT id FROM message WHERE accepted_at < ? AND state > ${states.unknown} AND deadline IS NULL
       AND NOT EXISTS (SELECT 1 FROM step WHERE step.message = message.id)
       AND NOT EXISTS (SELECT 1 FROM report WHERE report.message = message.id) LIMIT ${limits.outboxStepMax}`,
      acceptedAt,
    );
    for (const row of past) this.#rows.run('DELETE FROM message WHERE id = ?', integer(row, 'id'));
    return past.length === limits.outboxStepMax;
  }

  stats(): OutboxStats {
    const count = (sql: string) => Number(this.#rows.get(sql)?.count ?? 0);
    const [claimed, unknown] = [states.claimed, states.unknown].map(state =>
      count(`SELECT count(*) AS count FROM message WHERE state = ${state}`),
    );
    const inLine = count('SELECT count(*) AS count FROM message WHERE state IN (1, 2, 3)');
    return {
      scheduled: count('SELECT count(*) AS count FROM message WHERE state = 0'),
      queued: inLine - (claimed ?? 0) - (unknown ?? 0),
      sending: claimed ?? 0,
      unknown: unknown ?? 0,
      untold: count('SELECT count(*) AS count FROM step'),
      parked: count('SELECT count(*) AS count FROM parked'),
      openReports: count('SELECT count(*) AS count FROM report WHERE is_open = 1'),
      pushes: count('SELECT count(*) AS count FROM report WHERE push_at IS NOT NULL'),
    };
  }
}

function stepIn(row: Row): Step {
  const [statusKey, errorKey] = [optionalInteger(row, 'status'), optionalInteger(row, 'error')];
  const [doneAt, seenAt] = [optionalInteger(row, 'done_at'), optionalInteger(row, 'step_seen_at')];
  const price = integer(row, 'with_price') === 1 ? priceIn(row) : undefined;
  return {
    at: integer(row, 'at'),
    isFirst: integer(row, 'is_first') === 1,
    ...(statusKey !== undefined && { statusKey }),
    ...(errorKey !== undefined && { errorKey }),
    ...(doneAt !== undefined && { doneAt }),
    ...(seenAt !== undefined && { seenAt }),
    ...(price !== undefined && { price }),
  };
}
