import { crc32 } from 'node:zlib';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { packAccounts, packTimes } from './columns.ts';
import { blockRowsMax, dictionaryParts, directoryEndsOf, frameRows, type Part, packFrame, withSum } from './layout.ts';

/** A row to go into a block. The body is the caller's own: a block gives it back as it was. */
export type BlockRow = { readonly account: AccountId; readonly sentAt: EpochMs; readonly body: Uint8Array };

/** Takes rows one by one and makes a block of them, at most `rowsMax`. Holds the bodies of one frame. */
export class BlockMaker {
  readonly #rowsMax: number;
  readonly #times: Float64Array;
  readonly #accounts: Float64Array;
  readonly #frames: Uint8Array[] = [];
  readonly #dictionary: Uint8Array | undefined;
  #bodies: Uint8Array[] = [];
  #frameBytesMax = 0;
  #rows = 0;

  /** See `makeDictionary`; blocks of the same one are read together sooner. */
  constructor(rowsMax = blockRowsMax, dictionary?: Uint8Array) {
    if (rowsMax > blockRowsMax) throw new RangeError(`a block has at most ${blockRowsMax} rows`);
    this.#dictionary = dictionary;
    this.#rowsMax = rowsMax;
    this.#times = new Float64Array(rowsMax);
    this.#accounts = new Float64Array(rowsMax);
  }

  get rows(): number {
    return this.#rows;
  }

  add({ account, sentAt, body }: BlockRow): void {
    if (this.#rows === this.#rowsMax) throw new RangeError(`this block has at most ${this.#rowsMax} rows`);
    const at = this.#rows++;
    this.#times[at] = sentAt;
    this.#accounts[at] = account;
    if (this.#bodies.push(body) === frameRows) this.#closeFrame();
  }

  /** The whole block, at least of one row; to be called once. */
  bytes(): Uint8Array {
    if (this.#rows === 0) throw new RangeError('a block has at least one row');
    if (this.#bodies.length > 0) this.#closeFrame();
    const times = this.#times.subarray(0, this.#rows);
    const timeBase = times.reduce((least, time) => Math.min(least, time), Infinity);
    const accounts = packAccounts(this.#accounts.subarray(0, this.#rows));
    const parts: [name: string, bytes: Uint8Array][] = [
      ['bodies', Buffer.concat(this.#frames)],
      ['times', packTimes(times, timeBase)],
      ['accounts', accounts.codes],
      ['accounts.values', accounts.values],
    ];
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
      { rows: this.#rows, timeBase, frameRows, frameBytesMax: this.#frameBytesMax, parts: layout },
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
