import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { bigints, texts } from '../../postgres/arrays.ts';
import { integer, type Row, truth } from '../../postgres/cells.ts';
import type { Transaction, Value } from '../../postgres/session.ts';
import type { Receipt } from '../outbox.ts';
import { states } from '../states.ts';
import { steps } from '../telling.ts';
import type { Line } from './line.ts';
import type { PageRows } from './pages.ts';
import { telling } from './steps.ts';

/** `at`: when it was sent, by Meta's word, or at the latest when Meta answered. */
type Proof = { readonly id: number; readonly mid: string; readonly psid?: string; readonly at: EpochMs };
type Of<K extends Receipt['kind']> = Extract<Receipt, { readonly kind: K }>;
type Mark = { readonly page: string; readonly psid: string; readonly at: EpochMs; readonly watermark: EpochMs };

/**
 * What becomes known of messages that were sent, all of a call at once: receipts come to the same in any order. What is
 * heard before its message is known to be sent is kept, as in the embedded engine.
 */
export class Receipts {
  readonly #pages: PageRows;
  readonly #line: Line;

  constructor(pages: PageRows, line: Line) {
    this.#pages = pages;
    this.#line = line;
  }

  async receive(session: Transaction, receipts: readonly Receipt[], now: EpochMs): Promise<void> {
    const foreign = receipts.flatMap(one => (one.kind === 'echo' && one.foreign !== undefined ? [one.foreign] : []));
    if (foreign.length > 0)
      await this.#pages.ensure(
        session,
        foreign.map(({ account, message: { sender } }) => ({ account, sender })),
      );
    await this.#pages.holdSenders(session, [...new Set(receipts.map(one => one.page))]);
    const of = <K extends Receipt['kind']>(kind: K) => receipts.filter((one): one is Of<K> => one.kind === kind);
    await this.#echoes(session, of('echo'), now);
    const delivered = of('delivered');
    await this.#mids(session, delivered, now);
    await this.#marks(
      session,
      delivered.flatMap(({ watermark, ...one }) => (watermark === undefined ? [] : [{ ...one, watermark }])),
      now,
      deliveredTo,
      deliveredBefore,
    );
    await this.#marks(session, of('read'), now, readTo, readUpTo);
  }

  /** It is proven that messages were sent, whatever they were taken for so far. */
  async sent(session: Transaction, proofs: readonly Proof[], isEchoed: boolean, now: EpochMs): Promise<void> {
    if (proofs.length === 0) return;
    const ids = proofs.map(one => one.id);
    await session.query(sent, [...proofColumns(proofs), isEchoed]);
    await this.#line.advance(session, ids);
    await this.#line.release(session, ids, now);
    await this.#catchUp(session, ids);
  }

  /** Forgets what was kept for messages that nobody has heard of since. */
  async forget(session: Transaction, now: EpochMs): Promise<void> {
    await session.query(forgetParked, [now - limits.parkedMs]);
    await session.query(forgetConversations, [now - limits.sendValidityMs - limits.parkedMs]);
  }

  /** Of echoes that name the same message one at a time: what the first says decides which message the next names. */
  async #echoes(session: Transaction, echoes: readonly Of<'echo'>[], now: EpochMs): Promise<void> {
    for (let left = echoes; left.length > 0; ) {
      const rows = await session.query(echoed, [
        bigints(left.map((_, index) => index)),
        texts(left.map(one => one.page)),
        texts(left.map(one => one.mid)),
        texts(left.map(one => one.metadata)),
      ]);
      const known = new Set(rows.map(([index]) => integer(index)));
      await this.#keepForeign(
        session,
        left.filter((_, index) => !known.has(index)),
        now,
      );
      const named = new Set<number>();
      const later: Of<'echo'>[] = [];
      const [proven, dated]: [Proof[], Proof[]] = [[], []];
      for (const row of rows) {
        const { index, id, isSent, isEchoed } = echoedIn(row);
        const echo = left[index];
        if (echo === undefined) throw new RangeError('an echo was not asked for');
        const { mid, psid, at } = echo;
        if (named.has(id)) later.push(echo);
        else if (!isSent) proven.push({ id, mid, psid, at });
        else if (!isEchoed) dated.push({ id, mid, psid, at });
        named.add(id);
      }
      await this.sent(session, proven, true, now);
      if (dated.length > 0) {
        await session.query(dateByEcho, [...proofColumns(dated)]);
        await this.#catchUp(
          session,
          dated.map(one => one.id),
        );
      }
      left = later;
    }
  }

  /** Those that somebody else sent are followed from here on. */
  async #keepForeign(session: Transaction, echoes: readonly Of<'echo'>[], now: EpochMs): Promise<void> {
    const kept = echoes.flatMap(({ foreign, ...echo }) => (foreign === undefined ? [] : [{ ...echo, ...foreign }]));
    if (kept.length === 0) return;
    const rows = await session.query(keepForeign, [
      now,
      bigints(kept.map(one => one.account)),
      texts(kept.map(one => one.message.messageId)),
      texts(kept.map(one => one.message.sender)),
      texts(kept.map(one => one.message.destination)),
      bigints(kept.map(one => one.at)),
      bigints(kept.map(one => one.message.expiresAt)),
      texts(kept.map(one => one.mid)),
      texts(kept.map(one => one.psid)),
      texts(kept.map(one => JSON.stringify(one.message))),
    ]);
    if (rows.length > 0)
      await this.#catchUp(
        session,
        rows.map(([id]) => integer(id)),
      );
  }

  async #mids(session: Transaction, receipts: readonly Of<'delivered'>[], now: EpochMs): Promise<void> {
    const named = receipts.flatMap(({ page, at, mids }) => mids.map(mid => ({ page, mid, at })));
    if (named.length === 0) return;
    const columns = [
      texts(named.map(one => one.page)),
      texts(named.map(one => one.mid)),
      bigints(named.map(one => one.at)),
    ];
    await session.query(deliveredMids, columns);
    await session.query(parkMids, [...columns, now]);
  }

  async #marks(
    session: Transaction,
    marks: readonly Mark[],
    now: EpochMs,
    keep: { readonly name: string; readonly text: string },
    apply: readonly { readonly name: string; readonly text: string }[],
  ): Promise<void> {
    if (marks.length === 0) return;
    const columns = [
      texts(marks.map(one => one.page)),
      texts(marks.map(one => one.psid)),
      bigints(marks.map(one => one.watermark)),
      bigints(marks.map(one => one.at)),
    ];
    await session.query(keep, [...columns, now]);
    for (const statement of apply) await session.query(statement, columns);
  }

  /** What was heard of messages before they were known. */
  async #catchUp(session: Transaction, ids: readonly number[]): Promise<void> {
    for (const statement of [unpark, ...catchUpMarks]) await session.query(statement, [bigints(ids)]);
  }
}

function proofColumns(proofs: readonly Proof[]): readonly Value[] {
  return [
    bigints(proofs.map(one => one.id)),
    texts(proofs.map(one => one.mid)),
    texts(proofs.map(one => one.psid)),
    bigints(proofs.map(one => one.at)),
  ];
}

function echoedIn([index, id, isSent, isEchoed]: Row) {
  return { index: integer(index), id: integer(id), isSent: truth(isSent), isEchoed: truth(isEchoed) };
}

const proof = 'unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) p(id, mid, psid, sent_at)';
const proofSet = 'mid = p.mid, psid = coalesce(p.psid, m.destination), meta_at = p.sent_at';

const sent = {
  name: 'outbox messages sent',
  text: `WITH c AS (
      UPDATE outbox_message m SET state = ${states.sent}, is_head = false, ${proofSet}, is_echoed = $5,
        deadline = m.expires_at
      FROM ${proof} WHERE m.id = p.id RETURNING m.id, m.meta_at)
    ${telling({ at: 'c.meta_at', codes: steps.sent, withPrice: true })}`,
};
const keepForeign = {
  name: 'outbox messages of others',
  text: `WITH c AS (
      INSERT INTO outbox_message (account_id, place, accepted_at, sent_at, due_at, expires_at, deadline, lane, state,
        is_head, is_echoed, message_id, sender, destination, mid, psid, meta_at, body)
      SELECT f.account_id, 0, $1, f.sent_at, f.sent_at, f.expires_at, f.expires_at, 0, ${states.sent}, false, true,
        f.message_id, f.sender, f.destination, f.mid, f.psid, f.sent_at, f.body
      FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
        $10::text[]) WITH ORDINALITY
        f(account_id, message_id, sender, destination, sent_at, expires_at, mid, psid, body, nr)
      ORDER BY f.nr ON CONFLICT DO NOTHING RETURNING id, meta_at)
    ${telling({ at: 'c.meta_at', codes: steps.sent, isFirst: 'true' })}`,
};
const dateByEcho = {
  name: 'outbox messages dated',
  text: `UPDATE outbox_message m SET ${proofSet}, is_echoed = true FROM ${proof} WHERE m.id = p.id`,
};
/** By Meta's id, or by ours, which went along. */
const echoed = {
  name: 'outbox messages echoed',
  text: `SELECT e.nr, f.id, f.state = ${states.sent}, f.is_echoed
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) e(nr, page, mid, metadata)
    CROSS JOIN LATERAL (
      SELECT * FROM (
        SELECT m.id, m.state, m.is_echoed, 0 AS rank FROM outbox_message m WHERE m.sender = e.page AND m.mid = e.mid
        UNION ALL
        SELECT m.id, m.state, m.is_echoed, 1 FROM outbox_message m
        WHERE m.message_id = e.metadata AND m.sender = e.page AND m.claimed_at IS NOT NULL) b
      ORDER BY b.rank, b.is_echoed, b.id LIMIT 1) f
    ORDER BY e.nr`,
};

/** By a receipt of its own: it says when, whatever was implied before. */
const delivers = (from: string, at: string) => `
  UPDATE outbox_message m SET delivery = 2, deadline = NULL FROM ${from} AND m.delivery < 2
  RETURNING m.id, ${at} AS delivered_at`;
/** By a receipt of a later moment. It counts for the moment of sending, so that one of its own goes before it. */
const implies = (from: string, at: string) => `
  UPDATE outbox_message m SET delivery = 1, deadline = NULL FROM ${from} AND m.delivery = 0
  RETURNING m.id, m.meta_at, ${at} AS delivered_at`;
const sees = (from: string, at: string) => `
  UPDATE outbox_message m SET seen_at = ${at} FROM ${from} AND m.seen_at IS NULL RETURNING m.id, m.seen_at`;
const { delivered } = steps;
const tellDelivered = telling({ at: 'c.delivered_at', codes: delivered, doneAt: 'c.delivered_at' });
const tellImplied = telling({ at: 'least(c.delivered_at, c.meta_at)', codes: delivered, doneAt: 'c.delivered_at' });
const tellSeen = telling({ at: 'c.seen_at', seenAt: 'c.seen_at' });

const marks = 'unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) w(page, psid, watermark, happened_at)';
/** Of each message the earliest mark that covers it. */
const covered = (compare: '<' | '<=', isOpen: string) => `(
  SELECT DISTINCT ON (o.id) o.id, w.happened_at FROM ${marks}
  JOIN outbox_message o ON o.sender = w.page AND o.psid = w.psid AND o.meta_at ${compare} w.watermark
    AND o.state = ${states.sent} AND ${isOpen}
  ORDER BY o.id, w.watermark) r WHERE m.id = r.id`;

const deliveredMids = {
  name: 'outbox messages delivered',
  text: `WITH c AS (${delivers(
    `(SELECT DISTINCT ON (o.id) o.id, d.happened_at FROM unnest($1::text[], $2::text[], $3::bigint[])
      WITH ORDINALITY d(page, mid, happened_at, nr) JOIN outbox_message o ON o.sender = d.page AND o.mid = d.mid
      ORDER BY o.id, d.nr) r WHERE m.id = r.id`,
    'r.happened_at',
  )}) ${tellDelivered}`,
};
const parkMids = {
  name: 'outbox receipts parked',
  text: `INSERT INTO outbox_parked (page, mid, delivered_at, parked_at)
    SELECT d.page, d.mid, d.happened_at, $4 FROM unnest($1::text[], $2::text[], $3::bigint[]) d(page, mid, happened_at)
    WHERE NOT EXISTS (SELECT FROM outbox_message m WHERE m.sender = d.page AND m.mid = d.mid)
    ORDER BY d.page, d.mid ON CONFLICT DO NOTHING`,
};
const deliveredBefore = [
  {
    name: 'outbox messages delivered before',
    text: `WITH c AS (${implies(covered('<', 'o.delivery = 0'), 'r.happened_at')}) ${tellImplied}`,
  },
];
const readUpTo = [
  {
    name: 'outbox messages read',
    text: `WITH c AS (${implies(covered('<=', 'o.seen_at IS NULL'), 'r.happened_at')}) ${tellImplied}`,
  },
  {
    name: 'outbox messages seen',
    text: `WITH c AS (${sees(covered('<=', 'o.seen_at IS NULL'), 'r.happened_at')}) ${tellSeen}`,
  },
];
const keepMark = (to: string, at: string) => `
  INSERT INTO outbox_conversation (page, psid, ${to}, ${at}, changed_at)
  SELECT DISTINCT ON (w.page, w.psid) w.page, w.psid, w.watermark, w.happened_at, $5::bigint FROM ${marks}
  ORDER BY w.page, w.psid, w.watermark DESC
  ON CONFLICT (page, psid) DO UPDATE SET ${to} = excluded.${to}, ${at} = excluded.${at}, changed_at = excluded.changed_at
  WHERE outbox_conversation.${to} IS NULL OR outbox_conversation.${to} < excluded.${to}`;
const deliveredTo = { name: 'outbox conversations delivered', text: keepMark('delivered_to', 'delivered_at') };
const readTo = { name: 'outbox conversations read', text: keepMark('read_to', 'read_at') };

const unpark = {
  name: 'outbox receipts unparked',
  text: `WITH parked AS (
      DELETE FROM outbox_parked k USING outbox_message o
      WHERE o.id = ANY ($1::bigint[]) AND k.page = o.sender AND k.mid = o.mid RETURNING o.id, k.delivered_at),
    c AS (${delivers('parked r WHERE m.id = r.id', 'r.delivered_at')}) ${tellDelivered}`,
};
const conversation = 'outbox_conversation v WHERE m.id = ANY ($1::bigint[]) AND v.page = m.sender AND v.psid = m.psid';
const isRead = 'm.seen_at IS NULL AND v.read_to >= m.meta_at';
const catchUpMarks = [
  {
    name: 'outbox messages delivered earlier',
    text: `WITH c AS (${implies(`${conversation} AND v.delivered_to > m.meta_at`, 'v.delivered_at')}) ${tellImplied}`,
  },
  {
    name: 'outbox messages read earlier',
    text: `WITH c AS (${implies(`${conversation} AND ${isRead}`, 'v.read_at')}) ${tellImplied}`,
  },
  {
    name: 'outbox messages seen earlier',
    text: `WITH c AS (${sees(`${conversation} AND ${isRead}`, 'v.read_at')}) ${tellSeen}`,
  },
];

const forgotten = (table: string, key: string, at: string) =>
  `DELETE FROM ${table} WHERE ${key} IN (
    SELECT ${key.slice(1, -1)} FROM ${table} WHERE ${at} < $1 LIMIT ${limits.outboxStepMax} FOR UPDATE SKIP LOCKED)`;
const forgetParked = {
  name: 'outbox receipts forgotten',
  text: forgotten('outbox_parked', '(page, mid)', 'parked_at'),
};
const forgetConversations = {
  name: 'outbox conversations forgotten',
  text: forgotten('outbox_conversation', '(page, psid)', 'changed_at'),
};
