import { OtherBlockVersion } from '../../block/damage.ts';
import { bothEnds, type EndsOf, endFlaws, type ReadBytes, readEnds } from '../../block/ends.ts';
import { Block } from '../../block/read-block.ts';
import { DamagedRow, OtherFormat } from '../files/damage.ts';
import { type Disk, openedHere, readInto, systemDisk } from '../files/disk.ts';
import {
  type HeldOf,
  heldBy,
  type MessageRow,
  type ReportRow,
  type ReportState,
  type Rows,
  type RowsMeta,
} from '../rows/rows.ts';
import { BlockRows, type VolumeBlock } from './block-rows.ts';
import { messageOf, reportOf } from './volume-body.ts';

export type Manifest = RowsMeta & {
  /** Of the rows file that it was made of, as the index has them. */
  readonly rowsBytes: number;
  readonly rowsCrc: number;
  readonly hashSeed: number;
  /** All but the last of each list have equally many rows. */
  readonly messages: readonly VolumeBlock[];
  readonly reports: readonly VolumeBlock[];
};

/**
 * The manifest stands at both ends. What is kept free for it at the head is written last. Its version is one with that of
 * the blocks, so that a volume whose blocks cannot be read shows by its manifest.
 */
export const manifestBytes = 16_384;
const manifestEnds: EndsOf = { what: 'the manifest of a volume', magic: 0x564c4253, version: 3, earlier: [2] };
export const manifestEndsOf = (manifest: Manifest) =>
  bothEnds(manifestEnds, Buffer.from(JSON.stringify(manifest)), manifestBytes);

/**
 * A volume: the rows of a sealed segment in blocks, in the place of its journal. Made once (see make-volume.ts), and
 * never changed. What of it is damaged throws what `isDamage` knows.
 */
export class VolumeFile implements Rows {
  readonly manifest: Manifest;
  readonly #path: string;
  readonly #disk: Disk;
  readonly #file: number;
  readonly #messages: BlockRows<MessageRow>;
  readonly #reports: BlockRows<ReportRow>;
  #isOpen = true;

  constructor(path: string, disk: Disk = systemDisk) {
    this.#path = path;
    this.#disk = disk;
    this.#file = openedHere(disk, path, () => new DamagedRow('the volume (it is missing)'));
    try {
      this.manifest = this.#known(() => JSON.parse(this.#manifestText()));
    } catch (error) {
      disk.close(this.#file);
      throw error;
    }
    const open = (block: VolumeBlock) => this.#known(() => new Block(this.#readerOf(block), block.bytes));
    this.#messages = new BlockRows(0, this.manifest.messages, open, messageOf);
    this.#reports = new BlockRows(this.manifest.firstSequence, this.manifest.reports, open, reportOf);
  }

  meta(): RowsMeta {
    const { segment, firstSequence, createdAt, hashSeed } = this.manifest;
    return { segment, firstSequence, createdAt, hashSeed };
  }

  message(ordinal: number): MessageRow | undefined {
    return this.#messages.row(ordinal);
  }

  messages(ordinals: readonly number[]): readonly MessageRow[] {
    return this.#messages.among(ordinals);
  }

  messagesFrom(from: number, count: number): readonly MessageRow[] {
    return this.#messages.from(from, count);
  }

  report(sequence: number): ReportRow | undefined {
    return this.#reports.row(sequence);
  }

  reportsFrom(from: number, count: number): readonly ReportRow[] {
    return this.#reports.from(from, count);
  }

  reports(sequences: readonly number[]): readonly ReportRow[] {
    return this.#reports.among(sequences);
  }

  states(sequences: readonly number[]): readonly ReportState[] {
    return this.#reports.among(sequences);
  }

  count(): number {
    return this.#messages.count;
  }

  reportCount(): number {
    return this.#reports.count;
  }

  accounts(): readonly HeldOf[] {
    return heldBy(this.#messages.senders());
  }

  /** Whether it was made of the rows that an index tells of, and is as long as it was then. */
  isOf({ rowsBytes, rowsCrc }: Pick<Manifest, 'rowsBytes' | 'rowsCrc'>): boolean {
    const { manifest } = this;
    const end = Math.max(0, ...[...manifest.messages, ...manifest.reports].map(({ offset, bytes }) => offset + bytes));
    const isWhole = (this.#disk.size(this.#path) ?? 0) > end;
    return isWhole && manifest.rowsBytes === rowsBytes && manifest.rowsCrc === rowsCrc;
  }

  /** Throws for the first part that is not what was written, a part a step. */
  *verifySteps(): Generator<void, void> {
    const size = this.#disk.size(this.#path) ?? 0;
    for (const flaw of endFlaws(manifestEnds, this.#read, size)) throw new DamagedRow(`the volume (${flaw})`);
    for (const rows of [this.#messages, this.#reports])
      for (const block of rows.blocks())
        for (const flaw of block.flaws()) {
          if (flaw !== undefined) throw new DamagedRow(`the volume (${flaw})`);
          yield;
        }
  }

  /** Those of all rows, messages first, some at a time. */
  *bodies(): Generator<readonly Uint8Array[]> {
    yield* this.#messages.bodies();
    yield* this.#reports.bodies();
  }

  /** The rows that can be read, block by block and frame by frame: of what is damaged, the others. */
  *sound(): Generator<{ readonly message: MessageRow } | { readonly report: ReportRow }> {
    for (const message of this.#messages.sound()) yield { message };
    for (const report of this.#reports.sound()) yield { report };
  }

  close(): void {
    if (this.#isOpen) this.#disk.close(this.#file);
    this.#isOpen = false;
  }

  #manifestText(): string {
    const text = readEnds(manifestEnds, this.#read, this.#disk.size(this.#path) ?? 0).text.toString();
    // Filled up to the room that is kept for it.
    const end = text.indexOf('\0');
    return end === -1 ? text : text.slice(0, end);
  }

  #readerOf({ offset, bytes }: VolumeBlock): ReadBytes {
    return (from, count) => this.#read(offset + from, Math.min(count, bytes - from));
  }

  readonly #read = (offset: number, bytes: number): Uint8Array<ArrayBuffer> => {
    // A page reads dozens of short ones, and memory of their own for each costs as much as reading them.
    const into = Buffer.allocUnsafe(bytes);
    return into.subarray(0, readInto(this.#disk, this.#file, into, offset));
  };

  #known<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof OtherBlockVersion) throw new OtherFormat(`${this.#path} is`, error.version, error.expected);
      throw error;
    }
  }
}
