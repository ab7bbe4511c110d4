import { exactFields, type Filtered } from '../../../domain/filter-fields.ts';
import { integer, type Row } from '../../../postgres/cells.ts';
import { hashedFields, hashValue } from '../../block/hash.ts';
import { packFrame, withSum } from '../../block/layout.ts';
import { identityIn, logColumnCount, logColumns, type Place, placeIn, stateIn } from '../rows/log-row.ts';
import type { Slice } from '../rows/slices.ts';

/** What a block holds of each message `m`: what `sealedIn` reads. */
export const sealedColumns = `${logColumns}, m.received_at, m.tx, m.state_tx`;

/** A message as it was sealed. */
export type SealedRow = {
  /** As `logColumns`. */
  readonly row: Row;
  readonly receivedAt: number;
  /** The transactions that recorded it, and that wrote its state. */
  readonly tx: number;
  readonly stateTx: number;
};

export function sealedIn(cells: Row): SealedRow {
  const [receivedAt, tx, stateTx] = cells.slice(logColumnCount).map(integer);
  if (receivedAt === undefined || tx === undefined || stateTx === undefined)
    throw new TypeError('a sealed message lacks its transactions');
  return { row: cells.slice(0, logColumnCount), receivedAt, tx, stateTx };
}

export function bodyOf(cells: Row): Buffer {
  return Buffer.from(JSON.stringify(cells));
}

export function sealedFrom(body: Uint8Array): SealedRow {
  const cells: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  if (!Array.isArray(cells)) throw new TypeError('a sealed message is no row');
  return sealedIn(cells);
}

/** The fields whose values lead to blocks; ids are found by their keys. */
export const keyFields = exactFields.filter(({ name }) => name !== 'messageId');

/** As a column of integers holds it. */
export function keyOf(seed: number, slice: Slice, { name }: (typeof exactFields)[number], value: string): number {
  return hashValue(seed, slice, hashedFields.indexOf(name), value) | 0;
}

/** A block to be kept, and what leads to its frames. */
export type NewBlock = {
  readonly newest: Place;
  readonly oldest: Place;
  readonly newestTx: number;
  readonly messages: number;
  /** Of each frame its own, one frame after the other. */
  readonly keys: readonly number[];
  readonly frames: readonly NewFrame[];
};

/** `end` and `keyEnd`: where its bytes and keys end in those of the block. */
type NewFrame = { readonly first: Place; readonly end: number; readonly keyEnd: number; readonly bytes: Uint8Array };

/** Rows of one zstd frame: a page unpacks those of each message that it shows. */
export const sealedFrameRows = 32;

/** Makes a block of rows of one slice, in ascending order of their places; at least one. */
export function blockOf(seed: number, slice: Slice, rows: readonly Row[]): NewBlock {
  const keys: number[] = [];
  const frames: NewFrame[] = [];
  let [newestTx, end] = [0, 0];
  for (let from = 0; from < rows.length; from += sealedFrameRows) {
    const own = rows.slice(from, from + sealedFrameRows);
    const ownKeys = new Set<number>();
    for (const cells of own) {
      const { row, stateTx } = sealedIn(cells);
      newestTx = Math.max(newestTx, stateTx);
      for (const key of keysIn(seed, slice, row)) ownKeys.add(key);
    }
    keys.push(...ownKeys);
    const bytes = withSum(packFrame(own.map(bodyOf), undefined).packed);
    end += bytes.byteLength;
    frames.push({ first: placeIn(own[0] ?? []), end, keyEnd: keys.length, bytes });
  }
  const [first = [], last = []] = [rows[0], rows.at(-1)];
  return { newest: placeIn(last), oldest: placeIn(first), newestTx, messages: rows.length, keys, frames };
}

function* keysIn(seed: number, slice: Slice, row: Row): Generator<number> {
  const log: Filtered = { ...identityIn(row), ...stateIn(row) };
  for (const field of keyFields) {
    const value = field.valueIn(log);
    if (value !== undefined) yield keyOf(seed, slice, field, value);
  }
}
