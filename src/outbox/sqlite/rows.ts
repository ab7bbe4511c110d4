import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { states } from '../states.ts';
import type { Step } from '../telling.ts';
import { integer, type Row, text } from './cells.ts';

/** What all parts of the outbox do to rows; every call is part of a transaction of the caller's. */
export class OutboxRows {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #nextPlace: number;
  #reservedPlace: number;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#reservedPlace = Number(this.get('SELECT value FROM counter WHERE name = ?', 'place')?.value ?? 0);
    this.#nextPlace = this.#reservedPlace;
  }

  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepared(sql).all(...values);
  }

  /** Where a message stands in line. Places are reserved many at a time, so that a start need not look for the last. */
  place(): number {
    if (this.#nextPlace >= this.#reservedPlace) {
      this.#reservedPlace = this.#nextPlace + placesReserved;
      this.run('INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)', 'place', this.#reservedPlace);
    }
    return this.#nextPlace++;
  }

  /** A transaction was undone, and with it what it reserved. */
  undone(): void {
    this.#reservedPlace = 0;
  }

  step(message: number, { at, isFirst, statusKey, errorKey, doneAt, seenAt }: Step, withPrice = false): void {
    this.run(
      `INSERT INTO step (message, at, is_first, status, error, done_at, seen_at, with_price)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      message,
      at,
      Number(isFirst),
      statusKey ?? null,
      errorKey ?? null,
      doneAt ?? null,
      seenAt ?? null,
      Number(withPrice),
    );
  }

  /**
   * Puts a message in line: the first of its conversation is to be claimed, and the others after it. It is due, whatever the
   * clock says from here on: its `due_at` is 0. A moment of its own has only what waits for one.
   */
  enqueue(id: number, row: Row): void {
    const conversation = conversationOf(row);
    const isFirst = this.#first(conversation) === undefined;
    const heldUntil = isFirst ? this.#heldUntil(conversation) : 0;
    this.run(
      `UPDATE message SET state = ${states.queued}, place = ?, is_head = ?, due_at = ?, deadline = expires_at WHERE id = ?`,
      this.place(),
      Number(isFirst),
      heldUntil,
      id,
    );
  }

  /** Whoever was first in its conversation is no longer: the next is. */
  advance(row: Row): void {
    const conversation = conversationOf(row);
    const next = this.#first(conversation);
    if (next === undefined || integer(next, 'state') !== states.queued || integer(next, 'is_head') === 1) return;
    const dueAt = Math.max(integer(next, 'due_at'), this.#heldUntil(conversation));
    this.run('UPDATE message SET is_head = 1, due_at = ? WHERE id = ?', dueAt, integer(next, 'id'));
  }

  /** What was unknown is known: the next of the conversation waits no longer for it. */
  release(row: Row): void {
    const next = this.#first(conversationOf(row));
    if (next === undefined || integer(next, 'is_head') !== 1 || next.claimed_at !== null) return;
    this.run('UPDATE message SET due_at = 0 WHERE id = ?', integer(next, 'id'));
  }

  #first(conversation: readonly SQLInputValue[]): Row | undefined {
    return this.get(
      `SELECT id, state, is_head, due_at, claimed_at FROM message
       WHERE account = ? AND sender = ? AND destination = ? AND state IN (1, 2, 3) AND state <> ${states.unknown}
       ORDER BY place LIMIT 1`,
      ...conversation,
    );
  }

  #heldUntil(conversation: readonly SQLInputValue[]): EpochMs {
    const held = this.get(
      `SELECT max(claimed_at) AS claimed_at FROM message
       WHERE account = ? AND sender = ? AND destination = ? AND state IN (1, 2, 3) AND state = ${states.unknown}`,
      ...conversation,
    );
    return held === undefined || held.claimed_at === null ? 0 : integer(held, 'claimed_at') + limits.conversationHoldMs;
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

const placesReserved = 1_000_000;

function conversationOf(row: Row): readonly SQLInputValue[] {
  return [integer(row, 'account'), text(row, 'sender'), text(row, 'destination')];
}
