import { bigints, texts } from '../../postgres/arrays.ts';
import { integer, type Row, text, truth } from '../../postgres/cells.ts';
import type { Transaction } from '../../postgres/session.ts';
import type { PageLane } from '../outbox.ts';
import { laneAt } from '../states.ts';

export type PageKey = Pick<PageLane, 'account' | 'sender'>;

/** The key of a page as text, whichever lane of it is meant. */
export const pageKeyText = ({ account, sender }: PageKey) => JSON.stringify([account, sender]);

/** A page is sent over by one process at a time, since Meta's rates are those of the page; another takes over after this. */
const leaseMs = 7000;
/** One that was begun so short a time ago is not written anew. */
const renewedMs = 2000;
/** Pages that one look takes, so that others get some. */
const takenMax = 64;

const lease = `clock_timestamp() + ${leaseMs} * interval '1 millisecond'`;
const isFree = '(p.holder IS NULL OR p.leased_until < clock_timestamp())';
const ordered = 'ORDER BY p.sender, p.account_id FOR UPDATE OF p';

/**
 * The rows of pages: whoever changes messages of one holds its row until the end of the transaction, and rows are always
 * taken in one order.
 */
export class PageRows {
  readonly #holder: string;
  /** Nothing more is claimed of these: another process may have them as soon as all of theirs is settled. */
  #leaving: readonly PageKey[] = [];

  constructor(holder: string) {
    this.#holder = holder;
  }

  /** Makes the rows of pages that are not there. */
  ensure(session: Transaction, pages: readonly PageKey[]): void {
    session.send(ensure, keyColumns(pages));
  }

  /** Holds the rows of the pages of these messages. */
  holdOf(session: Transaction, messages: readonly number[]): void {
    session.send(holdOfMessages, [bigints(messages)]);
  }

  /** Holds the rows of these pages. */
  hold(session: Transaction, pages: readonly PageKey[]): void {
    session.send(hold, keyColumns(distinct(pages)));
  }

  /** Those of these pages whose rows somebody holds; the others are held from here on. Waits for nobody. */
  async heldOf(session: Transaction, pages: readonly PageKey[]): Promise<readonly PageKey[]> {
    const keys = keyColumns(distinct(pages));
    const [there, free] = await Promise.all([session.query(thereOf, keys), session.query(holdIfFree, keys)]);
    const isFree = new Set(free.map(row => pageKeyText(keyIn(row))));
    return there.map(keyIn).filter(one => !isFree.has(pageKeyText(one)));
  }

  /**
   * Of these pages, those that this process may send over now, leased to it; `isTaken` when they were not before. Those
   * whose rows are held by others are waited for, or left out where only what is `free` is asked for.
   */
  async lease(
    session: Transaction,
    pages: readonly PageKey[],
    rows: 'all' | 'free',
  ): Promise<readonly (PageKey & { isTaken: boolean })[]> {
    const asked = rows === 'all' ? holdWanted : holdWantedFree;
    return this.#leased(session, await session.query(asked, [...keyColumns(pages), this.#holder]));
  }

  /**
   * Takes pages that nobody sends over and something is to be done for, up to this process's share of them; `all` what was
   * only left claimed.
   */
  async takeFree(session: Transaction, now: number, all: boolean): Promise<readonly PageKey[]> {
    const found = await session.query(all ? holdLeft : holdFree, all ? [this.#holder] : [this.#holder, now]);
    if (found.length === 0) return [];
    const { own, share } = await this.#share(session, found.length);
    const rows = all ? found : found.slice(0, Math.max(0, share - own));
    return this.#leased(session, rows).filter(one => one.isTaken);
  }

  /**
   * Says that this process sends, keeps what it sends over, and lets go of pages with nothing to send. Of more than its share
   * it begins to leave half: others take them, and there is no rush of all at once.
   */
  async renew(session: Transaction): Promise<void> {
    for (const statement of [announce, holdOwn]) session.send(statement, [this.#holder]);
    const kept = new Set((await session.query(renew, [this.#holder])).map(row => pageKeyText(keyIn(row))));
    // What it has already let go of is another's, whose row it must not wait for.
    this.#leaving = this.#leaving.filter(one => kept.has(pageKeyText(one)));
    const { own, share } = await this.#share(session, 0);
    if (own <= share) this.#leaving = [];
    else if (this.#leaving.length === 0) {
      const rows = await session.query(toLeave, [this.#holder, Math.ceil((own - share) / 2)]);
      this.#leaving = rows.map(([sender, account]) => ({ sender: text(sender), account: integer(account) }));
    }
  }

  /** Lets go of what it is leaving, as far as nothing of it is being sent. */
  async leave(session: Transaction): Promise<void> {
    if (this.#leaving.length === 0) return;
    this.hold(session, this.#leaving);
    const left = await session.query(leave, [...keyColumns(this.#leaving), this.#holder]);
    const isLeft = new Set(
      left.map(([sender, account]) => pageKeyText({ sender: text(sender), account: integer(account) })),
    );
    this.#leaving = this.#leaving.filter(one => !isLeft.has(pageKeyText(one)));
  }

  /** Pages that it sends over, and how many of all that are sent over, and of so many that are free, would be its part. */
  async #share(session: Transaction, free: number): Promise<{ readonly own: number; readonly share: number }> {
    const [row = []] = await session.query(shares, [this.#holder]);
    const [own = 0, held = 0, processes = 0] = row.map(integer);
    return { own, share: Math.ceil((held + free) / Math.max(1, processes)) };
  }

  async release(session: Transaction): Promise<void> {
    await session.query(holdOwn, [this.#holder]);
    await session.query('UPDATE outbox_page SET holder = NULL WHERE holder = $1', [this.#holder]);
    await session.query('DELETE FROM outbox_process WHERE name = $1', [this.#holder]);
  }

  /** Of the pages that this process sends over and is not leaving, where something waits and from when on. */
  async waiting(session: Transaction): Promise<readonly (PageLane & { readonly dueAt: number })[]> {
    const isLeaving = new Set(this.#leaving.map(pageKeyText));
    return (await session.query(waiting, [this.#holder]))
      .map(([account, sender, lane, dueAt]) => ({
        account: integer(account),
        sender: text(sender),
        lane: laneAt(integer(lane)),
        dueAt: integer(dueAt),
      }))
      .filter(one => !isLeaving.has(pageKeyText(one)));
  }

  #leased(session: Transaction, rows: readonly Row[]): readonly (PageKey & { isTaken: boolean })[] {
    const pages = rows.map(([sender, account, isTaken]) => ({
      sender: text(sender),
      account: integer(account),
      isTaken: truth(isTaken),
    }));
    if (pages.length > 0) session.send(take, [...keyColumns(pages), this.#holder]);
    return pages;
  }
}

const keyIn = ([account, sender]: Row): PageKey => ({ account: integer(account), sender: text(sender) });
const distinct = (pages: readonly PageKey[]) => [...new Map(pages.map(one => [pageKeyText(one), one])).values()];
const keyColumns = (pages: readonly PageKey[]) => [
  bigints(pages.map(one => one.account)),
  texts(pages.map(one => one.sender)),
];

const ensure = {
  name: 'outbox pages ensured',
  text: `INSERT INTO outbox_page (account_id, sender) SELECT p.* FROM unnest($1::bigint[], $2::text[]) p(account_id, sender)
    ORDER BY p.sender, p.account_id ON CONFLICT DO NOTHING`,
};
const holdOfMessages = {
  name: 'outbox pages of messages',
  text: `SELECT FROM outbox_page p WHERE (p.sender, p.account_id) IN
    (SELECT m.sender, m.account_id FROM outbox_message m WHERE m.id = ANY ($1::bigint[])) ${ordered}`,
};
const isGiven = `(p.sender, p.account_id) IN
  (SELECT u.sender, u.account_id FROM unnest($1::bigint[], $2::text[]) u(account_id, sender))`;
const hold = { name: 'outbox pages held', text: `SELECT FROM outbox_page p WHERE ${isGiven} ${ordered}` };
const thereOf = {
  name: 'outbox pages there',
  text: `SELECT p.account_id, p.sender FROM outbox_page p WHERE ${isGiven}`,
};
const holdIfFree = { name: 'outbox pages held if free', text: `${thereOf.text} ${ordered} SKIP LOCKED` };
const holdWanted = {
  name: 'outbox pages wanted',
  text: `SELECT p.sender, p.account_id, p.holder IS DISTINCT FROM $3 FROM outbox_page p
    WHERE (p.account_id, p.sender) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))
      AND (p.holder = $3 OR ${isFree}) ${ordered}`,
};
const holdWantedFree = { name: 'outbox pages wanted and free', text: `${holdWanted.text} SKIP LOCKED` };
const holdFree = {
  name: 'outbox pages free',
  text: `SELECT p.sender, p.account_id, p.holder IS DISTINCT FROM $1 FROM outbox_page p
    WHERE ${isFree} AND (
      EXISTS (SELECT FROM outbox_message m WHERE m.is_head AND m.account_id = p.account_id AND m.sender = p.sender
        AND m.lane IN (0, 1) AND m.due_at <= $2)
      OR EXISTS (SELECT FROM outbox_message m WHERE m.state = 2 AND m.account_id = p.account_id AND m.sender = p.sender))
    ORDER BY p.sender, p.account_id LIMIT ${takenMax} FOR UPDATE OF p SKIP LOCKED`,
};
const holdLeft = {
  name: 'outbox pages left',
  text: `SELECT p.sender, p.account_id, p.holder IS DISTINCT FROM $1 FROM outbox_page p
    WHERE ${isFree} AND
      EXISTS (SELECT FROM outbox_message m WHERE m.state = 2 AND m.account_id = p.account_id AND m.sender = p.sender)
    ${ordered} SKIP LOCKED`,
};
const holdOwn = {
  name: 'outbox pages of a process',
  text: `SELECT FROM outbox_page p WHERE p.holder = $1 ${ordered}`,
};
const take = {
  name: 'outbox pages taken',
  text: `UPDATE outbox_page p SET holder = $3, leased_until = ${lease}
    FROM unnest($1::bigint[], $2::text[]) t(account_id, sender)
    WHERE p.account_id = t.account_id AND p.sender = t.sender
      AND (p.holder IS DISTINCT FROM $3 OR p.leased_until < ${lease} - ${renewedMs} * interval '1 millisecond')`,
};
/** Those that are gone are forgotten by whoever comes by. */
const announce = {
  name: 'outbox processes announced',
  text: `WITH gone AS (DELETE FROM outbox_process o WHERE o.name <> $1 AND o.alive_until < clock_timestamp())
    INSERT INTO outbox_process (name, alive_until) VALUES ($1, ${lease})
    ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until`,
};
const shares = {
  name: 'outbox shares',
  text: `SELECT count(*) FILTER (WHERE p.holder = $1), count(*),
      (SELECT count(*) FROM outbox_process o WHERE o.alive_until > clock_timestamp())
    FROM outbox_page p WHERE p.holder IS NOT NULL AND p.leased_until > clock_timestamp()`,
};
const isSending = `EXISTS (SELECT FROM outbox_message m
  WHERE m.state = 2 AND m.account_id = p.account_id AND m.sender = p.sender)`;
const toLeave = {
  name: 'outbox pages to leave',
  text: `SELECT p.sender, p.account_id FROM outbox_page p WHERE p.holder = $1
    ORDER BY ${isSending}, p.sender, p.account_id LIMIT $2`,
};
const leave = {
  name: 'outbox pages left to others',
  text: `UPDATE outbox_page p SET holder = NULL FROM unnest($1::bigint[], $2::text[]) t(account_id, sender)
    WHERE p.account_id = t.account_id AND p.sender = t.sender AND p.holder = $3 AND NOT ${isSending}
    RETURNING p.sender, p.account_id`,
};
const renew = {
  name: 'outbox pages kept',
  text: `WITH kept AS (UPDATE outbox_page p SET leased_until = ${lease}, holder = CASE WHEN
      EXISTS (SELECT FROM outbox_message m WHERE m.is_head AND m.account_id = p.account_id AND m.sender = p.sender)
      OR EXISTS (SELECT FROM outbox_message m WHERE m.state = 2 AND m.account_id = p.account_id AND m.sender = p.sender)
      THEN p.holder END
      WHERE p.holder = $1 RETURNING p.account_id, p.sender, p.holder)
    SELECT k.account_id, k.sender FROM kept k WHERE k.holder = $1`,
};
const waiting = {
  name: 'outbox pages waiting',
  text: `SELECT p.account_id, p.sender, l.lane, h.due_at
    FROM outbox_page p CROSS JOIN (VALUES (0::smallint), (1::smallint)) l(lane)
    CROSS JOIN LATERAL (SELECT m.due_at FROM outbox_message m
      WHERE m.is_head AND m.account_id = p.account_id AND m.sender = p.sender AND m.lane = l.lane
      ORDER BY m.due_at LIMIT 1) h
    WHERE p.holder = $1 AND p.leased_until > clock_timestamp()
    ORDER BY p.account_id, p.sender, l.lane`,
};
