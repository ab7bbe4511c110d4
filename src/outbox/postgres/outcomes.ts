import type { EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { bigints, integers } from '../../postgres/arrays.ts';
import { integer, type Row } from '../../postgres/cells.ts';
import type { Statement, Transaction } from '../../postgres/session.ts';
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

  async settle(session: Transaction, results: readonly Result[], now: EpochMs): Promise<void> {
    const once = [...new Map(results.map(one => [one.id, one])).values()];
    await this.#pages.holdOf(
      session,
      once.map(one => one.id),
    );
    const of = <K extends Result['kind']>(kind: K) => once.filter((one): one is Of<K> => one.kind === kind);
    await this.#sent(session, of('sent'), now);
    await this.#ended(session, of('done'), of('failed'), now);
    const unknown = of('unknown').map(one => one.id);
    if (unknown.length > 0) await this.#change(session, held, [bigints(unknown), this.#holder]);
    await this.#again(session, of('again'));
  }

  /** Pages that another process sent over before: what it had claimed is sent anew, or left for its echo. */
  async takeOver(session: Transaction, pages: readonly PageKey[], how: 'hold' | 'requeue'): Promise<void> {
    for (const { account, sender } of pages) {
      const rows = await session.query(leftBehind, [account, sender, this.#holder]);
      const left = idsIn(rows);
      if (left.length === 0) continue;
      if (how === 'hold') await this.#change(session, heldOfOthers, [bigints(left)]);
      else await session.query(requeued, [bigints(left)]);
    }
  }

  /** Ends what is past its time; `true` when there may be more. */
  async lapse(session: Transaction, now: EpochMs): Promise<boolean> {
    const past = idsIn(await session.query(pastIds, [now]));
    if (past.length === 0) return false;
    await this.#pages.holdOf(session, past);
    const values = [bigints(past), now];
    await session.query(unreported, values);
    const lost = idsIn(await session.query(unknownLost, values));
    await this.#line.release(session, lost);
    await session.query(neverDue, values);
    await this.#change(session, unsent, values);
    return past.length === limits.outboxStepMax;
  }

  async #sent(session: Transaction, results: readonly Of<'sent'>[], now: EpochMs): Promise<void> {
    if (results.length === 0) return;
    const owned = new Set(idsIn(await session.query(provable, [bigints(results.map(one => one.id)), this.#holder])));
    const proofs = results.flatMap(({ id, mid, psid }) =>
      owned.has(id) ? [{ id, mid, ...(psid !== undefined && { psid }), at: now }] : [],
    );
    await this.#receipts.sent(session, proofs, false);
  }

  async #ended(
    session: Transaction,
    done: readonly Of<'done'>[],
    failed: readonly Of<'failed'>[],
    now: EpochMs,
  ): Promise<void> {
    if (done.length > 0) await this.#change(session, taken, [bigints(done.map(one => one.id)), now, this.#holder]);
    if (failed.length === 0) return;
    await this.#change(session, refused, [
      bigints(failed.map(one => one.id)),
      now,
      this.#holder,
      integers(failed.map(one => one.statusKey)),
      integers(failed.map(one => one.errorKey)),
    ]);
  }

  async #again(session: Transaction, results: readonly Of<'again'>[]): Promise<void> {
    if (results.length === 0) return;
    await session.query(again, [
      bigints(results.map(one => one.id)),
      bigints(results.map(one => one.dueAt)),
      integers(results.map(one => Number(one.counts))),
      integers(results.map(one => one.errorKey)),
      this.#holder,
    ]);
  }

  /** Runs a statement that gives the ids of those that are no longer first in their conversations. */
  async #change(session: Transaction, statement: Statement, values: readonly (Buffer | number | string)[]) {
    await this.#line.advance(session, idsIn(await session.query(statement, values)));
  }
}

const idsIn = (rows: readonly Row[]) => rows.map(([id]) => integer(id));

const ofMine = (holder: string) => `m.state = ${states.claimed} AND m.claimer = ${holder}`;
const ended = `state = ${states.ended}, is_head = false, deadline = NULL`;
const deadlineUnknown = `least(m.expires_at, m.claimed_at + ${limits.echoWaitMs})`;
const waitsAgain = `state = ${states.queued}, is_head = true, deadline = m.expires_at`;

/** The answer to a send proves it, also where another process took the page over meanwhile. */
const provable = {
  name: 'outbox messages provable',
  text: `SELECT m.id FROM outbox_message m WHERE m.id = ANY ($1::bigint[]) AND m.claimer = $2
    AND m.state IN (${states.claimed}, ${states.unknown}, ${states.lost})`,
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
