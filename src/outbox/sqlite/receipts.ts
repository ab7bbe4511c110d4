import type { AccountId, EpochMs } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import type { Receipt, Result } from '../outbox.ts';
import { states } from '../states.ts';
import { steps } from '../telling.ts';
import { integer, optionalInteger, type Row, text } from './cells.ts';
import type { OutboxRows } from './rows.ts';

type Proof = {
  readonly mid: string;
  readonly psid: string;
  /** When it was sent, by Meta's word. */
  readonly at: EpochMs;
};

type Answered = Extract<Result, { kind: 'sent' }>;
type Echo = Extract<Receipt, { kind: 'echo' }>;
/** A receipt, as one of its accounts hears it. */
type Heard = { readonly account: AccountId; readonly page: string; readonly psid: string; readonly at: EpochMs };

const columns =
  'id, account, sender, destination, state, mid, psid, meta_at, is_echoed, delivery, implied_at, seen_at, claimed_at';

/** By an answer, at the latest then; an echo says when. What is claimed has its deadline still. */
const sent = `UPDATE message SET state = ${states.sent}, is_in_line = 0, mid = ?2, meta_at = ?3, psid = ?4`;
const sentByAnswer = `${sent}, is_echoed = 0 WHERE id = ?1`;
const sentByEcho = `${sent}, is_echoed = 1, is_head = 0, deadline = expires_at WHERE id = ?1`;
const ofClaimed = `SELECT account, sender, destination FROM message WHERE id = ? AND state = ${states.claimed}`;
const ofMid = 'FROM message WHERE account = ? AND sender = ? AND mid = ?';

/** So exact is it known when a conversation changed last: it stands in an index. */
const changedMs = 3_600_000;
const changed = `changed_at = CASE WHEN ?6 - changed_at BETWEEN 0 AND ${changedMs} THEN changed_at ELSE ?6 END`;
const conversationAs = 'WHERE account = ? AND page = ? AND psid = ?';
const ofReader = 'account = ?1 AND sender = ?2 AND psid = ?3 AND seen_at IS NOT NULL';
/** Whoever saw a message had seen those before it: behind the last that was seen as early nothing is looked at. */
const seenLater = `SELECT id FROM message WHERE ${ofReader} AND meta_at <= ?4 AND seen_at > ?5
  AND meta_at > coalesce((SELECT meta_at FROM message
    WHERE ${ofReader} AND meta_at <= ?4 AND seen_at <= ?5 ORDER BY meta_at DESC LIMIT 1), -1) ORDER BY meta_at`;
/** Of reads before the last this is what is still known: it was seen before the next one was. */
const seenNext = `SELECT seen_at FROM message WHERE ${ofReader} AND meta_at BETWEEN ?4 AND ?6 AND id <> ?5
  ORDER BY meta_at LIMIT 1`;
/** What a mark covers that none before it did: whatever became known of those that it had covered was told then. */
const covered = (isBetween: string, isOpen: string) => `SELECT id, delivery, meta_at FROM message
  WHERE account = ?1 AND sender = ?2 AND psid = ?3 AND ${isBetween} AND state = ${states.sent} AND ${isOpen}
    AND seen_at IS NULL ORDER BY meta_at`;
const deliveredBefore = covered('meta_at >= ?4 AND meta_at < ?5', 'delivery = 0');
const readUpTo = covered('meta_at > ?4 AND meta_at <= ?5', 'true');
const marks = `SELECT delivered_to, delivered_at, read_to, read_at FROM conversation ${conversationAs}`;
const parkedAs = 'WHERE account = ? AND page = ? AND mid = ?';

/**
 * What becomes known of messages that were sent. Receipts may come before the message they are of is known to be sent:
 * how far each conversation is delivered and read is kept, and ids that nobody knows yet are, for a while.
 */
export class Receipts {
  readonly #rows: OutboxRows;

  constructor(rows: OutboxRows) {
    this.#rows = rows;
  }

  /** Meta answered that it took a message that is being sent; nothing is kept of any other. */
  answered({ id, mid, psid }: Answered, at: EpochMs): void {
    const row = this.#rows.get(ofClaimed, id);
    if (row === undefined) return;
    const proof = { mid, psid: psid ?? text(row, 'destination'), at };
    this.#rows.run(sentByAnswer, id, mid, at, proof.psid);
    this.#sent(id, row, proof);
  }

  /** It is proven that a message was sent, whatever it was taken for so far. */
  #provenSent(id: number, row: Row, proof: Proof): void {
    this.#rows.run(sentByEcho, id, proof.mid, proof.at, proof.psid);
    this.#sent(id, row, proof);
  }

  #sent(id: number, row: Row, { mid, psid, at }: Proof): void {
    const { status, error } = steps.sent;
    this.#rows.step(id, { at, isFirst: false, statusKey: status.key, errorKey: error.key }, true);
    this.#rows.advance(row);
    const [account, page] = [integer(row, 'account'), text(row, 'sender')];
    this.#unpark(id, account, page, mid);
    this.#catchUp({ id, account, page, psid, at });
  }

  receive(receipt: Receipt, now: EpochMs): void {
    if (receipt.kind === 'echo') return this.#echo(receipt, now);
    const { accounts, page, psid, at } = receipt;
    for (const account of accounts) {
      const heard = { account, page, psid, at };
      if (receipt.kind === 'delivered') for (const mid of receipt.mids) this.#deliveredMid(heard, mid, now);
      if (receipt.watermark === undefined) continue;
      if (receipt.kind === 'read') this.#readTo(heard, receipt.watermark, now);
      else this.#deliveredTo(heard, receipt.watermark, now);
    }
  }

  /** Forgets what was kept for messages that nobody has heard of since. */
  forget(now: EpochMs): void {
    this.#rows.run('DELETE FROM parked WHERE parked_at < ?', now - limits.parkedMs);
    const unchangedSince = now - limits.sendValidityMs - limits.parkedMs - changedMs;
    this.#rows.run('DELETE FROM conversation WHERE changed_at < ?', unchangedSince);
  }

  #echo({ accounts, page, psid, mid, metadata, at, foreign }: Echo, now: EpochMs): void {
    const proof = { mid, psid, at };
    const rows = this.#echoed({ accounts, page, psid, mid, ...(metadata !== undefined && { metadata }) });
    for (const row of rows) this.#provenByEcho(row, proof);
    if (foreign === undefined) return;
    const known = new Set(rows.map(row => integer(row, 'account')));
    for (const account of foreign.accounts)
      if (!known.has(account)) this.#keepForeign(account, foreign.message, proof, now);
  }

  #provenByEcho(row: Row, proof: Proof): void {
    const { mid, psid, at } = proof;
    const id = integer(row, 'id');
    if (integer(row, 'state') !== states.sent) {
      this.#provenSent(id, row, proof);
      return this.#rows.release(row);
    }
    if (integer(row, 'is_echoed') === 1) return;
    const [account, page] = [integer(row, 'account'), text(row, 'sender')];
    if (row.mid === mid && row.psid === psid)
      this.#rows.run('UPDATE message SET meta_at = ?, is_echoed = 1 WHERE id = ?', at, id);
    else {
      this.#rows.run(
        'UPDATE message SET mid = ?, psid = ?, meta_at = ?, is_echoed = 1 WHERE id = ?',
        mid,
        psid,
        at,
        id,
      );
      this.#unpark(id, account, page, mid);
    }
    this.#catchUp({ id, account, page, psid, at });
  }

  /** One that somebody else sent is followed from here on. */
  #keepForeign(account: AccountId, message: Outgoing, { mid, psid, at }: Proof, now: EpochMs): void {
    const { messageId, sender, destination, expiresAt } = message;
    const id = this.#rows.add(
      `INSERT OR IGNORE INTO message (account, message_id, sender, destination, lane, place, state, is_head, accepted_at,
         sent_at, due_at, expires_at, deadline, tries, is_echoed, mid, psid, meta_at, body)
       VALUES (?1, ?2, ?3, ?4, 0, 0, ${states.sent}, 0, ?5, ?6, ?6, ?7, ?7, 0, 1, ?8, ?9, ?6, ?10)`,
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
    if (id === undefined) return;
    const { status, error } = steps.sent;
    this.#rows.step(id, { at, isFirst: true, statusKey: status.key, errorKey: error.key });
    this.#unpark(id, account, sender, mid);
    this.#catchUp({ id, account, page: sender, psid, at });
  }

  /**
   * By Meta's id, or else by ours, which went along: then it is one account's, whoever uses the same id. Another program may
   * number its messages as we do: one of ours that was sent to somebody else, by another id of Meta's, is not meant.
   */
  #echoed({ accounts, page, psid, mid, metadata }: Omit<Echo, 'kind' | 'at' | 'foreign'>): readonly Row[] {
    const known = accounts.map(account => this.#rowOf(account, page, mid)).filter(row => row !== undefined);
    if (metadata === undefined || known.some(row => row.claimed_at !== null)) return known;
    const isKnown = new Set(known.map(row => integer(row, 'account')));
    const named = this.#rows.get(
      `SELECT ${columns} FROM message
       WHERE message_id = ? AND account IN (SELECT value FROM json_each(?)) AND sender = ? AND claimed_at IS NOT NULL
         AND (mid IS NULL OR psid = ?) ORDER BY is_echoed, id LIMIT 1`,
      metadata,
      JSON.stringify(accounts.filter(account => !isKnown.has(account))),
      page,
      psid,
    );
    return named === undefined ? known : [...known, named];
  }

  #rowOf(account: AccountId, page: string, mid: string): Row | undefined {
    return this.#rows.get(`SELECT ${columns} ${ofMid}`, account, page, mid);
  }

  #deliveredMid({ account, page, at }: Heard, mid: string, now: EpochMs): void {
    const row = this.#rows.get(`SELECT id, delivery, implied_at ${ofMid}`, account, page, mid);
    if (row !== undefined) return this.#deliver(row, at);
    this.#rows.run(
      'INSERT OR IGNORE INTO parked (account, page, mid, delivered_at, parked_at) VALUES (?, ?, ?, ?, ?)',
      account,
      page,
      mid,
      at,
      now,
    );
  }

  #deliveredTo({ account, page, psid, at }: Heard, watermark: EpochMs, now: EpochMs): void {
    const known = this.#rows.get(marks, account, page, psid);
    const before = (known && optionalInteger(known, 'delivered_to')) ?? 0;
    this.#rows.run(
      `INSERT INTO conversation (account, page, psid, delivered_to, delivered_at, changed_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)
       ON CONFLICT DO UPDATE SET delivered_to = ?4, delivered_at = ?5, ${changed}
       WHERE delivered_to IS NULL OR delivered_to < ?4 OR (delivered_to = ?4 AND delivered_at > ?5)`,
      account,
      page,
      psid,
      watermark,
      at,
      now,
    );
    if (watermark <= before) return;
    const open = this.#rows.all(deliveredBefore, account, page, psid, before, watermark);
    for (const row of open) this.#implyDelivery(row, at);
  }

  #readTo(heard: Heard, watermark: EpochMs, now: EpochMs): void {
    const { account, page, psid, at } = heard;
    const known = this.#rows.get(marks, account, page, psid);
    const before = (known && optionalInteger(known, 'read_to')) ?? -1;
    // It happened before one that was heard of already.
    if (known !== undefined && (optionalInteger(known, 'read_at') ?? 0) > at) this.#seeEarlier(heard, watermark);
    this.#rows.run(
      `INSERT INTO conversation (account, page, psid, read_to, read_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
       ON CONFLICT DO UPDATE SET read_to = ?4, read_at = ?5, ${changed}
       WHERE read_to IS NULL OR read_to < ?4 OR (read_to = ?4 AND read_at > ?5)`,
      account,
      page,
      psid,
      watermark,
      at,
      now,
    );
    if (watermark <= before) return;
    for (const row of this.#rows.all(readUpTo, account, page, psid, before, watermark)) this.#see(row, at);
  }

  /** What a later read told of is seen from the earliest on. */
  #seeEarlier({ account, page, psid, at }: Heard, watermark: EpochMs): void {
    const late = this.#rows.all(seenLater, account, page, psid, watermark, at);
    for (const row of late) this.#seen(integer(row, 'id'), at);
  }

  /** What was heard of a message by its id before that was known. */
  #unpark(id: number, account: AccountId, page: string, mid: string): void {
    const parked = this.#rows.get(`SELECT delivered_at FROM parked ${parkedAs}`, account, page, mid);
    if (parked === undefined) return;
    this.#rows.run(`DELETE FROM parked ${parkedAs}`, account, page, mid);
    this.#deliver(this.#row(id), integer(parked, 'delivered_at'));
  }

  /** What was heard of its conversation before it was known when a message was sent. */
  #catchUp({ id, account, page, psid, at: metaAt }: Heard & { readonly id: number }): void {
    const known = this.#rows.get(marks, account, page, psid);
    if (known === undefined) return;
    if ((optionalInteger(known, 'delivered_to') ?? 0) > metaAt)
      this.#implyDelivery(this.#row(id), integer(known, 'delivered_at'));
    const readTo = optionalInteger(known, 'read_to') ?? 0;
    if (readTo < metaAt) return;
    const row = this.#row(id);
    const next = this.#rows.get(seenNext, account, page, psid, metaAt, id, readTo);
    const at = Math.min(integer(known, 'read_at'), (next && optionalInteger(next, 'seen_at')) ?? Infinity);
    if (row.seen_at === null) this.#see(row, at);
    else if (integer(row, 'seen_at') > at) this.#seen(id, at);
  }

  #row(id: number): Row {
    const row = this.#rows.get(`SELECT ${columns} FROM message WHERE id = ?`, id);
    if (row === undefined) throw new RangeError('a message of the outbox is gone');
    return row;
  }

  /** By a receipt of its own: it says when, and goes before what was implied, whichever clocks those moments are by. */
  #deliver(row: Row, doneAt: EpochMs): void {
    if (integer(row, 'delivery') === 2) return;
    const id = integer(row, 'id');
    this.#rows.run('UPDATE message SET delivery = 2, deadline = NULL WHERE id = ?', id);
    this.#tellDelivered(id, Math.max(doneAt, (optionalInteger(row, 'implied_at') ?? 0) + 1), doneAt);
  }

  /** By a receipt of a later moment. It counts for the moment of sending. */
  #implyDelivery(row: Row, doneAt: EpochMs): void {
    if (integer(row, 'delivery') !== 0) return;
    const [id, at] = [integer(row, 'id'), Math.min(doneAt, integer(row, 'meta_at'))];
    this.#rows.run('UPDATE message SET delivery = 1, implied_at = ?, deadline = NULL WHERE id = ?', at, id);
    this.#tellDelivered(id, at, doneAt);
  }

  #tellDelivered(id: number, at: EpochMs, doneAt: EpochMs): void {
    const { status, error } = steps.delivered;
    this.#rows.step(id, { at, isFirst: false, statusKey: status.key, errorKey: error.key, doneAt });
  }

  #see(row: Row, at: EpochMs): void {
    this.#implyDelivery(row, at);
    this.#seen(integer(row, 'id'), at);
  }

  #seen(id: number, at: EpochMs): void {
    this.#rows.run('UPDATE message SET seen_at = ? WHERE id = ?', at, id);
    this.#rows.step(id, { at, isFirst: false, seenAt: at });
  }
}
