import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { bigints, integers } from '../../postgres/arrays.ts';
import { integer, type Row } from '../../postgres/cells.ts';
import { claimerLockKey } from '../../postgres/locks.ts';
import type { Statement, Transaction, Value } from '../../postgres/session.ts';
import type { Result } from '../outbox.ts';
import { states } from '../states.ts';
import { steps } from '../telling.ts';
import type { Line } from './line.ts';
import type { PageKey, PageRows } from './pages.ts';
import type { Receipts } from './receipts.ts';
import { telling } from './steps.ts';

type Of<K extends Result['kind']> = Extract<Result, { readonly kind: K }>;

/** What became of messages that were claimed, and of those whose time is over. */
export class Outcomes {
  readonly #holder: string;
  readonly #pages: PageRows;
  readonly #line: Line;
  readonly #receipts: Receipts;

  constructor(holder: string, pages: PageRows, line: Line, receipts: Receipts) {
    this.#holder = holder;
    this.#pages = pages;
    this.#line = line;
    this.#receipts = receipts;
  }

  /**
   * Where the rows of the pages are held. The answer to a send proves it, also where another process took the page over
   * meanwhile.
   */
  settle(session: Transaction, results: readonly Result[], now: EpochMs): void {
    const once = [...new Map(results.map(one => [one.id, one])).values()];
    const of = <K extends Result['kind']>(kind: K) => once.filter((one): one is Of<K> => one.kind === kind);
    const proofs = of('sent').map(({ id, mid, psid }) => ({ id, mid, at: now, ...(psid !== undefined && { psid }) }));
    this.#receipts.sent(session, proofs, this.#holder);
    this.#ended(session, of('done'), of('failed'), now);
    const unknown = of('unknown').map(one => one.id);
    this.#change(session, held, unknown, [this.#holder]);
    this.#again(session, of('again'));
  }

  /** To come first where something is claimed: `unclaim` waits for it. */
  beginClaim(session: Transaction): void {
    session.send(claimAlone, [this.#holder]);
  }

  /**
   * Of what this process has claimed all but these is sent by nobody. A claim of which nobody will hear may still be
   * under way on a connection that broke: what it claims is seen once it has ended.
   */
  async unclaim(session: Transaction, held: readonly number[]): Promise<void> {
    session.send(claimAlone, [this.#holder]);
    const left = idsIn(await session.query(unheard, [this.#holder, bigints(held)]));
    if (left.length === 0) return;
    this.#pages.holdOf(session, left);
    session.send(requeuedMine, [bigints(left), this.#holder]);
  }

  /** Pages that another process sent over before: what it had claimed is sent anew, or left for its echo. */
  async takeOver(session: Transaction, pages: readonly PageKey[], how: 'hold' | 'requeue'): Promise<void> {
    for (const { account, sender } of pages) {
      const rows = await session.query(leftBehind, [account, sender, this.#holder]);
      const left = idsIn(rows);
      if (left.length === 0) continue;
      if (how === 'hold') this.#change(session, heldOfOthers, left, []);
      else session.send(requeued, [bigints(left)]);
    }
  }

  /** Ends what is past its time; `true` when there may be more. */
  async lapse(session: Transaction, now: EpochMs): Promise<boolean> {
    const past = idsIn(await session.query(pastIds, [now]));
    if (past.length === 0) return false;
    this.#pages.holdOf(session, past);
    const values = [bigints(past), now];
    session.send(unreported, values);
    const lost = idsIn(await session.query(unknownLost, values));
    this.#line.advance(session, lost);
    session.send(neverDue, values);
    this.#change(session, unsent, past, [now]);
    return past.length === limits.outboxStepMax;
  }

  #ended(session: Transaction, done: readonly Of<'done'>[], failed: readonly Of<'failed'>[], now: EpochMs): void {
    const [takenIds, failedIds] = [done.map(one => one.id), failed.map(one => one.id)];
    this.#change(session, taken, takenIds, [now, this.#holder]);
    const codes = [integers(failed.map(one => one.statusKey)), integers(failed.map(one => one.errorKey))];
    this.#change(session, refused, failedIds, [now, this.#holder, ...codes]);
  }

  #again(session: Transaction, results: readonly Of<'again'>[]): void {
    if (results.length === 0) return;
    session.send(again, [
      bigints(results.map(one => one.id)),
      bigints(results.map(one => one.dueAt)),
      integers(results.map(one => Number(one.counts))),
      integers(results.map(one => one.errorKey)),
      this.#holder,
    ]);
  }

  /** Some of these messages may no longer be first in their conversations. */
  #change(session: Transaction, statement: Statement, ids: readonly number[], values: readonly Value[]): void {
    if (ids.length === 0) return;
    session.send(statement, [bigints(ids), ...values]);
    this.#line.advance(session, ids);
  }
}

const idsIn = (rows: readonly Row[]) => rows.map(([id]) => integer(id));

const ofMine = (holder: string) => `m.state = ${states.claimed} AND m.claimer = ${holder}`;
const ended = `state = ${states.ended}, is_head = false, deadline = NULL`;
const deadlineUnknown = `least(m.expires_at, m.claimed_at + ${limits.echoWaitMs})`;
const waitsAgain = `state = ${states.queued}, is_head = true, deadline = m.expires_at`;

const claimAlone = {
  name: 'outbox claim alone',
  text: `SELECT pg_advisory_xact_lock(${claimerLockKey('$1')})`,
};
const taken = {
  name: 'outbox messages taken',
  text: `WITH c AS (UPDATE outbox_message m SET ${ended} WHERE m.id = ANY ($1::bigint[]) AND ${ofMine('$3')} RETURNING m.id)
    ${telling({ at: '$2::bigint', codes: steps.done, doneAt: '$2::bigint', withPrice: true })}`,
};
const refused = {
  name: 'outbox messages refused',
  text: `WITH c AS (UPDATE outbox_message m SET ${ended}
      FROM unnest($1::bigint[], $4::integer[], $5::integer[]) r(id, status, error)
      WHERE m.id = r.id AND ${ofMine('$3')} RETURNING m.id, r.status, r.error)
    ${telling({ at: '$2::bigint', statusKey: 'c.status', errorKey: 'c.error', doneAt: '$2::bigint' })}`,
};
const held = {
  name: 'outbox messages held',
  text: `UPDATE outbox_message m SET state = ${states.unknown}, deadline = ${deadlineUnknown}
    WHERE m.id = ANY ($1::bigint[]) AND ${ofMine('$2')} RETURNING m.id`,
};
const heldOfOthers = {
  name: 'outbox messages of others held',
  text: `UPDATE outbox_message m SET state = ${states.unknown}, deadline = ${deadlineUnknown}
    WHERE m.id = ANY ($1::bigint[]) RETURNING m.id`,
};
const requeued = {
  name: 'outbox messages requeued',
  text: `UPDATE outbox_message m SET ${waitsAgain}, due_at = 0 WHERE m.id = ANY ($1::bigint[])`,
};
const requeuedMine = {
  name: 'outbox messages of a lost claim requeued',
  text: `UPDATE outbox_message m SET ${waitsAgain}, due_at = 0 WHERE m.id = ANY ($1::bigint[]) AND ${ofMine('$2')}`,
};
const unheard = {
  name: 'outbox messages of a lost claim',
  text: `SELECT m.id FROM outbox_message m WHERE ${ofMine('$1')} AND NOT m.id = ANY ($2::bigint[])`,
};
const again = {
  name: 'outbox messages again',
  text: `UPDATE outbox_message m SET ${waitsAgain}, due_at = r.due_at, tries = m.tries + r.counts,
      last_error = coalesce(r.error, m.last_error)
    FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]) r(id, due_at, counts, error)
    WHERE m.id = r.id AND ${ofMine('$5')}`,
};
const leftBehind = {
  name: 'outbox messages left',
  text: `SELECT m.id FROM outbox_message m WHERE m.account_id = $1 AND m.sender = $2 AND m.state = ${states.claimed}
    AND m.claimer <> $3`,
};
const pastIds = {
  name: 'outbox messages past',
  text: `SELECT m.id FROM outbox_message m WHERE m.deadline <= $1 ORDER BY m.deadline LIMIT ${limits.outboxStepMax}`,
};
const isPast = 'm.id = ANY ($1::bigint[]) AND m.deadline <= $2';
const stepOfEnd = { at: '$2::bigint', doneAt: '$2::bigint' };
const unreported = {
  name: 'outbox messages unreported',
  text: `WITH c AS (UPDATE outbox_message m SET deadline = NULL WHERE ${isPast} AND m.state = ${states.sent} RETURNING m.id)
    ${telling({ ...stepOfEnd, codes: steps.expiredUnreported })}`,
};
const unknownLost = {
  name: 'outbox messages lost',
  text: `WITH c AS (UPDATE outbox_message m SET state = ${states.lost}, deadline = NULL
      WHERE ${isPast} AND m.state = ${states.unknown} RETURNING m.id)
    ${telling({ ...stepOfEnd, codes: steps.expiredUnknown })}`,
};
const neverDue = {
  name: 'outbox messages never due',
  text: `WITH c AS (UPDATE outbox_message m SET ${ended}, sent_at = $2
      WHERE ${isPast} AND m.state = ${states.scheduled} RETURNING m.id)
    ${telling({ ...stepOfEnd, codes: steps.expiredUnsent, isFirst: 'true' })}`,
};
const unsent = {
  name: 'outbox messages unsent',
  text: `WITH c AS (UPDATE outbox_message m SET ${ended} WHERE ${isPast} AND m.state = ${states.queued}
      RETURNING m.id, m.last_error)
    ${telling({
      ...stepOfEnd,
      statusKey: String(steps.expiredUnsent.status.key),
      errorKey: `coalesce(c.last_error, ${steps.expiredUnsent.error.key})`,
    })}`,
};
