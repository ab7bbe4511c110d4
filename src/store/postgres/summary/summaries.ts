import { DatabaseError } from 'pg';
import { Parts } from '../../../domain/breakdown.ts';
import { asksForText, asksForTimeOnly } from '../../../domain/filter.ts';
import type { EpochMs } from '../../../domain/message.ts';
import {
  bucketOf,
  completeSummary,
  minuteMs,
  type Summary,
  type SummaryRange,
  unfinishedSummary,
} from '../../../domain/summary.ts';
import { SummaryCell } from '../../../domain/summary-cell.ts';
import { integer, text } from '../../../postgres/cells.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { StoreUnavailable, type SummaryQuery } from '../../store.ts';
import type { Layouts, Placement } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import { columnMs } from '../rows/column-ms.ts';
import { readMinutes } from '../rows/minutes.ts';
import type { Slice } from '../rows/slices.ts';
import type { BlockSource, ReadSealing } from '../sealed/sealed-blocks.ts';
import type { Source } from '../server/source.ts';
import { addParts, breakdownStatement } from './breakdown-query.ts';
import { type CountedPart, type Counting, countedIn, countStatement } from './count-query.ts';
import { countSealed } from './count-sealed.ts';
import { countText } from './count-text.ts';
import { countsIn, type Sums } from './sums.ts';
import { hourMs } from './totals.ts';

/** Parts of a range that are counted one by one at first; what goes fast is counted in greater ones. */
const firstParts = 16;
/** Recordings that are not added up yet; with more of them the account is added up soon. */
const pendingMax = 200;
const statementCancelled = '57014';

/** Where messages are counted, and until when, by `performance.now()`: time runs from when it is first asked for. */
type Within = { readonly source: Source; readonly endsAt: () => number };

/** What each slice of the account is asked, for the figures of a range. */
type Count = Within & {
  readonly range: SummaryRange;
  readonly asked: readonly SummaryQuery[];
  readonly sealing: ReadSealing | undefined;
};

/** The messages sent from `from` on and before `to`. */
type Stretch = { readonly from: EpochMs; readonly to: EpochMs };

/** Sums up what is recorded: from the sums that are kept where nothing but the time is asked, else by counting. */
export class Summaries {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #sums: Sums;

  constructor(database: Database, layouts: Layouts, sums: Sums) {
    this.#database = database;
    this.#layouts = layouts;
    this.#sums = sums;
  }

  /** Sums that are kept are not broken down: where they tell the rest, they are told whatever becomes of the breakdown. */
  async summarize(query: SummaryQuery, signal?: AbortSignal): Promise<Summary> {
    const { by, ...plain } = query;
    // One budget for all of it, also when a replica fails and all is counted again.
    let budgetEndsAt: number | undefined;
    const endsAt = () => (budgetEndsAt ??= performance.now() + query.budgetMs);
    const once = (one: SummaryQuery) => this.#summarizeOnce(one, endsAt, signal);
    if (by === undefined || !asksForTimeOnly(query.filter)) return once(query);
    const summary = await once(plain);
    const { complete, breakdown, ...figures } = await once(query);
    if (breakdown === undefined) return { ...summary, complete: false };
    return complete ? { ...figures, complete, breakdown } : { ...summary, complete, breakdown };
  }

  async #summarizeOnce(query: SummaryQuery, endsAt: () => number, signal?: AbortSignal): Promise<Summary> {
    const { account } = query;
    return this.#layouts.reading(placement =>
      this.#database.readWhere({ account, ...(signal !== undefined && { signal }) }, source =>
        this.#summarize(query, placement, { source, endsAt }),
      ),
    );
  }

  async #summarize(query: SummaryQuery, placement: Placement, within: Within): Promise<Summary> {
    const { filter, range, by, first, sentSince } = query;
    const whole = { from: Math.max(range.from, sentSince), to: range.to ?? Infinity };
    const parts = by && new Parts(by, first);
    if (whole.to <= whole.from) return completeSummary(range, [], new SummaryCell(), parts);
    const sheet = new Sheet(range, parts);
    let uncounted: readonly Stretch[] = [whole];
    if (asksForTimeOnly(filter) && by === undefined) {
      const minutes = wholeMinutes(whole);
      const slices = placement.slicesOf(query.account);
      await Promise.all(slices.map(slice => this.#readCells({ slice, range, ...within }, minutes, sheet)));
      uncounted = [
        { from: Math.max(whole.from, minutes.to), to: whole.to },
        { from: whole.from, to: Math.min(whole.to, minutes.from) },
      ].filter(({ from, to }) => from < to);
    }
    const asked = placement.asked(query);
    const firstFinished = await this.#count({ range, asked, sealing: placement.sealing, ...within }, uncounted, sheet);
    if (firstFinished > 0) return unfinishedSummary(range, sheet.buckets, firstFinished);
    const summary = completeSummary(range, sheet.buckets, sheet.total, parts);
    const isLossy = this.#database.damage.concerns(placement.slicesOf(query.account), whole);
    return isLossy ? { ...summary, complete: false } : summary;
  }

  /** What is kept of these minutes, and what is not added up yet, as of one moment. */
  async #readCells(
    { slice, range, source }: Within & { readonly slice: Slice; readonly range: SummaryRange },
    minutes: Stretch,
    sheet: Sheet,
  ): Promise<void> {
    if (minutes.to <= minutes.from) return;
    const hours = wholeHours(minutes);
    const rows = await source.read(keptFigures, [
      slice,
      ...[minutes.from, minutes.to, hours.from, hours.to].map(columnMs),
    ]);
    let pending = 0;
    for (const [kind, beginsAt, value] of rows)
      if (kind === 1) sheet.addGroups(bucketOf(range, integer(beginsAt)), JSON.parse(text(value)));
      else if (kind === 2) sheet.total.add(countsIn(value));
      else {
        pending++;
        for (const [from, { cell }] of readMinutes(text(value))) {
          if (from < minutes.from || from >= minutes.to) continue;
          sheet.total.add(cell);
          sheet.bucketAt(bucketOf(range, from)).add(cell);
        }
      }
    if (pending > pendingMax) this.#sums.tell(slice);
  }

  /**
   * Counts messages, newest first and all as of one moment, until it is done or time is over. Gives the first bucket
   * from which on nothing is missing.
   */
  async #count(count: Count, stretches: readonly Stretch[], sheet: Sheet): Promise<number> {
    const { range, asked, sealing, source } = count;
    const endsAt = count.endsAt();
    const finishedBefore = (stretch: Stretch | undefined) =>
      stretch === undefined ? 0 : bucketOf(range, stretch.to - 1) + 1;
    let firstFinished = finishedBefore(stretches[0]);
    if (stretches.length === 0) return firstFinished;
    try {
      await source.readPlannedTogether(async session => {
        for (const [i, stretch] of stretches.entries()) {
          for (const part of partsOf(range, stretch, endsAt)) {
            const counted: CountedPart[] = [];
            for (const { account, filter } of asked) {
              const counting = { account, filter, range, ...part, keysMayBeFolded: sealing !== undefined };
              const goOn = () => timeLeft(endsAt);
              counted.push(
                asksForText(filter)
                  ? await countText(session, counting, sheet.parts, goOn)
                  : await countAlone(session, counting, sheet.parts, goOn),
              );
              if (sealing === undefined || part.from >= sealing.until) continue;
              const reads = together(session, () => session.run(goOn()));
              counted.push(await countSealed(reads, sealing, counting, sheet.parts, goOn));
            }
            // Not before all of them are: what is told of a part is the whole of it.
            for (const one of counted) sheet.add(one);
            firstFinished = bucketOf(range, part.from);
          }
          firstFinished = finishedBefore(stretches[i + 1]);
        }
      });
      return firstFinished;
    } catch (error) {
      if (error instanceof OutOfTime || isCancelled(error)) return firstFinished;
      throw error;
    }
  }
}

/** Counts messages that are in no block, by the database alone. */
async function countAlone(
  session: Session,
  counting: Counting,
  parts: Parts | undefined,
  goOn: () => string,
): Promise<CountedPart> {
  await session.run(goOn());
  const { text: statement, values } = countStatement(counting);
  const counted = countedIn(await session.query({ text: statement }, values));
  if (parts === undefined) return counted;
  const divided = breakdownStatement(counting, parts.by);
  await session.run(goOn());
  addParts(parts, await session.query({ text: divided.text }, divided.values));
  return counted;
}

/** Reads of the session, each given the time that is left. */
function together(session: Session, limit: () => Promise<unknown>): BlockSource {
  const read: BlockSource['read'] = async (statement, values) => {
    await limit();
    return session.query(statement, values);
  };
  return { read, readSorted: read };
}

class OutOfTime extends Error {}

function timeLeft(endsAt: number): string {
  const leftMs = Math.floor(endsAt - performance.now());
  // 0 would mean without end.
  if (leftMs < 1) throw new OutOfTime();
  return `SET LOCAL statement_timeout = ${leftMs}`;
}

function isCancelled(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : error;
  return cause instanceof DatabaseError && cause.code === statementCancelled;
}

/** Whole buckets, the newest first: more of them at once when those before took little of the time that is left. */
function* partsOf(range: SummaryRange, { from, to }: Stretch, endsAt: number): Generator<Stretch> {
  const first = bucketOf(range, from);
  let count = Math.ceil(range.buckets / firstParts);
  for (let last = bucketOf(range, to - 1); last >= first; ) {
    const [begunAt, least] = [performance.now(), Math.max(first, last - count + 1)];
    yield {
      from: Math.max(from, range.firstBucket + least * range.bucketMs),
      to: last === range.buckets - 1 ? to : Math.min(to, range.firstBucket + (last + 1) * range.bucketMs),
    };
    const now = performance.now();
    if ((now - begunAt) * 8 < endsAt - now) count *= 2;
    last = least - 1;
  }
}

/** The figures as they are added up. */
class Sheet {
  readonly total = new SummaryCell();
  readonly buckets: SummaryCell[];
  /** What the figures are broken down into, if that is asked for. */
  readonly parts: Parts | undefined;

  constructor({ buckets }: SummaryRange, parts: Parts | undefined) {
    this.parts = parts;
    this.buckets = Array.from({ length: buckets }, () => new SummaryCell());
  }

  addGroups(index: number, groups: readonly unknown[]): void {
    const cell = this.bucketAt(index);
    for (const [i, count] of groups.entries()) cell.groups[i] = (cell.groups[i] ?? 0) + integer(count);
  }

  bucketAt(index: number): SummaryCell {
    const cell = this.buckets[index];
    if (cell === undefined) throw new RangeError(`a summary of ${this.buckets.length} buckets has none at ${index}`);
    return cell;
  }

  add({ buckets, total }: CountedPart): void {
    this.total.add(total);
    for (const [bucket, cell] of buckets) this.bucketAt(bucket).add(cell);
  }
}

function wholeMinutes({ from, to }: Stretch): Stretch {
  const first = Math.ceil(from / minuteMs) * minuteMs;
  return { from: first, to: Math.max(first, Math.floor(to / minuteMs) * minuteMs) };
}

/** At the end, and empty, where there is no whole hour. */
function wholeHours({ from, to }: Stretch): Stretch {
  const first = Math.ceil(from / hourMs) * hourMs;
  const last = Math.floor(to / hourMs) * hourMs;
  return first <= last ? { from: first, to: last } : { from: to, to };
}

const cellsOf = (spanMs: number, column: 'groups' | 'counts', from: string, to: string) => `
  SELECT ${column === 'groups' ? 1 : 2}, c.begins_at, c.${column} FROM cell c
  WHERE c.account_id = $1 AND c.span_ms = ${spanMs} AND c.begins_at >= ${from} AND c.begins_at < ${to}`;

/** The groups of each minute, everything of whole hours and of the minutes beside them, and what is not added up yet. */
const keptFigures: Statement = {
  name: 'kept figures',
  text: `
    ${cellsOf(minuteMs, 'groups', '$2', '$3')}
    UNION ALL ${cellsOf(minuteMs, 'counts', '$2', '$4')}
    UNION ALL ${cellsOf(hourMs, 'counts', '$4', '$5')}
    UNION ALL ${cellsOf(minuteMs, 'counts', '$5', '$3')}
    UNION ALL SELECT 3, r.tx, r.minutes FROM recording r
    WHERE r.account_id = $1 AND r.tx >= coalesce((SELECT s.until_tx FROM summed s WHERE s.account_id = $1), 0)`,
};
