import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { bigints, integers, smallints, texts } from '../../postgres/arrays.ts';
import { integer, type Row, text, truth } from '../../postgres/cells.ts';
import type { Transaction } from '../../postgres/session.ts';
import type { AddBatch, Claimed, NewMessage, Want } from '../outbox.ts';
import { laneAt, laneIndex, states } from '../states.ts';
import { steps } from '../telling.ts';
import type { PageKey } from './pages.ts';
import { telling } from './steps.ts';

/** Another process took one of the ids meanwhile: the transaction is to be tried again. */
export class IdTaken extends Error {}

/** A scheduled message whose time has come. */
type Due = PageKey & { readonly id: number };

/** Messages in line. Every call is part of a transaction that holds the rows of the pages concerned. */
export class Line {
  readonly #holder: string;

  constructor(holder: string) {
    this.#holder = holder;
  }

  /** One statement, so those of several batches need not wait for each other's answers. */
  async add(session: Transaction, { account, messages, now }: AddBatch): Promise<readonly boolean[]> {
    // Of those with one id the first.
    const firstAt = new Map(messages.map(({ messageId }, index) => [messageId, index] as const).toReversed());
    const places = [...firstAt.values()].toSorted((a, b) => a - b);
    const firsts = messages.filter(({ messageId }, index) => firstAt.get(messageId) === index);
    const rows = await session.query(add, [account, now, ...messageColumns(firsts)]);
    const [counts, numbers] = [true, false].map(kind => rows.filter(([isCount]) => truth(isCount) === kind));
    const added = new Set(numbers?.map(([, nr]) => places[integer(nr) - 1]));
    if (added.size !== integer(counts?.[0]?.[1])) throw new IdTaken('an id was taken meanwhile');
    return messages.map((_, index) => added.has(index));
  }

  /** Puts these in line, as far as they are scheduled. */
  async begin(session: Transaction, due: readonly Due[], now: EpochMs): Promise<void> {
    if (due.length === 0) return;
    const ids = bigints(due.map(one => one.id));
    session.send(holdOfDue, [ids]);
    // What was begun before the rows were held is not scheduled any more.
    session.send(begin, [ids, now]);
  }

  /** Scheduled messages whose time has come: a bounded number, of these pages or, without them, of all. */
  async due(session: Transaction, now: EpochMs, pages?: readonly PageKey[]): Promise<readonly Due[]> {
    const accounts = pages === undefined ? null : bigints(pages.map(one => one.account));
    const senders = pages === undefined ? null : texts(pages.map(one => one.sender));
    return (await session.query(dueIds, [now, accounts, senders])).map(([id, account, sender]) => ({
      id: integer(id),
      account: integer(account),
      sender: text(sender),
    }));
  }

  async claim(session: Transaction, wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    const rows = await session.query(claim, [
      bigints(wants.map(one => one.account)),
      texts(wants.map(one => one.sender)),
      smallints(wants.map(one => laneIndex(one.lane))),
      integers(wants.map(one => one.count)),
      now,
      this.#holder,
    ]);
    return rows.map(claimedIn);
  }

  /**
   * The next of each conversation is first in it where these messages no longer are, and waits no longer for what was
   * unknown of them.
   */
  advance(session: Transaction, messages: readonly number[]): void {
    if (messages.length > 0) session.send(advance, [bigints(messages)]);
  }
}

function messageColumns(messages: readonly NewMessage[]): readonly Buffer[] {
  const bodies = messages.map(({ lane, price, end, ...body }) => JSON.stringify(body));
  return [
    texts(messages.map(one => one.messageId)),
    texts(messages.map(one => one.sender)),
    texts(messages.map(one => one.destination)),
    smallints(messages.map(one => laneIndex(one.lane))),
    bigints(messages.map(one => one.dueAt)),
    bigints(messages.map(one => one.expiresAt)),
    integers(messages.map(one => one.end?.statusKey)),
    integers(messages.map(one => one.end?.errorKey)),
    texts(messages.map(one => (one.price === undefined ? undefined : JSON.stringify(one.price)))),
    texts(bodies),
  ];
}

function claimedIn([id, account, sender, lane, tries, body]: Row): Claimed {
  return {
    id: integer(id),
    account: integer(account),
    sender: text(sender),
    lane: laneAt(integer(lane)),
    tries: integer(tries),
    message: JSON.parse(text(body)),
  };
}

const { hold, inLine } = {
  hold: limits.conversationHoldMs,
  inLine: `state IN (${states.queued}, ${states.claimed})`,
};

const sameConversation = (one: string, other: string) =>
  `${one}.account_id = ${other}.account_id AND ${one}.sender = ${other}.sender AND ${one}.destination = ${other}.destination`;
const heldUntil = (one: string) =>
  `(SELECT coalesce(max(u.claimed_at) + ${hold}, 0) FROM outbox_message u
    WHERE ${sameConversation('u', one)} AND u.state = ${states.unknown})`;
/** What is in line is due, whatever the clock says from here on. A moment of its own has only what waits for one. */
const dueInLine = (one: string) => `CASE WHEN ${one}.is_head THEN ${heldUntil(one)} ELSE 0 END`;
const isAlone = (one: string) =>
  `NOT EXISTS (SELECT FROM outbox_message f WHERE ${sameConversation('f', one)} AND f.${inLine})`;

/** Each statement has places of its own, behind all that were given before; asked for once, whatever its plan. */
const nextPlaces = `places AS MATERIALIZED (SELECT nextval('outbox_place') AS next)`;
const isKnown = `(SELECT k.id FROM outbox_message k WHERE k.message_id = g.message_id AND k.account_id = $1) IS NOT NULL`;
/**
 * How many of them are not known, and the numbers of those that were added. No part of it is joined to another by numbers:
 * the planner takes each for one row, and would look through all of one for each of the other.
 */
const add = {
  name: 'outbox messages added',
  text: `WITH ${nextPlaces},
    given AS MATERIALIZED (
      SELECT $1::bigint AS account_id, g.*, places.next + g.nr AS place, CASE WHEN g.status IS NOT NULL THEN ${states.ended}
        WHEN g.due_at <= $2 THEN ${states.queued} ELSE ${states.scheduled} END AS state
      FROM places, unnest($3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::bigint[], $9::integer[],
        $10::integer[], $11::text[], $12::text[]) WITH ORDINALITY
        g(message_id, sender, destination, lane, due_at, expires_at, status, error, price, body, nr)
      WHERE NOT ${isKnown}),
    lined AS MATERIALIZED (
      SELECT g.*, g.state = ${states.queued} AND ${isAlone('g')}
        AND row_number() OVER (PARTITION BY g.sender, g.destination, g.state ORDER BY g.nr) = 1 AS is_head
      FROM given g),
    c AS (
      INSERT INTO outbox_message (account_id, place, accepted_at, sent_at, due_at, expires_at, deadline, lane, state, is_head,
        message_id, sender, destination, price, body)
      SELECT l.account_id, l.place, $2, $2, CASE WHEN l.state = ${states.queued} THEN ${dueInLine('l')} ELSE l.due_at END,
        l.expires_at, CASE WHEN l.status IS NULL THEN l.expires_at END, l.lane, l.state, l.is_head, l.message_id,
        l.sender, l.destination, l.price, l.body
      FROM lined l ORDER BY l.nr
      ON CONFLICT DO NOTHING RETURNING id, place, state),
    told AS (
      INSERT INTO outbox_step (message, happened_at, is_first, status, error, done_at)
      SELECT o.id, $2, true, coalesce(o.status, ${steps.accepted.status.key}), coalesce(o.error, ${steps.accepted.error.key}),
        CASE WHEN o.status IS NOT NULL THEN $2 END
      FROM (SELECT c.id, c.place, ($9::integer[])[c.place - places.next] AS status, ($10::integer[])[c.place - places.next] AS error
        FROM c, places WHERE c.state <> ${states.scheduled}) o
      ORDER BY o.place)
    SELECT true, count(*) FROM given UNION ALL SELECT false, c.place - places.next FROM c, places`,
};
const dueIds = {
  name: 'outbox messages due',
  text: `SELECT m.id, m.account_id, m.sender FROM outbox_message m WHERE m.state = ${states.scheduled} AND m.due_at <= $1
      AND ($2::bigint[] IS NULL OR (m.account_id, m.sender) IN (SELECT * FROM unnest($2::bigint[], $3::text[])))
    ORDER BY m.due_at, m.id LIMIT ${limits.outboxStepMax}`,
};
const holdOfDue = {
  name: 'outbox pages due',
  text: `SELECT FROM outbox_page p WHERE (p.sender, p.account_id) IN
      (SELECT m.sender, m.account_id FROM outbox_message m WHERE m.id = ANY ($1::bigint[]))
    ORDER BY p.sender, p.account_id FOR UPDATE OF p`,
};
const begin = {
  name: 'outbox messages begun',
  text: `WITH ${nextPlaces},
    due AS MATERIALIZED (
      SELECT m.id, m.account_id, m.sender, m.destination, row_number() OVER (ORDER BY m.due_at, m.id) AS nr,
        row_number() OVER (PARTITION BY m.account_id, m.sender, m.destination ORDER BY m.due_at, m.id) = 1
          AND ${isAlone('m')} AS is_head
      FROM outbox_message m WHERE m.id = ANY ($1::bigint[]) AND m.state = ${states.scheduled}),
    c AS (
      UPDATE outbox_message m SET state = ${states.queued}, sent_at = $2, place = places.next + d.nr, is_head = d.is_head,
        deadline = m.expires_at, due_at = ${dueInLine('d')}
      FROM due d, places WHERE m.id = d.id RETURNING m.id)
    ${telling({ at: '$2::bigint', codes: steps.accepted, isFirst: 'true' })}`,
};
const isReady =
  'm.is_head AND m.account_id = w.account_id AND m.sender = w.sender AND m.lane = w.lane AND m.expires_at > $5';
/** Of pages that are this process's. What waited for its moment goes first: the line may never be empty. */
const claim = {
  name: 'outbox messages claimed',
  text: `WITH found AS MATERIALIZED (
      SELECT f.id, w.nr, f.due_at
      FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::integer[]) WITH ORDINALITY
        w(account_id, sender, lane, most, nr)
      JOIN outbox_page p ON p.sender = w.sender AND p.account_id = w.account_id AND p.holder = $6
        AND p.leased_until > clock_timestamp()
      CROSS JOIN LATERAL (
        SELECT * FROM (
          (SELECT m.id, m.due_at FROM outbox_message m WHERE ${isReady} AND m.due_at > 0 AND m.due_at <= $5
            ORDER BY m.due_at, m.id LIMIT w.most)
          UNION ALL
          (SELECT m.id, m.due_at FROM outbox_message m WHERE ${isReady} AND m.due_at = 0 ORDER BY m.id LIMIT w.most)) r
        ORDER BY r.due_at = 0, r.due_at, r.id LIMIT w.most) f),
    c AS (
      UPDATE outbox_message m SET state = ${states.claimed}, is_head = false, claimed_at = $5, claimer = $6, deadline = NULL
      FROM found f WHERE m.id = f.id
      RETURNING m.id, m.account_id, m.sender, m.lane, m.tries, m.body, f.nr, f.due_at)
    SELECT c.id, c.account_id, c.sender, c.lane, c.tries, c.body FROM c ORDER BY c.nr, c.due_at = 0, c.due_at, c.id`,
};
/** What waits for its own next try does that whatever becomes of others. */
const advance = {
  name: 'outbox conversations advanced',
  text: `UPDATE outbox_message n SET is_head = true, due_at = greatest(CASE WHEN first.is_head THEN 0 ELSE n.due_at END, ${heldUntil('n')})
    FROM (SELECT DISTINCT m.account_id, m.sender, m.destination FROM outbox_message m WHERE m.id = ANY ($1::bigint[])) c
    CROSS JOIN LATERAL (SELECT f.id, f.state, f.is_head, f.claimed_at, f.due_at FROM outbox_message f
      WHERE ${sameConversation('f', 'c')} AND f.${inLine} ORDER BY f.place LIMIT 1) first
    WHERE n.id = first.id AND first.state = ${states.queued}
      AND (NOT first.is_head OR first.claimed_at IS NULL AND first.due_at > 0)`,
};
