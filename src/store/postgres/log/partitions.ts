import type { EpochMs } from '../../../domain/message.ts';
import { text } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { childrenOf, dropAtOnce, dropChild, givingWay, newChild, waitBrieflyOnCitus } from '../schema/table-parts.ts';
import type { Database } from './database.ts';
import type { Past } from './past.ts';

/** The `sentAt` that one partition holds: from `from`, up to but without `to`. */
export type Range = { readonly from: EpochMs; readonly to: EpochMs };

/** The tables that are partitioned by `sent_at`: alike, but where processes with other widths made them side by side. */
const parents = ['message', 'report'] as const;
type Parent = (typeof parents)[number];

/** The partitions by time, made as messages need them and dropped whole. */
export class Partitions {
  readonly #database: Database;
  readonly #partitionMs: number;
  /** Of each table, as this process last knew them, oldest first; another process may have made or dropped some since. */
  #ranges: readonly (readonly Range[])[] = parents.map(() => []);
  #making: Promise<void> = Promise.resolve();

  constructor(database: Database, partitionMs: number) {
    this.#database = database;
    this.#partitionMs = partitionMs;
  }

  async refresh(): Promise<void> {
    this.#ranges = await Promise.all(parents.map(parent => rangesIn(this.#database, parent)));
  }

  /** Makes what is missing so that messages of these moments can be recorded. Not to be called inside a transaction. */
  async ensure(sentAts: Iterable<EpochMs>): Promise<void> {
    const lacking = new Set<EpochMs>();
    for (const sentAt of sentAts)
      if (this.#ranges.some(ranges => covering(ranges, sentAt) === undefined)) lacking.add(sentAt);
    if (lacking.size === 0) return;
    // One after the other: what the first makes, the next may have been waiting for.
    const made = this.#making.then(() => this.#make([...lacking]));
    this.#making = made.catch(() => {});
    await made;
  }

  /** Drops every partition that ends by `sentAt`; readers and recorders go on meanwhile. */
  async dropBefore(session: Session, sentAt: EpochMs): Promise<void> {
    for (const parent of parents)
      for (const child of await childrenOf(session, parent)) {
        const range = rangeNamed(parent, child.name);
        if (range !== undefined && range.to <= sentAt) await dropChild(session, parent, child);
      }
    await this.refresh();
  }

  /**
   * Drops the partitions of which every account's part is past, though not everybody's would be: what the sums tell of
   * no hour of is looked at once more while nobody can write to it, and goes in that moment.
   */
  async dropUnkept(session: Session, past: Past, keptHours: readonly EpochMs[], hourMs: number): Promise<void> {
    for (const parent of parents)
      for (const { name, phase } of await childrenOf(session, parent)) {
        const range = rangeNamed(parent, name);
        if (range === undefined || phase !== 'attached' || range.to > past.latest) continue;
        if (keptHours.some(hour => hour < range.to && hour + hourMs > range.from)) continue;
        await dropAtOnce(session, name, async () => !(await past.keepsAny(session, name, range.to)));
      }
    await this.refresh();
  }

  /**
   * Each in a transaction of its own: on Citus, attaching waits for whoever writes to the table, and they for it, so that
   * holding one table while waiting for the other might never end.
   */
  async #make(sentAts: readonly EpochMs[]): Promise<void> {
    for (const parent of parents) while (await givingWay(() => this.#makeOne(parent, sentAts)));
    await this.refresh();
  }

  /** Makes one partition that is missing; whether there was one. */
  #makeOne(parent: Parent, sentAts: readonly EpochMs[]): Promise<boolean> {
    const alone = `SELECT pg_advisory_xact_lock(${lockKey('partitions')})`;
    return this.#database.transaction(alone, async session => {
      const [range] = this.#missing(await rangesIn(session, parent), sentAts);
      if (range === undefined) return false;
      await waitBrieflyOnCitus(session);
      for (const statement of partitionStatements(parent, range)) await session.run(statement);
      return true;
    });
  }

  /** What to add to `ranges` so that all moments are covered; cut to the gaps that partitions of another width left. */
  #missing(ranges: readonly Range[], sentAts: readonly EpochMs[]): readonly Range[] {
    const all = [...ranges];
    const missing: Range[] = [];
    for (const sentAt of sentAts) {
      if (covering(all, sentAt) !== undefined) continue;
      const aligned = Math.floor(sentAt / this.#partitionMs) * this.#partitionMs;
      const before = all.filter(range => range.to <= sentAt).map(range => range.to);
      const after = all.filter(range => range.from > sentAt).map(range => range.from);
      const range = { from: Math.max(aligned, ...before), to: Math.min(aligned + this.#partitionMs, ...after) };
      missing.push(range);
      all.push(range);
      all.sort(oldestFirst);
    }
    return missing;
  }
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
