import { asksForTimeOnly, conditionMatcher, type Filter, valuesOf } from '../../../domain/filter.ts';
import { exactFields } from '../../../domain/filter-fields.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import { withoutSum } from '../../block/layout.ts';
import { type PackedFrame, type UnpackedFrame, unpacked } from '../../block/read-block.ts';
import { identityIn, type Place, placeIn, stateIn } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';
import { firstUnseen, type Snapshot } from '../server/snapshot.ts';
import { type SealedRow, sealedFrameRows, sealedFrom } from './sealed-rows.ts';

/**
 * What a `SealedBlock` is made of, of the block `b`: the partition that it is in, and what leads to its frames. Arrays are
 * read as text: the driver takes longer for theirs than all else that a page takes.
 */
export const headColumns = `b.sent_at, b.number, b.newest_tx, b.messages, b.taken::text, b.tableoid::regclass::text,
  b.frame_ends::text, b.frame_sent_ats::text, b.frame_numbers::text, b.key_ends::text`;
export const headColumnCount = 10;

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

/** What of blocks is asked for: the messages sent from `since` on and before `until`, behind a place. */
export type Wanted = {
  readonly slice: Slice;
  readonly filter: Filter;
  readonly since: EpochMs;
  readonly until: EpochMs;
  readonly place?: Place;
  /** What is to be seen; all where there is none. */
  readonly snapshot?: Snapshot;
  /** How many are asked for; all there are where it is absent. */
  readonly count?: number;
};

/** What leads to the sealed messages of one slice that are a row of `block`, in ascending order of their places. */
export class SealedBlock {
  readonly newest: Place;
  /** The table that it is a row of. */
  readonly partition: string;
  readonly zstd = { dictionary: undefined, name: '' };
  /** What most frames do not exceed, unpacked: by it is told how many are unpacked at once. */
  readonly frameBytesMax = 1 << 15;
  readonly #head: Row;
  #numbersRead: readonly (readonly number[])[] | undefined;
  #takenRead: ReadonlySet<number> | undefined;

  /** Of `headColumns`. */
  constructor(head: Row) {
    this.newest = placeIn(head);
    this.partition = text(head[5]);
    this.#head = head;
  }

  get frames(): number {
    return this.#ends.length;
  }

  rowsIn(frame: number): number {
    return Math.min(sealedFrameRows, integer(this.#head[3]) - frame * sealedFrameRows);
  }

  /** Where the bytes of a frame are, counted from 0, and how many. */
  bytesOf(frame: number): { readonly at: number; readonly bytes: number } {
    const at = this.#ends[frame - 1] ?? 0;
    return { at, bytes: (this.#ends[frame] ?? 0) - at };
  }

  isTaken(ordinal: number): boolean {
    this.#takenRead ??= new Set(numbersIn(this.#head[4]));
    return this.#takenRead.has(ordinal);
  }

  /** Whether any of its messages may have another state than a snapshot shows. */
  mayBeNewerThan(snapshot: Snapshot): boolean {
    return integer(this.#head[2]) >= firstUnseen(snapshot);
  }

  /** The frames that may hold what is sent in a time and behind a place, newest first. */
  framesIn({ since, until, place }: Pick<Wanted, 'since' | 'until' | 'place'>): readonly number[] {
    const found: number[] = [];
    for (let frame = this.frames - 1; frame >= 0; frame--) {
      const { from, to } = this.spanOf(frame);
      if (to < since) break;
      if (from < until && (place === undefined || isBehind(this.#firstOf(frame), place))) found.push(frame);
    }
    return found;
  }

  /** The frames that have the keys at these positions in `keys`, counted from 1, as text. */
  framesOf(positions: string): ReadonlySet<number> {
    const found = new Set<number>();
    if (positions === '{}') return found;
    const ends = this.#numbers[3] ?? [];
    for (const position of numbersIn(positions)) found.add(ends.findIndex(end => position <= end));
    return found;
  }

  /** Between when what is in a frame was sent. */
  spanOf(frame: number): { readonly from: EpochMs; readonly to: EpochMs } {
    const next = frame + 1 < this.frames ? this.#firstOf(frame + 1) : this.newest;
    return { from: this.#firstOf(frame).sentAt, to: next.sentAt };
  }

  #firstOf(frame: number): Place {
    return { sentAt: this.#numbers[1]?.[frame] ?? 0, number: this.#numbers[2]?.[frame] ?? 0 };
  }

  get #ends(): readonly number[] {
    return this.#numbers[0] ?? [];
  }

  /** Of many blocks nothing but their place is asked. */
  get #numbers(): readonly (readonly number[])[] {
    this.#numbersRead ??= this.#head.slice(6, headColumnCount).map(numbersIn);
    return this.#numbersRead;
  }
}

function numbersIn(array: unknown): readonly number[] {
  const numbers: unknown = JSON.parse(`[${text(array).slice(1, -1)}]`);
  return Array.isArray(numbers) ? numbers : [];
}

/** A frame as it is kept. */
export type StoredFrame = { readonly block: SealedBlock; readonly frame: number; readonly stored: Uint8Array };

/** Frames with what is in them. What is not what was written is told to `damaged`, and left out. */
export function readFrames(
  frames: readonly StoredFrame[],
  damaged: (frame: StoredFrame) => void,
): readonly SealedFrame[] {
  const sound: PackedFrame<SealedBlock>[] = [];
  for (const one of frames) {
    const packed = withoutSum(one.stored);
    if (packed === undefined) damaged(one);
    else sound.push({ block: one.block, frame: one.frame, packed });
  }
  return unpacked(sound).map((found, i) => new SealedFrame(sound[i], found));
}

class SealedFrame {
  readonly #block: SealedBlock;
  readonly #firstOrdinal: number;
  readonly #unpacked: UnpackedFrame;

  constructor(of: PackedFrame<SealedBlock> | undefined, found: UnpackedFrame) {
    if (of === undefined) throw new RangeError('more frames than were packed');
    this.#block = of.block;
    this.#firstOrdinal = of.frame * sealedFrameRows;
    this.#unpacked = found;
  }

  /** The messages at those of some places that are here, also where they were taken out since. */
  *at(places: ReadonlySet<string>): Generator<Sealed> {
    for (let row = 0; row < this.#unpacked.rows; row++) {
      const sealed = this.#message(row);
      if (places.has(placeKey(sealed.place))) yield sealed;
    }
  }

  /**
   * What is wanted of those that were not taken out, newest first. On a walk those come too whose state was changed since
   * it began: whether that matched then, the caller finds out.
   */
  *wanted({ filter, since, until, place, snapshot }: Wanted, needles: Needles): Generator<Sealed> {
    const isFixed = conditionMatcher(filter, { changes: false });
    const isState = conditionMatcher(filter, { changes: true });
    const isAny = asksForTimeOnly(filter);
    const having = needles.map(some => this.#unpacked.rowsWith(some));
    for (let row = this.#unpacked.rows - 1; row >= 0; row--) {
      if (this.#block.isTaken(this.#firstOrdinal + row) || !having.every(rows => rows.has(row))) continue;
      const sealed = this.#message(row);
      const { sentAt } = sealed.place;
      if (sentAt < since || sentAt >= until) continue;
      if (place !== undefined && !isBehind(sealed.place, place)) continue;
      if (snapshot !== undefined && !isSeen(sealed.tx, snapshot)) continue;
      if (isAny) {
        yield sealed;
        continue;
      }
      const log = { ...identityIn(sealed.row), ...stateIn(sealed.row) };
      if (!isFixed(log)) continue;
      const isAsThen = snapshot === undefined || isSeen(sealed.stateTx, snapshot);
      if (!isAsThen || isState(log)) yield sealed;
    }
  }

  #message(row: number): Sealed {
    const sealed = sealedFrom(this.#unpacked.body(row));
    const ordinal = this.#firstOrdinal + row;
    return {
      ...sealed,
      place: placeIn(sealed.row),
      block: this.#block,
      ordinal,
      isTaken: this.#block.isTaken(ordinal),
    };
  }
}

/** Texts of which, of each list, a row's JSON has one where it has what is asked for. */
export type Needles = readonly (readonly Buffer[])[];

/** Parsing all rows of a frame takes as long as looking for so many texts. */
const needlesMax = 8;

/** Most rows of a frame are not what is asked for, and looking for a few texts takes less than parsing them. */
export function needlesOf(filter: Filter): Needles {
  return exactFields.flatMap(({ name, changes }) => {
    const values = changes ? undefined : valuesOf(filter, name);
    return values === undefined || values.length > needlesMax
      ? []
      : [values.map(value => Buffer.from(JSON.stringify(value)))];
  });
}

export function placeKey({ sentAt, number }: Place): string {
  return `${sentAt} ${number}`;
}

export function isSeen(tx: number, { end, running }: Snapshot): boolean {
  return tx < end && !running.includes(tx);
}

/** Whether a place comes after another in the order of pages: newest first. */
export function isBehind(one: Place, other: Place): boolean {
  return one.sentAt < other.sentAt || (one.sentAt === other.sentAt && one.number < other.number);
}
