import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import type { Receipt } from '../outbox.ts';
import { states } from '../states.ts';
import { steps } from '../telling.ts';
import { integer, optionalInteger, type Row, text } from './cells.ts';
import type { OutboxRows } from './rows.ts';

type Proof = {
  readonly mid: string;
  readonly psid: string;
  /** When it was sent: Meta's word, or at the latest when Meta answered. */
  readonly at: EpochMs;
  readonly isEchoed: boolean;
};

type Foreign = NonNullable<Extract<Receipt, { kind: 'echo' }>['foreign']>;

const columns = 'id, account, sender, destination, state, mid, psid, meta_at, is_echoed, delivery, seen_at';

/**
 * What becomes known of messages that were sent. Receipts may come before the message they are of is known to be sent:
 * how far each conversation is delivered and read is kept, and ids that nobody knows yet are, for a while.
 */
export class Receipts {
  readonly #rows: OutboxRows;

  constructor(rows: OutboxRows) {
    this.#rows = rows;
  }

  /** It is proven that a message was sent, whatever it was taken for so far. */
  sent(row: Row, { mid, psid, at, isEchoed }: Proof): void {
    const id = integer(row, 'id');
    this.#rows.run(
      `UPDATE message SET state = ${states.sent}, is_head = 0, mid = ?, psid = ?, meta_at = ?, is_echoed = ?,
         deadline = expires_at WHERE id = ?`,
      mid,
      psid,
      at,
      Number(isEchoed),
      id,
    );
    const { status, error } = steps.sent;
    this.#rows.step(id, { at, isFirst: false, statusKey: status.key, errorKey: error.key }, true);
    this.#rows.advance(row);
    this.#catchUp(id);
  }

  receive(receipt: Receipt, now: EpochMs): void {
    switch (receipt.kind) {
      case 'echo':
        return this.#echo(receipt, now);
      case 'delivered':
        for (const mid of receipt.mids) this.#deliveredMid(receipt, mid, now);
        if (receipt.watermark !== undefined) this.#deliveredTo({ ...receipt, watermark: receipt.watermark }, now);
        return;
      case 'read':
        return this.#readTo(receipt, now);
    }
  }

  /** Forgets what was kept for messages that nobody has heard of since. */
  forget(now: EpochMs): void {
    this.#rows.run('DELETE FROM parked WHERE parked_at < ?', now - limits.parkedMs);
    this.#rows.run('DELETE FROM conversation WHERE changed_at < ?', now - limits.sendValidityMs - limits.parkedMs);
  }

  #echo({ page, psid, mid, metadata, at, foreign }: Extract<Receipt, { kind: 'echo' }>, now: EpochMs): void {
    const row = this.#echoed(page, mid, metadata);
    if (row === undefined) {
      if (foreign !== undefined) this.#keepForeign(foreign, { mid, psid, at, isEchoed: true }, now);
      return;
    }
    const id = integer(row, 'id');
    if (integer(row, 'state') !== states.sent) {
      this.sent(row, { mid, psid, at, isEchoed: true });
      return this.#rows.release(row, now);
    }
    if (integer(row, 'is_echoed') === 1) return;
    this.#rows.run('UPDATE message SET mid = ?, psid = ?, meta_at = ?, is_echoed = 1 WHERE id = ?', mid, psid, at, id);
    this.#catchUp(id);
  }

  /** One that somebody else sent is followed from here on. */
  #keepForeign({ account, message }: Foreign, { mid, psid, at }: Proof, now: EpochMs): void {
    const { messageId, sender, destination, expiresAt } = message;
    const added = this.#rows.get(
      `INSERT OR IGNORE INTO message (account, message_id, sender, destination, lane, place, state, is_head, accepted_at,
         sent_at, due_at, expires_at, deadline, tries, is_echoed, mid, psid, meta_at, body)
       VALUES (?1, ?2, ?3, ?4, 0, 0, ${states.sent}, 0, ?5, ?6, ?6, ?7, ?7, 0, 1, ?8, ?9, ?6, ?10) RETURNING id`,
      account,
      messageId,
      sender,
      destination,
      now,
      at,
      expiresAt,
      mid,
      psid,
      JSON.stringify(message),
    );
    if (added === undefined) return;
    const id = integer(added, 'id');
    const { status, error } = steps.sent;
    this.#rows.step(id, { at, isFirst: true, statusKey: status.key, errorKey: error.key });
    this.#catchUp(id);
  }

  #echoed(page: string, mid: string, metadata: string | undefined): Row | undefined {
    const known = this.#rows.get(`SELECT ${columns} FROM message WHERE sender = ? AND mid = ?`, page, mid);
    if (known !== undefined || metadata === undefined) return known;
    return this.#rows.get(
      `SELECT ${columns} FROM message WHERE message_id = ? AND sender = ? AND claimed_at IS NOT NULL
       ORDER BY is_echoed, id LIMIT 1`,
      metadata,
      page,
    );
  }

  #deliveredMid({ page, at }: Receipt, mid: string, now: EpochMs): void {
    const row = this.#rows.get(`SELECT ${columns} FROM message WHERE sender = ? AND mid = ?`, page, mid);
    if (row !== undefined) return this.#deliver(row, at);
    this.#rows.run(
      'INSERT OR IGNORE INTO parked (page, mid, delivered_at, parked_at) VALUES (?, ?, ?, ?)',
      page,
      mid,
      at,
      now,
    );
  }

  #deliveredTo({ page, psid, at, watermark }: Receipt & { readonly watermark: EpochMs }, now: EpochMs): void {
    this.#rows.run(
      `INSERT INTO conversation (page, psid, delivered_to, delivered_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
       ON CONFLICT DO UPDATE SET delivered_to = ?3, delivered_at = ?4, changed_at = ?5
       WHERE delivered_to IS NULL OR delivered_to < ?3`,
      page,
      psid,
      watermark,
      at,
      now,
    );
    const covered = this.#rows.all(
      `SELECT ${columns} FROM message
       WHERE sender = ? AND psid = ? AND meta_at < ? AND state = 4 AND delivery = 0 ORDER BY meta_at`,
      page,
      psid,
      watermark,
    );
    for (const row of covered) this.#implyDelivery(row, at);
  }

  #readTo({ page, psid, at, watermark }: Extract<Receipt, { kind: 'read' }>, now: EpochMs): void {
    this.#rows.run(
      `INSERT INTO conversation (page, psid, read_to, read_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
       ON CONFLICT DO UPDATE SET read_to = ?3, read_at = ?4, changed_at = ?5 WHERE read_to IS NULL OR read_to < ?3`,
      page,
      psid,
      watermark,
      at,
      now,
    );
    const covered = this.#rows.all(
      `SELECT ${columns} FROM message
       WHERE sender = ? AND psid = ? AND meta_at <= ? AND state = 4 AND seen_at IS NULL ORDER BY meta_at`,
      page,
      psid,
      watermark,
    );
    for (const row of covered) this.#see(row, at);
  }

  /** What was heard of a message before it was known. */
  #catchUp(id: number): void {
    const row = this.#row(id);
    const [page, mid, metaAt] = [text(row, 'sender'), text(row, 'mid'), integer(row, 'meta_at')];
    const parked = this.#rows.get('DELETE FROM parked WHERE page = ? AND mid = ? RETURNING delivered_at', page, mid);
    if (parked !== undefined) this.#deliver(row, integer(parked, 'delivered_at'));
    const known = this.#rows.get(
      'SELECT delivered_to, delivered_at, read_to, read_at FROM conversation WHERE page = ? AND psid = ?',
      page,
      text(row, 'psid'),
    );
    if (known === undefined) return;
    if ((optionalInteger(known, 'delivered_to') ?? 0) > metaAt)
      this.#implyDelivery(this.#row(id), integer(known, 'delivered_at'));
    if ((optionalInteger(known, 'read_to') ?? 0) >= metaAt && row.seen_at === null)
      this.#see(this.#row(id), integer(known, 'read_at'));
  }

  #row(id: number): Row {
    const row = this.#rows.get(`SELECT ${columns} FROM message WHERE id = ?`, id);
    if (row === undefined) throw new RangeError('a message of the outbox is gone');
    return row;
  }

  /** By a receipt of its own: it says when, whatever was implied before. */
  #deliver(row: Row, at: EpochMs): void {
    if (integer(row, 'delivery') < 2) this.#delivered(row, 2, at, at);
  }

  /** By a receipt of a later moment. It counts for the moment of sending, so that one of its own goes before it. */
  #implyDelivery(row: Row, at: EpochMs): void {
    if (integer(row, 'delivery') === 0) this.#delivered(row, 1, Math.min(at, integer(row, 'meta_at')), at);
  }

  #delivered(row: Row, delivery: 1 | 2, at: EpochMs, doneAt: EpochMs): void {
    const id = integer(row, 'id');
    this.#rows.run('UPDATE message SET delivery = ?, deadline = NULL WHERE id = ?', delivery, id);
    const { status, error } = steps.delivered;
    this.#rows.step(id, { at, isFirst: false, statusKey: status.key, errorKey: error.key, doneAt });
  }

  #see(row: Row, at: EpochMs): void {
    const id = integer(row, 'id');
    this.#implyDelivery(row, at);
    this.#rows.run('UPDATE message SET seen_at = ? WHERE id = ?', at, id);
    this.#rows.step(id, { at, isFirst: false, seenAt: at });
  }
}
