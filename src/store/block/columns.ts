import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { DamagedBlock } from './damage.ts';

/** The account of each row by a code, one more than the place of the account among `values`. */
export function packAccounts(accounts: Float64Array): { readonly codes: Uint8Array; readonly values: Uint8Array } {
  const known = new Map<AccountId, number>();
  const codes = Uint32Array.from(accounts, account => {
    const code = known.get(account) ?? known.size + 1;
    if (code > known.size) known.set(account, code);
    return code;
  });
  const isNarrow = known.size < 2 ** 8;
  const narrow = isNarrow ? Uint8Array.from(codes) : known.size < 2 ** 16 ? Uint16Array.from(codes) : codes;
  const values = zstdCompressSync(JSON.stringify(Array.from(known.keys(), String)));
  return { codes: zstdCompressSync(narrow), values };
}

/** The width of a code follows from how many values there are. */
export function accountsIn(packedCodes: Uint8Array, packedValues: Uint8Array): Float64Array {
  const values: readonly string[] = JSON.parse(zstdDecompressSync(packedValues).toString('utf8'));
  const accounts = values.map(Number);
  const bytes = Uint8Array.from(zstdDecompressSync(packedCodes));
  const isNarrow = values.length < 2 ** 8;
  const wide = () => (values.length < 2 ** 16 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer));
  return Float64Array.from(isNarrow ? bytes : wide(), code => accounts[code - 1] ?? 0);
}

/**
 * `sentAt` of each row: where the span allows how much later than the row before it, modulo 2^32, the first than the
 * least of all; otherwise as it is.
 */
export function packTimes(times: Float64Array, base: EpochMs): Uint8Array {
  const isNarrow = times.every(time => time - base < 2 ** 32);
  const steps = isNarrow ? Uint32Array.from(times, (time, i) => time - (times[i - 1] ?? base)) : times;
  return zstdCompressSync(steps);
}

export function timesIn(packed: Uint8Array, rows: number, base: EpochMs): Float64Array {
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
