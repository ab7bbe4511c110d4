import { DamagedIndex } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import { IndexFile, type IndexHeader, writeIndexFile } from './index-file.ts';
import type { LiveState } from './shared-segment.ts';

/**
 * The states of a sealed segment's messages, as all reports before a sequence left them: `000000123.UNTIL.state`. Its form is
 * the index's, its sections are `state.newest` (by ordinal: how far behind the segment's first sequence the newest report
 * is, from 1 on, and 0 without one; 32 bits, or the sequence in 64 where that is too little) and `state.group`. It is never
 * changed: a later one takes its place.
 */
export const stateMessagesPerPage = 512;

/** `header` is that of the segment's index. */
export function writeStateFile(
  disk: Disk,
  path: string,
  header: IndexHeader,
  until: number,
  { newestReport, group }: LiveState,
): void {
  const { messages, firstSequence } = header;
  const newest = new Uint32Array(messages);
  let isWide = false;
  for (let ordinal = 0; ordinal < messages; ordinal++) {
    const sequence = newestReport[ordinal] ?? 0;
    if (sequence === 0) continue;
    const behind = sequence - firstSequence + 1;
    isWide ||= behind < 1 || behind >= 2 ** 32;
    newest[ordinal] = behind;
  }
  writeIndexFile(
    disk,
    path,
    { ...header, stateUntil: until },
    { 'state.newest': isWide ? newestReport.slice(0, messages) : newest, 'state.group': group.slice(0, messages) },
  );
}

/** Throws `DamagedIndex` for a file that is not what was written, or is another's. */
export class StateFile {
  readonly #file: IndexFile;
  readonly #isWide: boolean;

  constructor(path: string, disk: Disk, of: { readonly id: number; readonly until: number }) {
    this.#file = new IndexFile(path, disk);
    const { segment, stateUntil, messages } = this.#file.header;
    this.#isWide = this.#file.bytesOf('state.newest') === messages * 8;
    if (segment === of.id && stateUntil === of.until) return;
    this.#file.close();
    throw new DamagedIndex(path, `it is of segment ${segment} at ${stateUntil}`);
  }

  /** Which rows it is of. */
  get header(): IndexHeader {
    return this.#file.header;
  }

  /** The newest reports on messages that stand side by side. */
  newestPage(number: number): Float64Array {
    const [from, count] = this.#placesOf(number);
    return this.#newest(from, count);
  }

  groupPage(number: number): Uint8Array {
    return this.#file.uint8('state.group', ...this.#placesOf(number));
  }

  newest(): Float64Array {
    return this.#newest(0, this.header.messages);
  }

  groups(): Uint8Array {
    return this.#file.uint8('state.group');
  }

  close(): void {
    this.#file.close();
  }

  #placesOf(page: number): [from: number, count: number] {
    const from = page * stateMessagesPerPage;
    return [from, Math.min(stateMessagesPerPage, this.header.messages - from)];
  }

  #newest(from: number, count: number): Float64Array {
    if (this.#isWide) return this.#file.float64('state.newest', from, count);
    // Whoever asks may be going through numbers of an index that are good until the next are read.
    const behind = this.#file.uint32('state.newest', from, count);
    const newest = new Float64Array(count);
    const base = this.header.firstSequence - 1;
    for (let i = 0; i < count; i++) {
      const distance = behind[i] ?? 0;
      if (distance !== 0) newest[i] = base + distance;
    }
    return newest;
  }
}
