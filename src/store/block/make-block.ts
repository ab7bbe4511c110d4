import { crc32, zstdCompressSync } from 'node:zlib';
import { exactFields, type Filtered } from '../../domain/filter-fields.ts';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { makeFilter } from './bloom.ts';
import { CodeMaker, packTimes, packValues } from './columns.ts';
import { columnFields, hashValue } from './hash.ts';
import {
  blockRowsMax,
  dictionaryParts,
  directoryEndsOf,
  type Part,
  packFrame,
  frameRows as usualFrameRows,
  withSum,
} from './layout.ts';

/** A row to go into a block. The body is the caller's own: a block gives it back as it was. */
export type BlockRow = {
  readonly account: AccountId;
  readonly sentAt: EpochMs;
  readonly body: Uint8Array;
  /** What filters look at; a row that nobody looks for has none. */
  readonly log?: Filtered;
};

type ColumnMaker = { readonly field: number; readonly codes: CodeMaker; readonly hashes: Uint32Array };

/** Takes rows one by one and makes a block of them, at most `rowsMax`. Holds the bodies of one frame. */
export class BlockMaker {
  readonly #seed: number;
  readonly #rowsMax: number;
  readonly #times: Float64Array;
  readonly #accounts: CodeMaker;
  readonly #columns: readonly (ColumnMaker & (typeof exactFields)[number])[];
  readonly #keys = new Set<number>();
  readonly #frames: Uint8Array[] = [];
  readonly #dictionary: Uint8Array | undefined;
  readonly #frameRows: number;
  #bodies: Uint8Array[] = [];
  #frameBytesMax = 0;
  #rows = 0;

  /**
   * See `makeDictionary`; blocks of the same one are read together sooner. Longer frames take fewer bytes where there is no
   * dictionary, and more time to read one row of.
   */
  constructor(seed: number, rowsMax = blockRowsMax, dictionary?: Uint8Array, frameRows = usualFrameRows) {
    this.#frameRows = frameRows;
    if (rowsMax > blockRowsMax) throw new RangeError(`a block has at most ${blockRowsMax} rows`);
    this.#dictionary = dictionary;
    this.#seed = seed;
    this.#rowsMax = rowsMax;
    this.#times = new Float64Array(rowsMax);
    this.#accounts = new CodeMaker(rowsMax, Infinity);
    this.#columns = exactFields.map(field => ({
      ...field,
      field: columnFields.indexOf(field.name),
      codes: new CodeMaker(rowsMax),
      hashes: new Uint32Array(rowsMax),
    }));
  }

  get rows(): number {
    return this.#rows;
  }

  add({ account, sentAt, body, log }: BlockRow): void {
    if (this.#rows === this.#rowsMax) throw new RangeError(`this block has at most ${this.#rowsMax} rows`);
    const at = this.#rows++;
    this.#times[at] = sentAt;
    this.#accounts.set(at, String(account));
    if (log !== undefined)
      for (const { field, codes, hashes, valueIn } of this.#columns) {
        const value = valueIn(log);
        if (value === undefined) continue;
        const hash = hashValue(this.#seed, account, field, value);
        codes.set(at, value);
        hashes[at] = hash;
        this.#keys.add(hash);
      }
    if (this.#bodies.push(body) === this.#frameRows) this.#closeFrame();
  }

  /** The whole block, at least of one row; to be called once. */
  bytes(): Uint8Array {
    if (this.#rows === 0) throw new RangeError('a block has at least one row');
    if (this.#bodies.length > 0) this.#closeFrame();
    const times = this.#times.subarray(0, this.#rows);
    const timeBase = times.reduce((least, time) => Math.min(least, time), Infinity);
    const parts: [name: string, bytes: Uint8Array][] = [
      ['bodies', Buffer.concat(this.#frames)],
      ['times', packTimes(times, timeBase)],
      ['accounts', zstdCompressSync(this.#accounts.codes(this.#rows))],
      ['accounts.values', packValues(this.#accounts.values)],
      ...this.#columns.flatMap(column => partsOf(column, this.#rows)),
    ];
    if (this.#keys.size > 0) parts.push(['filter', makeFilter(this.#keys)]);
    const dictionary = this.#dictionary;
    if (dictionary !== undefined) {
      const [before, after] = dictionaryParts;
      parts.unshift([before, dictionary]);
      parts.push([after, dictionary]);
    }
    const layout: Record<string, Part> = {};
    let offset = 0;
    for (const [name, bytes] of parts) {
      layout[name] = { offset, bytes: bytes.byteLength, crc: crc32(bytes) };
      offset += bytes.byteLength;
    }
    const { opening, closing } = directoryEndsOf(
      { rows: this.#rows, timeBase, frameRows: this.#frameRows, frameBytesMax: this.#frameBytesMax, parts: layout },
      Uint32Array.from(this.#frames, frame => frame.byteLength),
    );
    return Buffer.concat([opening, ...parts.map(([, bytes]) => bytes), closing]);
  }

  #closeFrame(): void {
    const { packed, unpackedBytes } = packFrame(this.#bodies, this.#dictionary);
    this.#frameBytesMax = Math.max(this.#frameBytesMax, unpackedBytes);
    this.#frames.push(withSum(packed));
    this.#bodies = [];
  }
}

/** A column that has no value is left out. */
function partsOf(
  { name, codes, hashes }: ColumnMaker & { readonly name: string },
  rows: number,
): [name: string, bytes: Uint8Array][] {
  if (codes.values.length === 0) return [];
  if (!codes.isListed(rows)) return [[`${name}.hashes`, bytesOf(hashes.subarray(0, rows))]];
  return [
    [`${name}.codes`, bytesOf(codes.codes(rows))],
    [`${name}.values`, packValues(codes.values)],
  ];
}

function bytesOf(array: Uint8Array | Uint16Array | Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
