import { classOf } from '../../../domain/delivery-time.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { statusGroupNames } from '../../../domain/registry.ts';
import type { MessageRow, ReportRow, RowState } from '../rows/rows.ts';
import { type FacetColumns, type FacetField, facetFields } from './facet-columns.ts';
import { codeMax, type FacetOutcome, type Meanings } from './facets.ts';
import { fields } from './fields.ts';
import { groupOfStatus, partSeparator } from './packed-batch.ts';

/** Which of the facets each field of a packed text is. */
const facetOfField = fields.map(name => (facetFields as readonly string[]).indexOf(name));
const slotCount = 4096;
const noDelay = -1;

/** Meanings that were not told before. */
export type MoreMeanings = {
  /** How many there were before these, and are now. */
  readonly before: number;
  readonly size: number;
  readonly outcome: readonly FacetOutcome[];
  /** In the order of `facetFields`; `undefined` for a field that has too many. */
  readonly fields: readonly (readonly string[] | undefined)[];
};

/** Those of a segment without an index; so many of its messages, at least, are told of. */
export type MeaningsOf = { readonly segmentId: number; readonly messages: number; readonly more: MoreMeanings };

/** Gives each different value of a field a number. */
class ValueCodes {
  readonly values: string[] = [];
  isFull = false;
  readonly #codes = new Map<string, number>();
  /** The number that a hash of some account's value had last: comparing with one value takes less than a look-up. */
  readonly #byHash = new Map<number, number>();
  #told = 0;

  /** Those that were given before, in their order; `undefined` where there were too many. */
  restore(values: readonly string[] | undefined): void {
    this.isFull = values === undefined;
    for (const value of values ?? []) this.#codes.set(value, this.values.push(value));
  }

  /** Of the value that stands in a text from one place to before another. */
  of(text: string, from: number, to: number, hash: number | undefined): number {
    if (from === to || this.isFull) return 0;
    const likely = hash === undefined ? undefined : this.#byHash.get(hash | 0);
    if (likely !== undefined) {
      const value = this.values[likely - 1] ?? '';
      if (value.length === to - from && text.startsWith(value, from)) return likely;
    }
    const value = text.slice(from, to);
    let code = this.#codes.get(value);
    if (code === undefined) {
      if (this.values.length === codeMax) {
        this.isFull = true;
        return 0;
      }
      const own = detached(value);
      code = this.values.push(own);
      this.#codes.set(own, code);
    }
    if (hash !== undefined) this.#byHash.set(hash | 0, code);
    return code;
  }

  get size(): number {
    return this.values.length + Number(this.isFull);
  }

  untold(): readonly string[] | undefined {
    const untold = this.isFull ? undefined : this.values.slice(this.#told);
    this.#told = this.values.length;
    return untold;
  }
}

/** A piece of a text would keep all of it in memory. */
const detached = (text: string) => Buffer.from(text, 'utf16le').toString('utf16le');

const delayOf = (delayMs: number | null) => (delayMs === null ? noDelay : classOf(delayMs));

const keyOf = ([status, error, extra, , price, currency]: FacetOutcome, delay: number) =>
  `${status} ${error} ${delay} ${price ?? ''} ${currency ?? ''} ${extra ?? ''}`;

/** Gives each different outcome a number. */
class OutcomeCodes {
  readonly values: FacetOutcome[] = [];
  readonly #delays: number[] = [];
  readonly #codes = new Map<string, number>();
  /** The number that was given last to any that falls there: nearly every outcome was there before. */
  readonly #slots = new Uint16Array(slotCount);
  #told = 0;

  /** Those that were given before, in their order. */
  restore(outcomes: readonly FacetOutcome[]): void {
    for (const outcome of outcomes) this.#add(outcome, delayOf(outcome[3]));
  }

  of(sentAt: EpochMs, { status, error, extra, doneAt, price, currency }: RowState): number {
    const isDelivered = statusGroupNames[groupOfStatus(status)] === 'DELIVERED';
    const delayMs = doneAt === null || !isDelivered ? null : doneAt - sentAt;
    const delay = delayOf(delayMs);
    const slot =
      (Math.imul(status, 31) ^ Math.imul(error, 17) ^ Math.imul(delay, 7) ^ ((price ?? 0) * 100)) & (slotCount - 1);
    const likely = this.#slots[slot] ?? 0;
    const seen = this.values[likely - 1];
    if (
      seen !== undefined &&
      seen[0] === status &&
      seen[1] === error &&
      seen[2] === extra &&
      this.#delays[likely - 1] === delay &&
      seen[4] === price &&
      seen[5] === currency
    )
      return likely;
    const outcome: FacetOutcome = [status, error, extra, delayMs, price, currency];
    const code = this.#codes.get(keyOf(outcome, delay)) ?? this.#add(outcome, delay);
    this.#slots[slot] = code;
    return code;
  }

  #add(outcome: FacetOutcome, delay: number): number {
    if (this.values.length === codeMax) return 0;
    const code = this.values.push(outcome);
    this.#delays.push(delay);
    this.#codes.set(keyOf(outcome, delay), code);
    return code;
  }

  untold(): readonly FacetOutcome[] {
    const untold = this.values.slice(this.#told);
    this.#told = this.values.length;
    return untold;
  }
}

/**
 * Makes the facets of one segment, row by row: summaries by a filter count by them, without the rows. What a transaction
 * added that failed is written over by the next; its meanings stay, and nothing has them.
 */
export class FacetMaker {
  readonly columns: FacetColumns;
  readonly #hashes: readonly Uint32Array[];
  readonly #outcomes = new OutcomeCodes();
  readonly #values = facetFields.map(() => new ValueCodes());
  #told = 0;

  /** `hashes`: of each message's values, in the order of `fields`, where they stand before its row is handed in. */
  constructor(columns: FacetColumns, hashes: readonly Uint32Array[] = []) {
    this.columns = columns;
    this.#hashes = hashes;
    this.publish();
  }

  /** Goes on from rows that were taken before: their numbers stand in the columns, and this is what they mean. */
  restore({ outcome, fields: named }: Meanings): void {
    this.#outcomes.restore(outcome);
    for (const [i, name] of facetFields.entries()) this.#values[i]?.restore(named[name]);
    this.publish();
  }

  message(row: MessageRow): void {
    const { ordinal, messageCount, body: text } = row;
    const { columns } = this;
    columns.outcome[ordinal] = this.#outcomes.of(row.sentAt, row);
    columns.messageCount[ordinal] = messageCount <= codeMax ? messageCount : 0;
    let at = 0;
    for (let field = 0; field < facetOfField.length; field++) {
      const end = text.indexOf(partSeparator, at);
      const facet = facetOfField[field] ?? -1;
      const column = columns.fields[facet];
      if (column !== undefined) {
        const code = this.#values[facet]?.of(text, at, end, this.#hashes[field]?.[ordinal]) ?? 0;
        // Of a field that no message has, no memory is written: it takes none.
        if (column[ordinal] !== code) column[ordinal] = code;
      }
      at = end + 1;
    }
  }

  report(row: ReportRow, firstSequence: number): void {
    this.columns.reportOutcome[row.sequence - firstSequence] = this.#outcomes.of(row.sentAt, row);
  }

  /** To be called before rows are published. */
  publish(): void {
    Atomics.store(this.columns.meanings, 0, this.#size);
  }

  meanings(): Meanings {
    const named: { [name in FacetField]?: readonly string[] } = {};
    for (const [i, name] of facetFields.entries()) {
      const codes = this.#values[i];
      if (codes !== undefined && !codes.isFull) named[name] = codes.values;
    }
    return { outcome: this.#outcomes.values, fields: named };
  }

  /** What came since the last call of this; `undefined` for nothing. */
  untold(): MoreMeanings | undefined {
    const [before, size] = [this.#told, this.#size];
    if (before === size) return undefined;
    this.#told = size;
    return {
      before,
      size,
      outcome: this.#outcomes.untold(),
      fields: this.#values.map(codes => codes.untold()),
    };
  }

  get #size(): number {
    return this.#values.reduce((sum, { size }) => sum + size, this.#outcomes.values.length);
  }
}
