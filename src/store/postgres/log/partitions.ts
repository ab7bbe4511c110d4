import { setTimeout } from 'node:timers/promises';
import type { EpochMs } from '../../../domain/message.ts';
import { reasonOf } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { text } from '../../../postgres/cells.ts';
import { isLockNotHad } from '../../../postgres/failure.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { UnderWay } from '../../../under-way.ts';
import { type StoreObserver, StoreUnavailable } from '../../store.ts';
import { isOnCitus } from '../schema/citus.ts';
import { childrenOf, dropAtOnce, dropChild, newChild, pauseMs, waitBriefly } from '../schema/table-parts.ts';
import type { Database } from './database.ts';
import type { Past } from './past.ts';

/** The `sentAt` that one partition holds: from `from`, up to but without `to`. */
export type Range = { readonly from: EpochMs; readonly to: EpochMs };

/** The tables that are partitioned by `sent_at`: alike, but where processes with other widths made them side by side. */
const parents = ['message', 'report'] as const;
/** Those that are made where something comes to lie in them. */
const blockParent = 'block';
type Parent = (typeof parents)[number] | typeof blockParent;

/** A partition cannot be made now. It is wanted until it is there, and `Partitions.failure` tells of it. */
export class NoPartition extends StoreUnavailable {}

/** Whoever makes a partition does so alone. */
const alone = `SELECT pg_advisory_xact_lock(${lockKey('partitions')})`;

/** How long what is recorded waits for a partition that cannot be made at once. */
const patienceMs = 20_000;

/** How long others may well hold the locks that a partition needs. */
const lockMsUsual = 2_000;

/** The partitions by time, made ahead of messages or as they need them, and dropped whole. */
export class Partitions {
  readonly #database: Database;
  /** What a new one spans. */
  widthMs: number;
  readonly #note: StoreObserver['note'];
  /** Of each table, as this process last knew them, oldest first; another process may have made or dropped some since. */
  #ranges: readonly (readonly Range[])[] = parents.map(() => []);
  /** Moments whose partitions are needed and not there yet, one of each span: they are wanted until they are. */
  readonly #wanted = new Map<number, EpochMs>();
  readonly #attempt = new UnderWay<void>();
  /** Since when attempts fail, by `performance.now()`; and why, when that is worth a word. */
  #failsSince: number | undefined;
  #refusal: string | undefined;

  constructor(database: Database, widthMs: number, note: StoreObserver['note']) {
    this.#database = database;
    this.widthMs = widthMs;
    this.#note = note;
  }

  async refresh(): Promise<void> {
    this.#ranges = await Promise.all(parents.map(parent => rangesIn(this.#database, parent)));
    for (const [span, sentAt] of this.#wanted) if (!this.lacks([sentAt])) this.#wanted.delete(span);
  }

  /**
   * Why messages of some moments cannot be recorded: until their partitions are there, whoever makes them. The present is
   * everybody's; any other time is of those alone who record for it.
   */
  async failure(now: EpochMs): Promise<{ readonly reason: string; readonly isOfPresent: boolean } | undefined> {
    if (this.#refusal === undefined || this.#wanted.size === 0) return undefined;
    await this.refresh();
    const [first, ...others] = [...this.#wanted.values()].sort((a, b) => a - b);
    if (first === undefined) return undefined;
    const when = `${new Date(first).toISOString()}${others.length > 0 ? `, and at ${others.length} other times` : ''}`;
    const reason = `there is no partition for messages sent at ${when}, and none can be made: ${this.#refusal}`;
    return { reason, isOfPresent: this.lacks([now]) };
  }

  /** Whether partitions are missing for messages of these moments. */
  lacks(sentAts: Iterable<EpochMs>): boolean {
    return this.#lacking(sentAts).length > 0;
  }

  /**
   * Makes what is missing so that messages of these moments can be recorded; waits while another program, or a move of
   * shards, holds the locks for that, but not for long. Not to be called inside a transaction.
   */
  async ensure(sentAts: Iterable<EpochMs>): Promise<void> {
    let lacking = this.#lacking(sentAts);
    for (const until = performance.now() + patienceMs; lacking.length > 0; lacking = this.#lacking(lacking)) {
      // Each time: partitions of another width may leave several gaps in a span, and one of them is wanted at a time.
      this.#want(lacking);
      try {
        await this.#try();
      } catch (error) {
        if (!isLockNotHad(error) || performance.now() > until) throw noPartition(error);
        await setTimeout(pauseMs);
      }
    }
  }

  /**
   * Tries once to make what is wanted, and to have partitions for the present, the next one, and as far ahead as is asked,
   * which nobody needs yet. To be called time and again; that it failed is told once.
   */
  async keepAhead(now: EpochMs, aheadMs: number): Promise<void> {
    if (this.lacks([now])) this.#want([now]);
    // Whatever they span, so that none is left out between those that were made when they spanned more or less.
    const stepMs = Math.min(this.widthMs, limits.partitionMs);
    const steps = Math.min(limits.partitionsAheadMax, Math.ceil(Math.max(aheadMs, this.widthMs) / stepMs));
    try {
      if (this.#wanted.size > 0) await this.#try();
      // One by one: whoever comes with a wish waits for one of them at most.
      for (const ahead of [...Array.from({ length: steps }, (_, i) => now + (i + 1) * stepMs), now + this.widthMs])
        if (this.lacks([ahead])) await this.#try([ahead]);
      this.#madeAgain();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  /** The partitions of messages, oldest first. */
  async ofMessages(session: Session): Promise<readonly (Range & { readonly name: string })[]> {
    const children = (await childrenOf(session, 'message')).filter(({ phase }) => phase === 'attached');
    return children
      .flatMap(({ name }) => {
        const range = rangeNamed('message', name);
        return range === undefined ? [] : [{ name, ...range }];
      })
      .sort(oldestFirst);
  }

  /** Makes the partition of blocks beside one of messages, if it is not there. */
  async ensureBlocks(range: Range): Promise<void> {
    await this.#database.transaction(alone, async session => {
      const there = await rangesIn(session, blockParent);
      if (there.some(({ from, to }) => from === range.from && to === range.to)) return;
      await waitBriefly(session);
      for (const statement of partitionStatements(blockParent, range)) await session.run(statement);
    });
  }

  /** Drops every partition that ends by `sentAt`; readers and recorders go on meanwhile. */
  async dropBefore(session: Session, sentAt: EpochMs): Promise<void> {
    for (const parent of [...parents, blockParent] as const)
      for (const child of await childrenOf(session, parent)) {
        const range = rangeNamed(parent, child.name);
        if (range !== undefined && range.to <= sentAt) await dropChild(session, parent, child);
      }
    for (const [span, moment] of this.#wanted) if (moment < sentAt) this.#wanted.delete(span);
    await this.refresh();
  }

  /**
   * Drops the partitions of which every account's part is past, though not everybody's would be: what the sums tell of
   * no hour of is looked at once more while nobody can write to it, and goes in that moment.
   */
  async dropUnkept(session: Session, past: Past, keptHours: readonly EpochMs[], hourMs: number): Promise<void> {
    for (const parent of [...parents, blockParent] as const)
      for (const { name, phase } of await childrenOf(session, parent)) {
        const range = rangeNamed(parent, name);
        if (range === undefined || phase !== 'attached' || range.to > past.horizons.latest) continue;
        if (keptHours.some(hour => hour < range.to && hour + hourMs > range.from)) continue;
        await dropAtOnce(session, name, async () => !(await past.keepsAny(session, name, range.to)));
      }
    await this.refresh();
  }

  #want(sentAts: Iterable<EpochMs>): void {
    for (const sentAt of sentAts) {
      const span = Math.floor(sentAt / this.widthMs);
      if (!this.#wanted.has(span)) this.#wanted.set(span, sentAt);
    }
  }

  #lacking(sentAts: Iterable<EpochMs>): readonly EpochMs[] {
    return [...sentAts].filter(sentAt => this.#ranges.some(ranges => covering(ranges, sentAt) === undefined));
  }

  /** One attempt at a time, which all share who come meanwhile: what they want they find there, or try again. */
  #try(ahead: readonly EpochMs[] = []): Promise<void> {
    return this.#attempt.share(() => this.#makeAll(ahead));
  }

  /** What is wanted first. What cannot be made is told once, until it can. */
  async #makeAll(ahead: readonly EpochMs[]): Promise<void> {
    try {
      await this.#make([...this.#wanted.values(), ...ahead]);
      this.#madeAgain();
    } catch (error) {
      this.#failsSince ??= performance.now();
      // A lock that others hold for a moment is no failure.
      if (isLockNotHad(error) && performance.now() - this.#failsSince < lockMsUsual) throw error;
      const reason = reasonOf(error);
      if (this.#refusal === undefined)
        this.#note({ level: 'warn', message: 'a partition cannot be made', detail: { reason } });
      this.#refusal = reason;
      throw error;
    }
  }

  #madeAgain(): void {
    if (this.#refusal !== undefined) this.#note({ level: 'info', message: 'partitions can be made again' });
    this.#refusal = undefined;
    this.#failsSince = undefined;
  }

  /**
   * Each in a transaction of its own: on Citus, attaching waits for whoever writes to the table, and they for it, so that
   * holding one table while waiting for the other might never end.
   */
  async #make(sentAts: readonly EpochMs[]): Promise<void> {
    for (const parent of parents) while (await this.#makeOne(parent, sentAts));
    await this.refresh();
  }

  /** Makes one partition that is missing; whether there was one. */
  #makeOne(parent: Parent, sentAts: readonly EpochMs[]): Promise<boolean> {
    return this.#database.transaction(alone, async session => {
      const widthMax = (await isOnCitus(session)) ? limits.partitionsTogetherOnCitusMs : 0;
      const [range] = this.#missing(await rangesIn(session, parent), sentAts, widthMax);
      if (range === undefined) return false;
      await waitBriefly(session);
      for (const statement of partitionStatements(parent, range)) await session.run(statement);
      return true;
    });
  }

  /**
   * What to add to `ranges` so that all moments are covered; cut to the gaps that partitions of another width left. What
   * is missing in one gap is one partition, where that is no wider than `widthMax`.
   */
  #missing(ranges: readonly Range[], sentAts: readonly EpochMs[], widthMax: number): readonly Range[] {
    const all = [...ranges];
    const missing: Range[] = [];
    for (const sentAt of sentAts) {
      if (covering(all, sentAt) !== undefined) continue;
      const aligned = Math.floor(sentAt / this.widthMs) * this.widthMs;
      const before = all.filter(range => range.to <= sentAt).map(range => range.to);
      const after = all.filter(range => range.from > sentAt).map(range => range.from);
      const range = { from: Math.max(aligned, ...before), to: Math.min(aligned + this.widthMs, ...after) };
      missing.push(range);
      all.push(range);
      all.sort(oldestFirst);
    }
    const together: Range[] = [];
    for (const range of missing.sort(oldestFirst)) {
      const last = together.at(-1);
      const isNear = last !== undefined && range.to - last.from <= widthMax;
      if (isNear && !ranges.some(({ from }) => from >= last.to && from < range.from))
        together[together.length - 1] = { from: last.from, to: range.to };
      else together.push(range);
    }
    return together;
  }
}

function noPartition(error: unknown): unknown {
  if (!(error instanceof StoreUnavailable)) return error;
  return new NoPartition(`a partition cannot be made: ${error.message}`, undefined, { cause: error });
}

function covering(ranges: readonly Range[], sentAt: EpochMs): Range | undefined {
  const range = ranges.findLast(one => one.from <= sentAt);
  return range !== undefined && sentAt < range.to ? range : undefined;
}

function oldestFirst(a: Range, b: Range): number {
  return a.from - b.from;
}

async function rangesIn(session: Pick<Session, 'query'>, parent: Parent): Promise<readonly Range[]> {
  const rows = await session.query(
    `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1::regclass AND NOT i.inhdetachpending`,
    [parent],
  );
  return rows.flatMap(row => rangeNamed(parent, text(row[0])) ?? []).sort(oldestFirst);
}

/**
 * Attached rather than created in place: that needs no lock which readers or recorders would wait for. A table of the
 * name that is no partition is one that was detached to be dropped.
 */
function partitionStatements(parent: Parent, range: Range): readonly string[] {
  const name = nameOf(parent, range);
  return [`DROP TABLE IF EXISTS ${name}`, ...newChild(parent, name, range)];
}

/** The bounds stand in the name, `n` for a minus, so that a detached partition still tells what it held. */
function nameOf(parent: string, { from, to }: Range): string {
  const bound = (moment: EpochMs) => `${moment}`.replace('-', 'n');
  return `${parent}_p${bound(from)}_${bound(to)}`;
}

function rangeNamed(parent: string, name: string): Range | undefined {
  const [, from, to] = /_p(n?\d+)_(n?\d+)$/.exec(name) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const range = { from: Number(from.replace('n', '-')), to: Number(to.replace('n', '-')) };
  return nameOf(parent, range) === name ? range : undefined;
}
