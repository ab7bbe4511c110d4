import { conditionMatcher, type Filter, valuesOf } from '../../../domain/filter.ts';
import { type FilterName, filterFields } from '../../../domain/filter-fields.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import { DamagedBlock } from '../../block/damage.ts';
import { columnFields, hashValue } from '../../block/hash.ts';
import { Block } from '../../block/read-block.ts';
import { StoreUnavailable } from '../../store.ts';
import { identityIn, type Place, placeIn, stateIn } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';
import { firstUnseen, type Snapshot } from '../server/snapshot.ts';
import { type SealedRow, sealedFrom } from './sealed-rows.ts';

/** What `SealedBlock.of` reads of the block `b`, the partition that it is in last. */
export const blockColumns =
  'b.sent_at, b.number, b.oldest_sent_at, b.oldest_number, b.newest_tx, b.taken, b.bytes, b.tableoid::regclass::text';

/**
 * Whether the block `b` spans the place of a row. Blocks of a slice do not overlap, and are found by the end of the one that
 * does: no longer than that after the place.
 */
export const coversPlace = (row: string) => `(b.sent_at, b.number) >= (${row}.sent_at, ${row}.number)
  AND b.sent_at >= ${row}.sent_at AND b.sent_at < ${row}.sent_at + ${limits.blockSpanMsMax}
  AND (b.oldest_sent_at, b.oldest_number) <= (${row}.sent_at, ${row}.number)`;

/** A message in its block. */
export type Sealed = SealedRow & {
  readonly place: Place;
  readonly block: SealedBlock;
  readonly ordinal: number;
  /** Whether it was taken out: it is a row again, and what is here is what it was before. */
  readonly isTaken: boolean;
};

/** What of a block is asked for: the messages sent from `since` on and before `until`, behind a place. */
export type Wanted = {
  readonly slice: Slice;
  readonly filter: Filter;
  readonly since: EpochMs;
  readonly until: EpochMs;
  readonly place?: Place;
  /** What is to be seen; all where there is none. */
  readonly snapshot?: Snapshot;
};

/** Sealed messages of one slice, in ascending order of their places. */
export class SealedBlock {
  readonly newest: Place;
  readonly #oldest: Place;
  /** The table that it is a row of. */
  readonly partition: string;
  readonly #newestTx: number;
  readonly #taken: ReadonlySet<number>;
  readonly #block: Block;
  #timesRead: ArrayLike<EpochMs> | undefined;
  #frame: { readonly number: number; readonly bodies: readonly Uint8Array[] } | undefined;

  private constructor(row: Row, bytes: Buffer) {
    this.newest = placeIn(row);
    this.#oldest = placeIn(row.slice(2));
    this.partition = text(row[7]);
    this.#newestTx = integer(row[4]);
    this.#taken = new Set(Array.isArray(row[5]) ? row[5].map(integer) : []);
    this.#block = new Block(
      (offset, count) => new Uint8Array(bytes.subarray(offset, offset + count)),
      bytes.byteLength,
    );
  }

  static of(row: Row): SealedBlock {
    const bytes = row[6];
    if (!Buffer.isBuffer(bytes)) throw new TypeError('a block has no bytes');
    return sound(() => new SealedBlock(row, bytes));
  }

  /** Whether any of its messages may have another state than a snapshot shows. */
  mayBeNewerThan(snapshot: Snapshot): boolean {
    return this.#newestTx >= firstUnseen(snapshot);
  }

  /** The messages at those of some places that are here, also where they were taken out since. Each row is looked at once. */
  at(places: readonly Place[]): readonly Sealed[] {
    const here = places.filter(place => !isBehind(place, this.#oldest) && !isBehind(this.newest, place));
    if (here.length === 0) return [];
    const numbers = Map.groupBy(here, ({ sentAt }) => sentAt);
    return sound(() => {
      const found: Sealed[] = [];
      const times = this.#times();
      for (let ordinal = 0; ordinal < times.length; ordinal++) {
        const asked = numbers.get(times[ordinal] ?? 0);
        if (asked === undefined) continue;
        const sealed = this.#message(ordinal);
        if (asked.some(({ number }) => number === sealed.place.number)) found.push(sealed);
      }
      return found;
    });
  }

  /**
   * What is wanted of those that were not taken out, newest first. On a walk those come too whose state was changed since
   * it began: whether that matched then, the caller finds out.
   */
  *wanted({ slice, filter, since, until, place, snapshot }: Wanted, seed: number): Generator<Sealed> {
    const { times, mayBe } = sound(() => ({
      times: this.#times(),
      mayBe: this.#columnTest(slice, filter, seed, snapshot),
    }));
    const isFixed = conditionMatcher(filter, { changes: false });
    const isState = conditionMatcher(filter, { changes: true });
    for (let ordinal = times.length - 1; ordinal >= 0; ordinal--) {
      const sentAt = times[ordinal] ?? 0;
      if (sentAt < since || sentAt >= until || this.#taken.has(ordinal) || !mayBe(ordinal)) continue;
      if (place !== undefined && sentAt > place.sentAt) continue;
      const sealed = sound(() => this.#message(ordinal));
      if (place !== undefined && !isBehind(sealed.place, place)) continue;
      if (snapshot !== undefined && !isSeen(sealed.tx, snapshot)) continue;
      const log = { ...identityIn(sealed.row), ...stateIn(sealed.row) };
      if (!isFixed(log)) continue;
      const isAsThen = snapshot === undefined || isSeen(sealed.stateTx, snapshot);
      if (!isAsThen || isState(log)) yield sealed;
    }
  }

  /** Whether the message at an ordinal may have what is asked for, by its columns. */
  #columnTest(slice: Slice, filter: Filter, seed: number, snapshot?: Snapshot): (ordinal: number) => boolean {
    const statesAreSeen = snapshot === undefined || !this.mayBeNewerThan(snapshot);
    const tests = filterFields.flatMap(({ name, changes }) => {
      const values = valuesOf(filter, name);
      return values === undefined || (changes && !statesAreSeen) ? [] : [this.#hasOneOf(slice, name, values, seed)];
    });
    return ordinal => tests.every(test => test(ordinal));
  }

  #hasOneOf(slice: Slice, name: FilterName, values: readonly string[], seed: number): (ordinal: number) => boolean {
    const column = this.#block.column(name);
    if (column === undefined) return () => false;
    if (column.kind === 'codes') {
      const asked = new Set(values.map(value => column.values.indexOf(value) + 1).filter(code => code > 0));
      return ordinal => asked.has(column.codes[ordinal] ?? 0);
    }
    const field = columnFields.indexOf(name);
    const asked = new Set(values.map(value => hashValue(seed, slice, field, value)));
    return ordinal => asked.has(column.hashes[ordinal] ?? 0);
  }

  #times(): ArrayLike<EpochMs> {
    this.#timesRead ??= this.#block.times();
    return this.#timesRead;
  }

  #message(ordinal: number): Sealed {
    const frame = Math.floor(ordinal / this.#block.frameRows);
    if (this.#frame?.number !== frame) this.#frame = { number: frame, bodies: this.#block.bodies(frame) };
    const body = this.#frame.bodies[ordinal % this.#block.frameRows];
    if (body === undefined) throw new DamagedBlock(`row ${ordinal}`, 'it is missing');
    const sealed = sealedFrom(body);
    return { ...sealed, place: placeIn(sealed.row), block: this, ordinal, isTaken: this.#taken.has(ordinal) };
  }
}

export function isSeen(tx: number, { end, running }: Snapshot): boolean {
  return tx < end && !running.includes(tx);
}

/** Whether a place comes after another in the order of pages: newest first. */
export function isBehind(one: Place, other: Place): boolean {
  return one.sentAt < other.sentAt || (one.sentAt === other.sentAt && one.number < other.number);
}

function sound<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DamagedBlock)) throw error;
    throw new StoreUnavailable(`a block of messages is damaged: ${error.message}`, undefined, { cause: error });
  }
}
