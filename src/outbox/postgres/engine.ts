import { randomUUID } from 'node:crypto';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { integer, optional } from '../../postgres/cells.ts';
import type { Connections } from '../../postgres/connections.ts';
import { isLockNotHad, isWorthAnotherTry } from '../../postgres/failure.ts';
import type { Statement, Transaction, Value } from '../../postgres/session.ts';
import type { AddBatch, Claimed, Outbox, OutboxStats, Receipt, Result, Untold, Waiting, Want } from '../outbox.ts';
import { PushTurns } from '../push-turns.ts';
import type { DuePush, PushOutcome, PushPlace, Report, ReportQuery, Subscribed } from '../reporting.ts';
import { states } from '../states.ts';
import { outboxFigures } from './figures.ts';
import { type Group, Joint } from './joint.ts';
import { IdTaken, Line } from './line.ts';
import { Outcomes } from './outcomes.ts';
import { PageMemory, workOn } from './page-memory.ts';
import { type PageKey, PageRows, pageKeyText } from './pages.ts';
import { byAccount, newPagesOf, Receipts } from './receipts.ts';
import { duePushes, forgetReports, giveBack, given, keepTaken, pushed, takeReports, told } from './reports.ts';
import { clockSetBack } from './set-back.ts';
import { letGo, takenSteps, takeUntold } from './steps.ts';
import { type PageWork, Together } from './together.ts';

const triesMax = 5;
const renewEveryMs = 2000;
/** A third of the time that reports are a caller's for. */
const keepTakenEveryMs = 20_000;
const takeEveryMs = 100;

/**
 * An outbox in a database, for any number of processes. A page is sent over by one of them at a time, under a lease that
 * it renews with `waiting`, as it does that of the reports it is giving to callers; the others take messages and receipts of it all the same. When a process is gone, whoever
 * takes over its pages does with what it had claimed as `recover` was told. Closing it closes the connections.
 */
export class PostgresOutbox implements Outbox {
  readonly #connections: Connections;
  readonly #monotonicMs: () => number;
  readonly #name = randomUUID();
  readonly #pages = new PageRows(this.#name);
  readonly #turns = new PushTurns();
  readonly #line = new Line(this.#name);
  readonly #receipts = new Receipts(this.#line);
  /** Receipts come in many small calls, and each would ask all that there is to ask. */
  readonly #received = new Joint<Receipt>((session, those, now) => this.#receipts.receive(session, those, now));
  readonly #outcomes = new Outcomes(this.#name, this.#pages, this.#line, this.#receipts);
  readonly #together = new Together(
    work => this.#transact(work),
    (session, works, lockMs) => this.#begin(session, works, lockMs),
    pages => this.#transact(session => this.#pages.heldOf(session, pages)),
  );
  /** Pages that were this process's when it looked, with all in line that was due: nothing has to be asked before a claim. */
  #listed = new Set<string>();
  readonly #claimedPages = new PageMemory('messages', 4 * limits.unsettledMax);
  readonly #toldPages = new PageMemory('steps', 4 * limits.batchRecordsMax);
  /** Being given to callers: however slowly one takes them, nobody else is given them meanwhile. */
  readonly #takenReports = new Set<number>();
  #how: 'hold' | 'requeue' = 'hold';
  #renewedMs = Number.NEGATIVE_INFINITY;
  #keptTakenMs = Number.NEGATIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | undefined;

  constructor(connections: Connections, monotonicMs: () => number = () => performance.now()) {
    this.#connections = connections;
    this.#monotonicMs = monotonicMs;
  }

  add(batch: AddBatch): Promise<readonly boolean[]> {
    const { account, messages } = batch;
    const pages = [...new Set(messages.map(one => one.sender))].map(sender => ({ account, sender }));
    const work = (session: Transaction) => this.#line.add(session, batch);
    const count = messages.length;
    return this.#together.run({ rank: ranks.add, pages, newPages: pages, count, isApart: true, work });
  }

  /** Pages whose rows somebody else holds for long are left out. */
  async claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    const count = wants.reduce((sum, one) => sum + one.count, 0);
    const keys = [...new Set(wants.map(pageKeyText))];
    const areListed = keys.every(one => this.#listed.has(one));
    for (const one of keys) this.#listed.delete(one);
    const ask = (rows: 'all' | 'free') => {
      const work = (session: Transaction) =>
        areListed && rows === 'all' ? this.#line.claim(session, wants, now) : this.#claim(session, wants, now, rows);
      const pages = rows === 'all' ? wants : [];
      return this.#together.run({ rank: ranks.claim, pages, count, isUrgent: true, work });
    };
    const claimed = await ask('all').catch(error => {
      if (!isLockNotHad(error)) throw error;
      return ask('free');
    });
    for (const one of claimed) this.#claimedPages.keep(one.id, one);
    return claimed;
  }

  async #claim(
    session: Transaction,
    wants: readonly Want[],
    now: EpochMs,
    rows: 'all' | 'free',
  ): Promise<readonly Claimed[]> {
    const leased = this.#pages.lease(session, wants, rows);
    const [pages, due] = await Promise.all([leased, this.#line.due(session, now, wants)]);
    if (pages.length === 0) return [];
    const taken = pages.filter(one => one.isTaken);
    await this.#outcomes.takeOver(session, taken, this.#how);
    const isMine = new Set(pages.map(pageKeyText));
    const mine = wants.filter(one => isMine.has(pageKeyText(one)));
    // The rows of other pages are not held here.
    await this.#line.begin(
      session,
      due.filter(one => isMine.has(pageKeyText(one))),
      now,
    );
    return this.#line.claim(session, mine, now);
  }

  unclaim(held: readonly number[]): Promise<void> {
    return this.#transact(session => this.#outcomes.unclaim(session, held));
  }

  async settle(results: readonly Result[], now: EpochMs): Promise<void> {
    const pages = await this.#claimedPages.of(idsOf(results), this.#ask);
    const worksOn = (those: readonly Result[]) => ({
      work: async (session: Transaction) => this.#outcomes.settle(session, those, now),
    });
    await this.#together.run(
      workOn(results, record => paged(record, pages.get(record.id)), { rank: ranks.settle, worksOn }),
    );
  }

  receive(events: readonly Receipt[], now: EpochMs): Promise<void> {
    const worksOn = (those: readonly Receipt[]) => ({
      join: (group: Group) => this.#received.join(group, those, now),
      work: (session: Transaction, group: Group) => this.#received.perform(group, session),
    });
    return this.#together.run(workOn(events, byAccount, { rank: ranks.receive, worksOn, newPagesOf }));
  }

  lapse(now: EpochMs): Promise<boolean> {
    return this.#transact(async session => {
      this.#receipts.forget(session, now);
      const hasOlder = await forgetReports(session, now);
      return (await this.#outcomes.lapse(session, now)) || hasOlder;
    });
  }

  clockSetBack(now: EpochMs): Promise<boolean> {
    return this.#transact(session => clockSetBack(session, this.#pages, now));
  }

  async waiting(now: EpochMs): Promise<Waiting> {
    const atMs = this.#monotonicMs();
    if (atMs - this.#renewedMs > renewEveryMs) {
      const isToKeep = atMs - this.#keptTakenMs > keepTakenEveryMs;
      // By itself: a lease that was renewed stays so whatever else fails, and no page is held while others are looked for.
      await this.#transact(async session => {
        await this.#pages.renew(session);
        if (isToKeep) await keepTaken(session, this.#name, this.#takenReports);
      });
      this.#renewedMs = atMs;
      if (isToKeep) this.#keptTakenMs = atMs;
    }
    const isToTake = atMs - this.#lookedMs > takeEveryMs;
    const { due, waiting } = await this.#transact(async session => {
      if (isToTake) {
        await this.#pages.leave(session);
        const taken = await this.#pages.takeFree(session, now, false);
        await this.#outcomes.takeOver(session, taken, this.#how);
      }
      return this.#look(session, now);
    });
    if (isToTake) this.#lookedMs = atMs;
    if (due.length === 0) return waiting;
    // By itself: it waits for the rows of others' pages, and must not hold its own meanwhile.
    await this.#transact(session => this.#line.begin(session, due, now));
    return (await this.#transact(session => this.#look(session, now))).waiting;
  }

  async #look(session: Transaction, now: EpochMs) {
    const asked = [this.#line.due(session, now), this.#pages.waiting(session), session.query(nextScheduled)] as const;
    const [due, pages, [[next] = []]] = await Promise.all(asked);
    const nextScheduledAt = optional(next, integer);
    this.#listed = new Set(pages.map(pageKeyText));
    return { due, waiting: { pages, ...(nextScheduledAt !== undefined && { nextScheduledAt }) } };
  }

  async untold(limit: number): Promise<readonly Untold[]> {
    await this.#transact(session => takeUntold(session, this.#name, limit));
    const taken = await takenSteps(this.#ask, this.#name, limit);
    for (const { id, account, sender } of taken) this.#toldPages.keep(id, { account, sender });
    return taken;
  }

  async told(ids: readonly number[], now: EpochMs, subscribed: readonly Subscribed[] = []): Promise<void> {
    const pages = await this.#toldPages.of(ids, this.#ask);
    const worksOn = (those: readonly number[]) => ({
      work: (session: Transaction) => told(session, this.#name, those, now, subscribed),
    });
    const terms = { rank: ranks.told, isApart: true, worksOn };
    await this.#together.run(workOn(ids, id => paged(id, pages.get(id)), terms));
  }

  async takeReports(query: ReportQuery): Promise<readonly Report[]> {
    const taken = await this.#transact(session => takeReports(session, this.#name, query));
    for (const { id } of taken) this.#takenReports.add(id);
    return taken;
  }

  async reportsGiven(ids: readonly number[]): Promise<void> {
    await this.#transact(session => given(session, ids));
    for (const id of ids) this.#takenReports.delete(id);
  }

  async reportsGivenBack(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#takenReports.delete(id);
    await this.#transact(session => giveBack(session, this.#name, ids));
  }

  duePushes(busy: readonly PushPlace[], places: number, now: EpochMs): Promise<readonly DuePush[]> {
    return this.#transact(session => duePushes(session, this.#turns, busy, places, now));
  }

  pushed(outcomes: readonly PushOutcome[]): Promise<void> {
    return this.#transact(session => pushed(session, outcomes));
  }

  recover(how: 'hold' | 'requeue', now: EpochMs): Promise<void> {
    this.#how = how;
    return this.#transact(async session => {
      const taken = await this.#pages.takeFree(session, now, true);
      await this.#outcomes.takeOver(session, taken, how);
    });
  }

  dropAccount(account: AccountId): Promise<boolean> {
    return this.#transact(async session => {
      await session.query('SELECT FROM outbox_page p WHERE p.account_id = $1 ORDER BY p.sender FOR UPDATE', [account]);
      let dropped = 0;
      for (const statement of dropOfAccount)
        dropped = Math.max(dropped, (await session.query(statement, [account])).length);
      return dropped === limits.outboxStepMax;
    });
  }

  async dropBefore(acceptedAt: EpochMs): Promise<boolean> {
    const dropped = await this.#transact(session => session.query(dropPast, [acceptedAt]));
    return dropped.length === limits.outboxStepMax;
  }

  async stats(): Promise<OutboxStats> {
    return this.#transact(outboxFigures);
  }

  #begin(session: Transaction, works: readonly PageWork<unknown>[], lockMs: number): void {
    session.send({ text: `SET LOCAL lock_timeout = ${lockMs}` }, []);
    if (works.some(one => one.rank === ranks.claim)) this.#outcomes.beginClaim(session);
    const newPages = works.flatMap(one => one.newPages ?? []);
    if (newPages.length > 0) this.#pages.ensure(session, newPages);
    this.#pages.hold(
      session,
      works.flatMap(one => one.pages),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Others need not wait for the leases to end; where that cannot be told, they do. */
  async #close(): Promise<void> {
    try {
      await this.#connections.transaction(readCommitted, async session => {
        await this.#pages.release(session);
        await letGo(session, this.#name);
      });
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    } finally {
      await this.#connections.close();
    }
  }

  readonly #ask = (statement: Statement, values: readonly Value[]) => this.#connections.query(statement, values);

  async #transact<T>(work: (session: Transaction) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Unavailable('the outbox is closed');
    for (let tries = 1; ; tries++) {
      try {
        return await this.#connections.transaction(readCommitted, work);
      } catch (error) {
        if (tries === triesMax || !(error instanceof IdTaken || isWorthAnotherTry(error))) throw error;
      }
    }
  }
}

/** An echo is proof of a message whose answer comes with it, and says when it was sent; and what ended makes way for the next. */
const ranks = { told: 0, receive: 1, settle: 2, add: 3, claim: 4 } as const;

/** After the row of a page is held, a statement sees all that was done to its messages before. */
const readCommitted = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED';

const idsOf = (results: readonly Result[]) => results.map(one => one.id);
const paged = <T>(record: T, page: PageKey | undefined) => (page === undefined ? [] : [{ page, record }]);

const nextScheduled = {
  name: 'outbox next scheduled',
  text: `SELECT min(m.due_at) FROM outbox_message m WHERE m.state = ${states.scheduled}`,
};
const dropMessages = {
  name: 'outbox messages of an account dropped',
  text: `WITH dropped AS (
      DELETE FROM outbox_message WHERE id IN (
        SELECT m.id FROM outbox_message m WHERE m.account_id = $1 ORDER BY m.id LIMIT ${limits.outboxStepMax})
      RETURNING id),
    steps AS (DELETE FROM outbox_step WHERE message IN (SELECT d.id FROM dropped d)),
    reports AS (DELETE FROM outbox_report WHERE message IN (SELECT d.id FROM dropped d))
    SELECT d.id FROM dropped d`,
};
const dropHeard = (table: string, key: string) => ({
  name: `${table} of an account dropped`,
  text: `DELETE FROM ${table} WHERE (${key}) IN (
      SELECT ${key} FROM ${table} WHERE account_id = $1 LIMIT ${limits.outboxStepMax})
    RETURNING account_id`,
});
const dropOfAccount = [
  dropMessages,
  dropHeard('outbox_parked', 'account_id, page, mid'),
  dropHeard('outbox_conversation', 'account_id, page, psid'),
];
const dropPast = {
  name: 'outbox messages dropped',
  text: `DELETE FROM outbox_message WHERE id IN (
      SELECT m.id FROM outbox_message m
      WHERE m.accepted_at < $1 AND m.state > ${states.unknown} AND m.deadline IS NULL
        AND NOT EXISTS (SELECT FROM outbox_step s WHERE s.message = m.id)
        AND NOT EXISTS (SELECT FROM outbox_report r WHERE r.message = m.id)
      ORDER BY m.accepted_at LIMIT ${limits.outboxStepMax} FOR UPDATE SKIP LOCKED)
    RETURNING id`,
};
