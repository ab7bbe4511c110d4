import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { DamagedBlock } from './damage.ts';
import { bufferOf } from './layout.ts';

/** A number a row; 0 where it has no value, else one more than the place of its value in `values`. */
export type Codes = Uint8Array | Uint16Array | Uint32Array;

/** What a column tells of each row: the value itself where values are few, its hash where they are many. */
export type Column =
  | { readonly kind: 'codes'; readonly codes: Codes; readonly values: readonly string[] }
  | { readonly kind: 'hashes'; readonly hashes: Uint32Array };

/** Where a value has fewer rows than this on average, the column has hashes; but a few values are always listed. */
const rowsPerValueMin = 16;
const listedMin = 16;

/** Gives each different value a number, until there are too many for a list. */
export class CodeMaker {
  readonly #codes: Uint32Array;
  readonly #numbers = new Map<string, number>();
  readonly #valuesMax: number;

  constructor(rowsMax: number, valuesMax = listedOf(rowsMax)) {
    this.#codes = new Uint32Array(rowsMax);
    this.#valuesMax = valuesMax;
  }

  set(row: number, value: string): void {
    let code = this.#numbers.get(value);
    if (code === undefined) {
      if (this.#numbers.size > this.#valuesMax) return;
      code = this.#numbers.size + 1;
      this.#numbers.set(value, code);
    }
    this.#codes[row] = code;
  }

  get values(): readonly string[] {
    return [...this.#numbers.keys()];
  }

  /** Whether a list of the values is worth its room, of so many rows. */
  isListed(rows: number): boolean {
    return this.#numbers.size <= Math.min(this.#valuesMax, listedOf(rows));
  }

  codes(rows: number): Codes {
    const [{ size }, codes] = [this.#numbers, this.#codes.subarray(0, rows)];
    return size < 2 ** 8 ? Uint8Array.from(codes) : size < 2 ** 16 ? Uint16Array.from(codes) : codes;
  }
}

const listedOf = (rows: number) => Math.max(listedMin, Math.floor(rows / rowsPerValueMin));

export function packValues(values: readonly string[]): Uint8Array {
  return zstdCompressSync(JSON.stringify(values));
}

export function valuesIn(packed: Uint8Array): readonly string[] {
  return JSON.parse(zstdDecompressSync(packed).toString('utf8'));
}

/** The width of a code follows from how many values there are. */
export function codesIn(bytes: Uint8Array<ArrayBuffer>, values: number): Codes {
  if (values < 2 ** 8) return bytes;
  return values < 2 ** 16 ? new Uint16Array(bufferOf(bytes)) : new Uint32Array(bufferOf(bytes));
}

/**
 * `sentAt` of each row: where the span allows how much later than the row before it, modulo 2^32, the first than the
 * least of all; otherwise as it is.
 */
export function packTimes(times: Float64Array, base: number): Uint8Array {
  const isNarrow = times.every(time => time - base < 2 ** 32);
  const steps = isNarrow ? Uint32Array.from(times, (time, i) => time - (times[i - 1] ?? base)) : times;
  return zstdCompressSync(steps);
}

export function timesIn(packed: Uint8Array, rows: number, base: number): Float64Array {
  const bytes = Uint8Array.from(zstdDecompressSync(packed));
  if (bytes.byteLength === rows * 8) return new Float64Array(bytes.buffer);
  if (bytes.byteLength !== rows * 4)
    throw new DamagedBlock('times', `${bytes.byteLength} bytes are not those of ${rows} rows`);
  let offset = 0;
  return Float64Array.from(new Uint32Array(bytes.buffer), step => {
    offset = (offset + step) >>> 0;
    return base + offset;
  });
}
