import { LRUCache } from 'lru-cache';
import { conditionMatcher } from '../../../domain/filter.ts';
import type { EpochMs, MessageState } from '../../../domain/message.ts';
import type { Row } from '../../../postgres/cells.ts';
import { keptPlansMax } from '../../../postgres/kept-plans.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { Query } from '../../store.ts';
import { placeIn, stateThen } from '../rows/log-row.ts';
import { isBehind, type Sealed } from '../sealed/sealed-block.ts';
import { type ReadSealing, sealedMessages } from '../sealed/sealed-blocks.ts';
import type { Reads, Source } from '../server/source.ts';
import { asksForAnyError } from './filter-conditions.ts';
import {
  asksForErrors,
  type Bounds,
  type Condition,
  leadingConditions,
  manyStatement,
  type PageStatement,
  pageStatement,
  rangeOf,
} from './page-query.ts';

/** Where pages are read from. */
export type PageSource = Pick<Source, 'read' | 'readPlanned' | 'readTogether'>;

/** A filter's lists may fill a request line: thousands of those would be too much to remember by. */
const keyCharsMax = 2_000;
/** Values become rarer or more frequent. */
const remembered = { max: 2_000, ttl: 60_000 };
const hourMs = 3_600_000;

/**
 * Reads pages by the way that seems shortest from what was seen before: how far back a full page of the filter reached,
 * and which of several conditions few messages meet. A guess gone wrong costs time; it changes no answer.
 */
export class Pages {
  /** Statements by their text, one for each choice of a filter's fields and a limit. */
  readonly #shapes = new LRUCache<string, Statement>({ max: keptPlansMax });
  #names = 0;
  /** Since when there was a full page of a filter. */
  readonly #fullSince = new LRUCache<string, EpochMs>(remembered);
  /** Whether many messages met a condition. */
  readonly #many = new LRUCache<string, boolean>(remembered);

  /**
   * One more than the page has, where there are more. `sealing` tells where messages may lie in blocks: what of a page may
   * be there is read with the rest of it as of one moment, since a message is in the one place or the other.
   */
  async rows(source: PageSource, query: Query, asked: Bounds, sealing?: ReadSealing): Promise<readonly Row[]> {
    const { since, until } = rangeOf(query, asked);
    if (sealing === undefined) return this.#unsealed(source, query, asked);
    const bounds = { ...asked, keysMayBeFolded: true };
    if (since >= sealing.until) return this.#unsealed(source, query, bounds);
    const key = fullKey(query, bounds);
    const wasFull = key === undefined ? bounds.place !== undefined : (this.#fullSince.get(key) ?? 0) >= sealing.until;
    if (until > sealing.until && wasFull) {
      const rows = await this.#unsealed(source, query, bounds);
      const last = rows[query.limit];
      if (last !== undefined && placeIn(last).sentAt >= sealing.until) return rows;
    }
    return source.readTogether(async reads => {
      const { account: slice, filter } = query;
      const count = query.limit + 1;
      const sealed = sealedMessages(reads, sealing, { slice, filter, ...asked, since, until, count });
      // Asked at once, so that the second does not wait until the first is answered.
      const [rows, first] = await bothOf(this.#unsealed(reads, query, bounds), sealed.next());
      return merged(rows, startingWith(first, sealed), conditionMatcher(filter, { changes: true }), count);
    });
  }

  async #unsealed(source: Reads, query: Query, bounds: Bounds): Promise<readonly Row[]> {
    if (bounds.snapshot === undefined || !asksForErrors(query.filter)) return this.#candidates(source, query, bounds);
    const matched = conditionMatcher(query.filter, { changes: true });
    const found: Row[] = [];
    for (let place = bounds.place; ; ) {
      const rows = await this.#candidates(source, query, { ...bounds, ...(place !== undefined && { place }) });
      found.push(...rows.filter(row => matched(stateThen(row))));
      const last = rows.at(-1);
      if (last === undefined || rows.length <= query.limit || found.length > query.limit)
        return found.slice(0, query.limit + 1);
      place = placeIn(last);
    }
  }

  /** As `rows`; on a walk by errors, with such among them as were changed since it began. */
  async #candidates(source: Reads, query: Query, bounds: Bounds): Promise<readonly Row[]> {
    const rarest = await this.#rarest(source, query, bounds);
    const key = fullKey(query, bounds);
    const since = key === undefined ? undefined : this.#fullSince.get(key);
    if (since !== undefined && since > rangeOf(query, bounds).since) {
      // Most of what such a page takes is to begin reading in each partition.
      const rows = await this.#read(source, pageStatement({ ...query, sentSince: since }, bounds, rarest));
      if (rows.length > query.limit) return rows;
    }
    const rows = await this.#read(source, pageStatement(query, bounds, rarest));
    const [newest, oldest] = [rows[0], rows[query.limit]];
    if (key !== undefined && newest !== undefined && oldest !== undefined) {
      const until = placeIn(oldest).sentAt;
      this.#fullSince.set(key, until - (placeIn(newest).sentAt - until));
    }
    return rows;
  }

  /** The condition whose index leads to the page; none when that depends on how often conditions are met together. */
  async #rarest(source: Reads, query: Query, bounds: Bounds): Promise<string | undefined> {
    const conditions = leadingConditions(query.filter);
    if (conditions.length < 2 && !asksForAnyError(query.filter)) return conditions[0]?.column;
    const many = await Promise.all(conditions.map(one => this.#isMetByMany(source, query, bounds, one)));
    return conditions[many.indexOf(false)]?.column;
  }

  async #isMetByMany(source: Reads, query: Query, bounds: Bounds, condition: Condition): Promise<boolean> {
    const { since, until } = rangeOf(query, bounds);
    const hours = [since, until].map(moment => Math.floor(moment / hourMs));
    const key = JSON.stringify([query.account, condition.column, condition.values, ...hours]);
    const remembered = this.#many.get(key);
    if (remembered !== undefined) return remembered;
    const isMet = (await this.#read(source, manyStatement(query, bounds, condition))).length > 0;
    this.#many.set(key, isMet);
    return isMet;
  }

  async #read(source: Reads, { text: shape, values, plan }: PageStatement): Promise<readonly Row[]> {
    if (plan === 'fresh') return source.readPlanned({ text: shape }, values);
    const kept = this.#shapes.get(shape) ?? { text: shape, name: `page ${this.#names++}`, isOneOfMany: true };
    this.#shapes.set(shape, kept);
    return source.read(kept, values);
  }
}

/** Either failure only when both are over: what is still being asked is not left to whoever has the connection next. */
async function bothOf<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

async function* startingWith<T>(first: IteratorResult<T, void>, others: AsyncIterable<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* others;
}

/** The newest of both, each newest first; of sealed ones those whose state matched when the walk began. */
async function merged(
  rows: readonly Row[],
  sealed: AsyncIterable<Sealed & { readonly then?: string }>,
  matched: (state: MessageState) => boolean,
  count: number,
): Promise<readonly Row[]> {
  const all: Row[] = [];
  let at = 0;
  for await (const { row, place, then } of sealed) {
    for (let next = rows[at]; next !== undefined && isBehind(place, placeIn(next)); next = rows[++at]) all.push(next);
    if (all.length >= count) break;
    const shown = [...row, then ?? null];
    if (then === undefined || matched(stateThen(shown))) all.push(shown);
  }
  return [...all, ...rows.slice(at)].slice(0, count);
}

/** A filter's newest page; pages further back, single messages and long lists are not guessed at. */
function fullKey({ account, filter, limit }: Query, { place }: Bounds): string | undefined {
  const { sentSince, sentUntil, messageId, ...conditions } = filter;
  if (place !== undefined || sentUntil !== undefined || messageId !== undefined) return undefined;
  const key = JSON.stringify([account, limit, conditions]);
  return key.length > keyCharsMax ? undefined : key;
}
