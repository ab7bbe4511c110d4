import type { AccountId, EpochMs } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import { bigints, texts } from '../../postgres/arrays.ts';
import { integer, type Row, truth } from '../../postgres/cells.ts';
import type { Transaction, Value } from '../../postgres/session.ts';
import type { Receipt } from '../outbox.ts';
import { states } from '../states.ts';
import { steps } from '../telling.ts';
import type { Line } from './line.ts';
import { byDeliveries, byReads, changedMs, implies, sees, tellImplied } from './marks.ts';
import type { PageKey } from './pages.ts';
import { telling } from './steps.ts';

/** `at`: when it was sent, by Meta's word, or at the latest when Meta answered. */
type Proof = { readonly id: number; readonly mid: string; readonly psid?: string; readonly at: EpochMs };
type Of<K extends Receipt['kind']> = Extract<Receipt, { readonly kind: K }>;
type Mark = Pick<Receipt, 'accounts' | 'page' | 'psid' | 'at'> & { readonly watermark: EpochMs };
type Foreign = Proven & { readonly account: AccountId; readonly message: Outgoing };
type Proven = { readonly mid: string; readonly psid: string; readonly at: EpochMs };

/**
 * What becomes known of messages that were sent, all of a call at once: receipts come to the same in any order. What is
 * heard before its message is known to be sent is kept, as in the embedded engine.
 */
export class Receipts {
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Where the rows of their pages are held. */
  async receive(session: Transaction, receipts: readonly Receipt[], now: EpochMs): Promise<void> {
    const of = <K extends Receipt['kind']>(kind: K) => receipts.filter((one): one is Of<K> => one.kind === kind);
    await this.#echoes(session, of('echo'), now);
    const delivered = of('delivered');
    this.#mids(session, delivered, now);
    this.#marks(
      session,
      delivered.flatMap(({ watermark, ...one }) => (watermark === undefined ? [] : [{ ...one, watermark }])),
      now,
      byDeliveries,
    );
    this.#marks(session, of('read'), now, byReads);
  }

  /**
   * It is proven that messages were sent, whatever they were taken for so far; by answers, that those were which `claimer` had
   * claimed, also where another process took the page over meanwhile.
   */
  sent(session: Transaction, proofs: readonly Proof[], claimer?: string): void {
    if (proofs.length === 0) return;
    const ids = proofs.map(one => one.id);
    session.send(sent, [...proofColumns(proofs), claimer ?? null]);
    this.#line.advance(session, ids);
    this.#catchUp(session, ids);
  }

  /** Forgets what was kept for messages that nobody has heard of since. */
  forget(session: Transaction, now: EpochMs): void {
    session.send(forgetParked, [now - limits.parkedMs]);
    session.send(forgetConversations, [now - limits.sendValidityMs - limits.parkedMs - changedMs]);
  }

  /** Of echoes that name the same message one at a time: what the first says decides which message the next names. */
  async #echoes(session: Transaction, echoes: readonly Of<'echo'>[], now: EpochMs): Promise<void> {
    for (let left = echoes; left.length > 0; ) {
      const found = Map.groupBy(await this.#echoed(session, left), one => one.index);
      const named = new Set<number>();
      const later: Of<'echo'>[] = [];
      const foreign: Foreign[] = [];
      const [proven, dated]: [Proof[], Proof[]] = [[], []];
      for (const [index, echo] of left.entries()) {
        const those = found.get(index) ?? [];
        if (those.some(one => named.has(one.id))) {
          later.push(echo);
          continue;
        }
        const { mid, psid, at } = echo;
        for (const { id, isSent, isEchoed } of those) {
          named.add(id);
          if (!isSent) proven.push({ id, mid, psid, at });
          else if (!isEchoed) dated.push({ id, mid, psid, at });
        }
        const known = new Set(those.map(one => one.account));
        foreign.push(...foreignIn(echo).filter(one => !known.has(one.account)));
      }
      await this.#keepForeign(session, foreign, now);
      this.sent(session, proven);
      if (dated.length > 0) {
        session.send(dateByEcho, [...proofColumns(dated)]);
        this.#catchUp(
          session,
          dated.map(one => one.id),
        );
      }
      left = later;
    }
  }

  async #echoed(session: Transaction, echoes: readonly Of<'echo'>[]) {
    const asked = echoes.flatMap(({ accounts, page, psid, mid, metadata }, index) =>
      accounts.map(account => ({ account, index, page, psid, mid, metadata })),
    );
    const rows = await session.query(echoed, [
      bigints(asked.map(one => one.index)),
      bigints(asked.map(one => one.account)),
      texts(asked.map(one => one.page)),
      texts(asked.map(one => one.mid)),
      texts(asked.map(one => one.metadata)),
      texts(asked.map(one => one.psid)),
    ]);
    return rows.map(echoedIn);
  }

  /** Those that somebody else sent are followed from here on. */
  async #keepForeign(session: Transaction, kept: readonly Foreign[], now: EpochMs): Promise<void> {
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
      this.#catchUp(
        session,
        rows.map(([id]) => integer(id)),
      );
  }

  #mids(session: Transaction, receipts: readonly Of<'delivered'>[], now: EpochMs): void {
    const named = receipts.flatMap(({ accounts, page, at, mids }) =>
      accounts.flatMap(account => mids.map(mid => ({ account, page, mid, at }))),
    );
    if (named.length === 0) return;
    const columns = [
      bigints(named.map(one => one.account)),
      texts(named.map(one => one.page)),
      texts(named.map(one => one.mid)),
      bigints(named.map(one => one.at)),
    ];
    session.send(deliveredMids, columns);
    session.send(parkMids, [...columns, now]);
  }

  #marks(session: Transaction, marks: readonly Mark[], now: EpochMs, { tell, keep }: typeof byReads): void {
    const each = marks.flatMap(({ accounts, ...one }) => accounts.map(account => ({ ...one, account })));
    if (each.length === 0) return;
    const columns = [
      bigints(each.map(one => one.account)),
      texts(each.map(one => one.page)),
      texts(each.map(one => one.psid)),
      bigints(each.map(one => one.watermark)),
      bigints(each.map(one => one.at)),
    ];
    for (const statement of tell) session.send(statement, columns);
    session.send(keep, [...columns, now]);
  }

  /** What was heard of messages before they were known. */
  #catchUp(session: Transaction, ids: readonly number[]): void {
    for (const statement of [unpark, ...catchUpMarks]) session.send(statement, [bigints(ids)]);
  }
}

/** A receipt as that of each account that it counts for, alone, with the page that it is of there. */
export function byAccount(receipt: Receipt): readonly { readonly page: PageKey; readonly record: Receipt }[] {
  const { page: sender } = receipt;
  return receipt.accounts.map(account => ({ page: { account, sender }, record: ofAccount(receipt, account) }));
}

function ofAccount(receipt: Receipt, account: AccountId): Receipt {
  const accounts = [account];
  if (receipt.kind !== 'echo' || receipt.foreign === undefined) return { ...receipt, accounts };
  const { foreign, ...own } = receipt;
  const isWatched = foreign.accounts.includes(account);
  return { ...own, accounts, ...(isWatched && { foreign: { ...foreign, accounts } }) };
}

/** Pages that may not be there yet, since nothing was sent over them from here. */
export function newPagesOf(receipts: readonly Receipt[]): readonly PageKey[] {
  return receipts.flatMap(one =>
    one.kind === 'echo' && one.foreign !== undefined
      ? one.foreign.accounts.map(account => ({ account, sender: one.page }))
      : [],
  );
}

function proofColumns(proofs: readonly Proof[]): readonly Value[] {
  return [
    bigints(proofs.map(one => one.id)),
    texts(proofs.map(one => one.mid)),
    texts(proofs.map(one => one.psid)),
    bigints(proofs.map(one => one.at)),
  ];
}

function foreignIn({ foreign, mid, psid, at }: Of<'echo'>): readonly Foreign[] {
  if (foreign === undefined) return [];
  return foreign.accounts.map(account => ({ account, message: foreign.message, mid, psid, at }));
}

function echoedIn([index, account, id, isSent, isEchoed]: Row) {
  return {
    index: integer(index),
    account: integer(account),
    id: integer(id),
    isSent: truth(isSent),
    isEchoed: truth(isEchoed),
  };
}

const proof = 'unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) p(id, mid, psid, sent_at)';
const proofSet = 'mid = p.mid, psid = coalesce(p.psid, m.destination), meta_at = p.sent_at';

const sent = {
  name: 'outbox messages sent',
  text: `WITH c AS (
      UPDATE outbox_message m SET state = ${states.sent}, is_head = false, ${proofSet}, is_echoed = $5::text IS NULL,
        deadline = m.expires_at
      FROM ${proof} WHERE m.id = p.id AND ($5::text IS NULL
        OR m.claimer = $5::text AND m.state IN (${states.claimed}, ${states.unknown}, ${states.lost}))
      RETURNING m.id, m.meta_at)
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
/**
 * By Meta's id, or else by ours, which went along: then it is one account's, whoever uses the same id. Another program may
 * number its messages as we do: one of ours that was sent to somebody else, by another id of Meta's, is not meant.
 */
const echoed = {
  name: 'outbox messages echoed',
  text: `WITH e AS (
      SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
        e(nr, account_id, page, mid, metadata, psid)),
    known AS (
      SELECT e.nr, m.account_id, m.id, m.state, m.is_echoed, m.claimed_at FROM e
      JOIN outbox_message m ON m.account_id = e.account_id AND m.sender = e.page AND m.mid = e.mid),
    named AS (
      SELECT DISTINCT ON (e.nr) e.nr, m.account_id, m.id, m.state, m.is_echoed FROM e
      JOIN outbox_message m ON m.message_id = e.metadata AND m.account_id = e.account_id AND m.sender = e.page
        AND m.claimed_at IS NOT NULL AND (m.mid IS NULL OR m.psid = e.psid)
      WHERE NOT EXISTS (SELECT FROM known k
        WHERE k.nr = e.nr AND (k.claimed_at IS NOT NULL OR k.account_id = e.account_id))
      ORDER BY e.nr, m.is_echoed, m.id)
    SELECT f.nr, f.account_id, f.id, f.state = ${states.sent}, f.is_echoed FROM (
      SELECT nr, account_id, id, state, is_echoed FROM known UNION ALL SELECT * FROM named) f
    ORDER BY f.nr, f.id`,
};

/** By a receipt of its own: it says when, and goes before what was implied, whichever clocks those moments are by. */
const delivers = (from: string, at: string) => `
  UPDATE outbox_message m SET delivery = 2, deadline = NULL FROM ${from} AND m.delivery < 2
  RETURNING m.id, m.implied_at, ${at} AS delivered_at`;
const { delivered } = steps;
const tellDelivered = telling({
  at: 'greatest(c.delivered_at, c.implied_at + 1)',
  codes: delivered,
  doneAt: 'c.delivered_at',
});
const deliveredMids = {
  name: 'outbox messages delivered',
  text: `WITH c AS (${delivers(
    `(SELECT DISTINCT ON (o.id) o.id, d.happened_at FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
      WITH ORDINALITY d(account_id, page, mid, happened_at, nr)
      JOIN outbox_message o ON o.account_id = d.account_id AND o.sender = d.page AND o.mid = d.mid
      ORDER BY o.id, d.nr) r WHERE m.id = r.id`,
    'r.happened_at',
  )}) ${tellDelivered}`,
};
const parkMids = {
  name: 'outbox receipts parked',
  text: `INSERT INTO outbox_parked (account_id, page, mid, delivered_at, parked_at)
    SELECT d.account_id, d.page, d.mid, d.happened_at, $5
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) d(account_id, page, mid, happened_at)
    WHERE NOT EXISTS (SELECT FROM outbox_message m
      WHERE m.account_id = d.account_id AND m.sender = d.page AND m.mid = d.mid)
    ORDER BY d.account_id, d.page, d.mid ON CONFLICT DO NOTHING`,
};
const unpark = {
  name: 'outbox receipts unparked',
  text: `WITH parked AS (
      DELETE FROM outbox_parked k USING outbox_message o
      WHERE o.id = ANY ($1::bigint[]) AND k.account_id = o.account_id AND k.page = o.sender AND k.mid = o.mid
      RETURNING o.id, k.delivered_at),
    c AS (${delivers('parked r WHERE m.id = r.id', 'r.delivered_at')}) ${tellDelivered}`,
};
const conversation = `outbox_conversation v WHERE m.id = ANY ($1::bigint[]) AND v.account_id = m.account_id
  AND v.page = m.sender AND v.psid = m.psid`;
const catchUpMarks = [
  {
    name: 'outbox messages delivered earlier',
    text: `WITH c AS (${implies(`${conversation} AND v.delivered_to > m.meta_at`, 'v.delivered_at')}) ${tellImplied}`,
  },
  {
    name: 'outbox messages read earlier',
    // Of reads before the last there is what is still known: a message was seen before the next one was.
    text: sees(
      `(SELECT o.id, o.delivery, least(v.read_at, n.seen_at) AS happened_at FROM outbox_message o
        JOIN outbox_conversation v ON v.account_id = o.account_id AND v.page = o.sender AND v.psid = o.psid
          AND v.read_to >= o.meta_at
        LEFT JOIN LATERAL (SELECT s.seen_at FROM outbox_message s
          WHERE s.account_id = o.account_id AND s.sender = o.sender AND s.psid = o.psid
            AND s.meta_at BETWEEN o.meta_at AND v.read_to AND s.seen_at IS NOT NULL AND s.id <> o.id ORDER BY s.meta_at LIMIT 1) n ON true
        WHERE o.id = ANY ($1::bigint[])) r WHERE m.id = r.id`,
      'r.delivery',
      'r.happened_at',
    ),
  },
];

const forgotten = (table: string, key: string, at: string) =>
  `DELETE FROM ${table} WHERE ${key} IN (
    SELECT ${key.slice(1, -1)} FROM ${table} WHERE ${at} < $1 LIMIT ${limits.outboxStepMax} FOR UPDATE SKIP LOCKED)`;
const forgetParked = {
  name: 'outbox receipts forgotten',
  text: forgotten('outbox_parked', '(account_id, page, mid)', 'parked_at'),
};
const forgetConversations = {
  name: 'outbox conversations forgotten',
  text: forgotten('outbox_conversation', '(account_id, page, psid)', 'changed_at'),
};
