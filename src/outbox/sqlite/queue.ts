import type { AccountId, EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { OutboxStats, Result, Waiting, Want } from '../outbox.ts';
import { keysOf, laneIndex, states } from '../states.ts';
import { type Step, steps } from '../telling.ts';
import { type Cells, integer, laneIn, number, optionalInteger, type Row, string, text } from './cells.ts';
import { addedIn } from './exchange.ts';
import type { AddedMessage, AddedMessages, ClaimedRow } from './messages.ts';
import type { Receipts } from './receipts.ts';
import { dueInLine, isAlone, type OutboxRows } from './rows.ts';

const columns = 'id, account, sender, destination, state, expires_at, claimed_at, last_error';

const ready = 'is_head = 1 AND account = ?1 AND sender = ?2 AND lane = ?3 AND expires_at > ?4';
/** What waited for its moment, and what is in line. */
const readyWhere = (which: string) => `SELECT id, tries, body FROM message WHERE ${ready} AND ${which} LIMIT ?5`;
const readyBack = readyWhere('due_at > 0 AND due_at <= ?4 ORDER BY due_at, id');
const readyInLine = readyWhere('due_at = 0 ORDER BY id');
/**
 * All of a call at once: a statement that changes what it looks for, or gives back what it changed, makes tables for it in
 * memory first, which takes longer than to change a few rows. A deadline stays, so that no index has to be told of it: what
 * is claimed does not lapse.
 */
const claimThose = `UPDATE message SET state = ${states.claimed}, is_head = 0, claimed_at = ?
  WHERE id IN (SELECT value FROM json_each(?))`;

const add = (isInLine: 0 | 1, columnsOfPlace: string, values: string) => `
  INSERT OR IGNORE INTO message (account, message_id, sender, destination, lane, accepted_at, sent_at, expires_at, price,
    body, tries, is_echoed, is_in_line, ${columnsOfPlace})
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, 0, 0, ${isInLine}, ${values})`;
const given = { account: '?1', sender: '?3', destination: '?4' };
const addInLine = add(
  1,
  'deadline, place, state, is_head, due_at',
  `?7, ?10, ${states.queued}, ${isAlone(given)}, ${dueInLine(given)}`,
);
/** Those that wait for their moment, and those that have ended. */
const addAside = add(
  0,
  'deadline, place, state, is_head, due_at',
  `CASE ?10 WHEN ${states.scheduled} THEN ?7 END, 0, ?10, 0, ?11`,
);

const accepted = (at: EpochMs): Step => ({ at, isFirst: true, ...keysOf(steps.accepted) });

const ended = `UPDATE message SET state = ${states.ended}, is_head = 0, is_in_line = 0, deadline = NULL WHERE id = ?`;
const lost = `UPDATE message SET state = ${states.lost}, is_in_line = 0, deadline = NULL WHERE id = ?`;

/**
 * One statement for each column that may change: of rows that are greater by several columns together SQLite finds the first
 * by looking at all that are equal in them, which is all that waits on a page.
 */
const waiting = (which: string) => `SELECT account, sender, lane, due_at FROM message
  WHERE is_head = 1${which} ORDER BY account, sender, lane, due_at LIMIT 1`;
const firstWaiting = waiting('');
const waitingOnPage = waiting(' AND account = ? AND sender = ? AND lane > ?');
const waitingOfAccount = waiting(' AND account = ? AND sender > ?');
const waitingOfOthers = waiting(' AND account > ?');

const dropSteps = `DELETE FROM step WHERE id IN (
  SELECT step.id FROM step JOIN message ON message.id = step.message WHERE message.account = ? LIMIT ?)`;
/** By the indexes that lead to them, and what stands in none. */
const messagesOfAccount = ['is_in_line = 1', 'meta_at IS NOT NULL', 'true'].map(
  which => `SELECT id FROM message WHERE ${which} AND account = ? LIMIT ?`,
);
const dropMessages = ['report WHERE message', 'message WHERE id'].map(
  which => `DELETE FROM ${which} IN (SELECT value FROM json_each(?))`,
);
const heard = (table: string, key: string) =>
  `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE account = ? LIMIT ?)`;
const dropHeard = [heard('parked', 'account, page, mid'), heard('conversation', 'account, page, psid')];

type Again = Extract<Result, { readonly kind: 'again' }>;

/** Messages in line, and what became of those that were sent. */
export class Queue {
  readonly #rows: OutboxRows;
  readonly #receipts: Receipts;

  constructor(rows: OutboxRows, receipts: Receipts) {
    this.#rows = rows;
    this.#receipts = receipts;
  }

  add({ account, texts, now }: AddedMessages): readonly boolean[] {
    return texts.flatMap(text => addedIn(text).map(message => this.#addOne(account, message, now)));
  }

  #addOne(account: AccountId, added: AddedMessage, now: EpochMs): boolean {
    const [messageId, sender, destination, lane, dueAt, expiresAt, price, body, statusKey, errorKey] = added;
    const end = statusKey === null || errorKey === null ? undefined : { statusKey, errorKey };
    const isInLine = end === undefined && dueAt <= now;
    const kept = [account, messageId, sender, destination, lane, now, expiresAt, price, body];
    const id = isInLine
      ? this.#rows.add(addInLine, ...kept, this.#rows.place())
      : this.#rows.add(addAside, ...kept, end === undefined ? states.scheduled : states.ended, dueAt);
    if (id === undefined) return false;
    if (end !== undefined) this.#rows.step(id, { at: now, isFirst: true, doneAt: now, ...end });
    else if (isInLine) this.#rows.step(id, accepted(now));
    return true;
  }

  #beginDue(now: EpochMs): void {
    const due = this.#rows.all(
      `SELECT id FROM message WHERE state = 0 AND due_at <= ? ORDER BY due_at, id LIMIT ${limits.outboxStepMax}`,
      now,
    );
    for (const row of due) {
      const id = integer(row, 'id');
      this.#rows.run('UPDATE message SET sent_at = ? WHERE id = ?', now, id);
      this.#rows.enqueue(id);
      this.#rows.step(id, accepted(now));
    }
  }

  /** For each want, what was claimed of it. */
  claim(wants: readonly Want[], now: EpochMs): readonly (readonly ClaimedRow[])[] {
    this.#beginDue(now);
    // A page that stands in the list twice is asked for the same messages twice.
    const taken = new Set<number>();
    const claimed = wants.map(({ account, sender, lane, count }) => {
      const of = [account, sender, laneIndex(lane), now];
      // What waited for its moment goes first: the line may never be empty.
      const back = this.#rows.cells(readyBack, ...of, count);
      const inLine = back.length < count ? this.#rows.cells(readyInLine, ...of, count - back.length) : [];
      return [...back, ...inLine].map(claimedIn).filter(([id]) => taken.size < taken.add(id).size);
    });
    if (taken.size > 0) this.#rows.run(claimThose, now, JSON.stringify([...taken]));
    return claimed;
  }

  /** Only this process claims. */
  unclaim(held: readonly number[]): void {
    const left = this.#rows.all(
      `SELECT ${columns} FROM message WHERE state = ${states.claimed} AND id NOT IN (SELECT value FROM json_each(?))`,
      JSON.stringify(held),
    );
    for (const row of left) this.#again(row, { dueAt: 0, counts: false });
  }

  /** Its echo may have told before, or its account is gone: then there is nothing to keep. */
  settle(results: readonly Result[], now: EpochMs): void {
    for (const result of results) {
      if (result.kind === 'sent') {
        this.#receipts.answered(result, now);
        continue;
      }
      const row = this.#rows.get(
        `SELECT ${columns} FROM message WHERE id = ? AND state = ${states.claimed}`,
        result.id,
      );
      if (row !== undefined) this.#settleOne(row, result, now);
    }
  }

  #settleOne(row: Row, result: Exclude<Result, { kind: 'sent' }>, now: EpochMs): void {
    const id = integer(row, 'id');
    switch (result.kind) {
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
        return this.#again(row, result);
    }
  }

  #again(row: Row, { dueAt, counts, errorKey }: Pick<Again, 'dueAt' | 'counts' | 'errorKey'>): void {
    this.#rows.run(
      `UPDATE message SET state = ${states.queued}, is_head = 1, due_at = ?, tries = tries + ?,
         last_error = coalesce(?, last_error), deadline = expires_at WHERE id = ?`,
      dueAt,
      Number(counts),
      errorKey ?? null,
      integer(row, 'id'),
    );
  }

  #end(row: Row, step: Step, withPrice = false): void {
    const id = integer(row, 'id');
    this.#rows.run(ended, id);
    this.#rows.step(id, step, withPrice);
    this.#rows.advance(row);
  }

  lapse(now: EpochMs): boolean {
    const past = this.#rows.all(
      `SELECT ${columns} FROM message WHERE deadline <= ? AND state <> ${states.claimed} ORDER BY deadline LIMIT ${limits.outboxStepMax}`,
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
        this.#rows.run(lost, id);
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
    for (let row = this.#rows.get(firstWaiting); row !== undefined; row = this.#waitingAfter(row)) {
      const [account, sender, lane] = [integer(row, 'account'), text(row, 'sender'), laneIn(row)];
      pages.push({ account, sender, lane, dueAt: integer(row, 'due_at') });
    }
    const next = this.#rows.get('SELECT min(due_at) AS due_at FROM message WHERE state = 0');
    const nextScheduledAt = next === undefined ? undefined : optionalInteger(next, 'due_at');
    return { pages, ...(nextScheduledAt !== undefined && { nextScheduledAt }) };
  }

  /** The first of the next lane, page or account. */
  #waitingAfter(row: Row): Row | undefined {
    const [account, sender, lane] = [integer(row, 'account'), text(row, 'sender'), integer(row, 'lane')];
    return (
      this.#rows.get(waitingOnPage, account, sender, lane) ??
      this.#rows.get(waitingOfAccount, account, sender) ??
      this.#rows.get(waitingOfOthers, account)
    );
  }

  /** Steps go before the messages that they are of: they cannot be found without. */
  dropAccount(account: AccountId): boolean {
    let left = limits.outboxStepMax - this.#rows.run(dropSteps, account, limits.outboxStepMax);
    for (const which of messagesOfAccount) {
      if (left === 0) return true;
      const ids = this.#rows.cells(which, account, left).map(([id]) => number(id));
      const those = JSON.stringify(ids);
      for (const drop of dropMessages) this.#rows.run(drop, those);
      left -= ids.length;
    }
    for (const drop of dropHeard) left -= this.#rows.run(drop, account, left);
    return left === 0;
  }

  dropBefore(acceptedAt: EpochMs): boolean {
    const past = this.#rows.all(
      `SELECT id FROM message WHERE accepted_at < ? AND state > ${states.unknown} AND deadline IS NULL
       AND id NOT IN (SELECT message FROM step)
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
    const counted = (name: string) => count(`SELECT value AS count FROM counter WHERE name = '${name}'`);
    return {
      scheduled: counted('scheduled'),
      queued: counted('in_line') - (claimed ?? 0) - (unknown ?? 0),
      sending: claimed ?? 0,
      unknown: unknown ?? 0,
      untold: count('SELECT count(*) AS count FROM step'),
      parked: count('SELECT count(*) AS count FROM parked'),
      openReports: counted('open_reports'),
      pushes: counted('pushes'),
    };
  }
}

function claimedIn([id, tries, body]: Cells): ClaimedRow {
  return [number(id), number(tries), string(body)];
}
