import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { limits } from '../../limits.ts';
import { states } from '../states.ts';
import type { Step } from '../telling.ts';
import { type Cells, integer, type Row, text } from './cells.ts';

/** What all parts of the outbox do to rows; every call is part of a transaction of the caller's. */
export class OutboxRows {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #unnamed = new Map<string, StatementSync>();
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

  /** The id of the row that was added; `undefined` when there is such a row. */
  add(sql: string, ...values: readonly SQLInputValue[]): number | undefined {
    const { changes, lastInsertRowid } = this.#prepared(sql).run(...values);
    return changes === 0 ? undefined : Number(lastInsertRowid);
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values);
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepared(sql).all(...values);
  }

  /** Rows without names: to be handed on, or many. */
  cells(sql: string, ...values: readonly SQLInputValue[]): readonly Cells[] {
    let statement = this.#unnamed.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#unnamed.set(sql, statement);
    }
    return statement.all(...values).map(row => {
      if (!Array.isArray(row)) throw new TypeError('the outbox has a row with names');
      return row;
    });
  }

  /** Where a message stands in line. Places are reserved many at a time, so that a start need not look for the last. */
  place(): number {
    if (this.#nextPlace >= this.#reservedPlace) {
      this.#reservedPlace = this.#nextPlace + placesReserved;
      this.run('INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)', 'place', this.#reservedPlace);
    }
    return this.#nextPlace++;
  }

  /** Changes something that nobody reads: fails where nothing can be kept. */
  prove(): void {
    this.run("INSERT OR REPLACE INTO counter (name, value) VALUES ('proof', 0)");
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

  /** Puts a scheduled message in line. */
  enqueue(id: number): void {
    this.run(
      `UPDATE message SET state = ${states.queued}, place = ?, is_head = ${isAlone(own)}, is_in_line = 1,
         due_at = ${dueInLine(own)}, deadline = expires_at WHERE id = ?`,
      this.place(),
      id,
    );
  }

  /** Whoever was first in its conversation is no longer: the next is. */
  advance(row: Row): void {
    this.run(advance, integer(row, 'account'), text(row, 'sender'), text(row, 'destination'));
  }

  /** What was unknown is known: the next of the conversation waits no longer for it, only for others that still are. */
  release(row: Row): void {
    this.run(release, integer(row, 'account'), text(row, 'sender'), text(row, 'destination'));
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

/** Expressions that name a conversation. */
type Conversation = { readonly account: string; readonly sender: string; readonly destination: string };
const own: Conversation = { account: 'message.account', sender: 'message.sender', destination: 'message.destination' };

const inLine = (of: string) => `${of}.is_in_line = 1 AND ${of}.state <> ${states.unknown}`;
const ofConversation = ({ account, sender, destination }: Conversation) =>
  `c.account = ${account} AND c.sender = ${sender} AND c.destination = ${destination}`;

/** Whether nothing is in line before a message in its conversation. */
export const isAlone = (of: Conversation) =>
  `NOT EXISTS (SELECT 1 FROM message c WHERE ${ofConversation(of)} AND ${inLine('c')})`;
const heldUntil = (of: Conversation) =>
  `coalesce((SELECT max(c.claimed_at) + ${limits.conversationHoldMs} FROM message c
     WHERE ${ofConversation(of)} AND c.is_in_line = 1 AND c.state = ${states.unknown}), 0)`;
/**
 * The first of its conversation is to be claimed, and the others after it. It is due, whatever the clock says from here on:
 * its `due_at` is 0. A moment of its own has only what waits for one.
 */
export const dueInLine = (of: Conversation) => `CASE WHEN ${isAlone(of)} THEN ${heldUntil(of)} ELSE 0 END`;

const first = `SELECT f.id FROM message f
  WHERE f.account = ?1 AND f.sender = ?2 AND f.destination = ?3 AND ${inLine('f')} ORDER BY f.place LIMIT 1`;
const advance = `UPDATE message SET is_head = 1, due_at = max(due_at, ${heldUntil(own)})
  WHERE id = (${first}) AND state = ${states.queued} AND is_head = 0`;
const release = `UPDATE message SET due_at = ${heldUntil(own)} WHERE id = (${first}) AND is_head = 1 AND claimed_at IS NULL`;
