import { crc32 } from 'node:zlib';
import { makeDictionary } from '../../block/dictionary.ts';
import { frameRows } from '../../block/layout.ts';
import { BlockMaker, type BlockRow } from '../../block/make-block.ts';
import { DamagedRow } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import { indexFlaw } from '../log/check-rows.ts';
import { type Cell, messageCells, reportCells } from '../rows/row-cells.ts';
import type { MessageRow, ReportRow, Rows } from '../rows/rows.ts';
import type { VolumeBlock } from '../segment/block-rows.ts';
import { IndexFile, type IndexHeader } from '../segment/index-file.ts';
import { ofSegment, openRowsAt } from '../segment/open-rows.ts';
import { messageBody, messageOf, reportBody, reportOf } from '../segment/volume-body.ts';
import { manifestBytes, manifestEndsOf, VolumeFile } from '../segment/volume-file.ts';

const rowsAtATime = 500;
/** Rows that are looked at before blocks are made, for what their bodies have in common. */
const samplesMax = 64;
/** Of fewer rows samples are worth less than they take. */
const rowsPerSampleMin = 32;

/**
 * Makes the volume of a sealed segment beside its rows file, a step at a time; `true` when it stands there, durable, and
 * read back as what went into it: then nothing needs the rows file any more. A segment that lacks rows gets none. What is
 * gone or was made anew meanwhile gets none either, and what is damaged is told by throwing what `isDamage` knows.
 */
export function* makeVolume(folder: Folder, segmentId: number, blockRows: number): Generator<void, boolean> {
  const header = mergeableHeader(folder, segmentId);
  if (header === undefined) return false;
  const [path, isThere] = [folder.volume(segmentId), folder.hasVolume(segmentId)];
  const temporary = `${path}.tmp`;
  const own = { id: segmentId, hashSeed: header.hashSeed };
  const rows = ofSegment(openRowsAt(folder.disk, folder.rows(segmentId)), own);
  try {
    // A process that ended may have left the rows file beside a volume that stands already.
    const sum = isThere
      ? yield* sumOf(kindsIn(rows, header))
      : yield* write(folder.disk, temporary, header, rows, blockRows);
    yield* compare(folder.disk, isThere ? path : temporary, header, sum);
    if (isThere) return true;
    // Between two steps it may have been dropped, or made anew of what is left of it.
    if (mergeableHeader(folder, segmentId)?.rowsCrc !== header.rowsCrc) return false;
    folder.disk.rename(temporary, path);
    folder.sync();
    if (folder.disk.exists(folder.index(segmentId))) return true;
    folder.disk.remove(path);
    return false;
  } finally {
    rows.close();
    folder.disk.remove(temporary);
  }
}

/** `undefined` when there is nothing to be made into a volume. */
function mergeableHeader(folder: Folder, segmentId: number): IndexHeader | undefined {
  if (!folder.disk.exists(folder.index(segmentId)) || !folder.disk.exists(folder.rows(segmentId))) return undefined;
  const index = new IndexFile(folder.index(segmentId), folder.disk);
  index.close();
  const { lostMessages = 0, lostReports = 0 } = index.header;
  if (indexFlaw(index.header, segmentId, folder.hashSeed) !== undefined) return undefined;
  return lostMessages + lostReports > 0 ? undefined : index.header;
}

/**
 * Removes the rows file that a volume stands for; `false` when it stands for none. To be called when nobody has the file
 * open, by the thread that makes segments anew: then the volume is that of the index.
 */
export function removeMerged(folder: Folder, segmentId: number): boolean {
  const header = folder.hasVolume(segmentId) ? mergeableHeader(folder, segmentId) : undefined;
  if (header === undefined) return false;
  const volume = new VolumeFile(folder.volume(segmentId), folder.disk);
  volume.close();
  if (!volume.isOf(header)) return false;
  folder.removeRows(segmentId);
  return true;
}

/** Gives the checksum over all bodies. */
function* write(disk: Disk, path: string, header: IndexHeader, rows: Rows, blockRows: number): Generator<void, number> {
  if (blockRows % frameRows !== 0) throw new RangeError(`a block of ${blockRows} rows is not of whole frames`);
  const { segment, firstSequence, rowsBytes, rowsCrc, hashSeed } = header;
  const file = disk.open(path, 'write');
  try {
    let [end, sum] = [manifestBytes, 0];
    const append = (bytes: Uint8Array): VolumeBlock['offset'] => {
      disk.write(file, bytes, end);
      end += bytes.byteLength;
      return end - bytes.byteLength;
    };
    const blocksOf = function* (kind: Pick<Kind<never>, 'rows' | 'dictionary'>): Generator<void, VolumeBlock[]> {
      const blocks: VolumeBlock[] = [];
      const dictionary = kind.dictionary();
      const newMaker = () => new BlockMaker(blockRows, dictionary);
      let [maker, taken] = [newMaker(), 0];
      const close = () => {
        const bytes = maker.bytes();
        blocks.push({ rows: maker.rows, offset: append(bytes), bytes: bytes.byteLength });
        maker = newMaker();
      };
      for (const row of kind.rows()) {
        sum = crc32(row.body, sum);
        maker.add(row);
        taken++;
        if (maker.rows === blockRows) close();
        if (taken % rowsAtATime === 0) yield;
      }
      if (maker.rows > 0) close();
      return blocks;
    };
    const [messages, reports] = kindsIn(rows, header);
    const blocks = { messages: yield* blocksOf(messages), reports: yield* blocksOf(reports) };
    const { createdAt } = rows.meta();
    const manifest = { segment, firstSequence, createdAt, rowsBytes, rowsCrc, hashSeed, ...blocks };
    const { opening, closing } = manifestEndsOf(manifest);
    if (opening.byteLength > manifestBytes) throw new RangeError('the manifest has no room');
    append(closing);
    disk.write(file, opening, 0);
    disk.sync(file);
    return sum;
  } finally {
    disk.close(file);
  }
}

function* sumOf(kinds: readonly Pick<Kind<never>, 'rows'>[]): Generator<void, number> {
  let [sum, taken] = [0, 0];
  for (const kind of kinds)
    for (const { body } of kind.rows()) {
      sum = crc32(body, sum);
      if (++taken % rowsAtATime === 0) yield;
    }
  return sum;
}

type Packing<R> = {
  readonly from: (number: number, count: number) => readonly R[];
  /** Its number first. */
  readonly cells: (row: R) => readonly Cell[];
  readonly packed: (row: R) => BlockRow;
  readonly unpacked: (body: Uint8Array, number: number) => R;
};

/** Messages and reports. */
function kindsIn(rows: Rows, { messages, reports, firstSequence }: IndexHeader) {
  return [
    new Kind<MessageRow>('message', 0, messages, {
      from: (number, count) => rows.messagesFrom(number, count),
      cells: messageCells,
      packed: row => ({ account: row.account, sentAt: row.sentAt, body: messageBody(row) }),
      unpacked: messageOf,
    }),
    new Kind<ReportRow>('report', firstSequence, reports, {
      from: (number, count) => rows.reportsFrom(number, count),
      cells: reportCells,
      packed: row => ({ account: row.account, sentAt: row.sentAt, body: reportBody(row) }),
      unpacked: reportOf,
    }),
  ] as const;
}

/** All rows of one kind, as a volume has them. */
class Kind<R extends MessageRow | ReportRow> {
  readonly #what: string;
  readonly #first: number;
  readonly #count: number;
  readonly #packing: Packing<R>;

  constructor(what: string, first: number, count: number, packing: Packing<R>) {
    [this.#what, this.#first, this.#count, this.#packing] = [what, first, count, packing];
  }

  /** Throws for the first that is missing, or is not what is read of its body. */
  *rows(): Generator<BlockRow> {
    const { from, cells, packed, unpacked } = this.#packing;
    for (let [next, end] = [this.#first, this.#first + this.#count]; next < end; ) {
      const found = from(next, Math.min(rowsAtATime, end - next));
      if (found.length === 0) throw new DamagedRow(`${this.#what} ${next}`);
      for (const row of found) {
        const told = cells(row);
        if (told[0] !== next) throw new DamagedRow(`${this.#what} ${next}`);
        const kept = packed(row);
        if (!isSame(told, cells(unpacked(kept.body, next)))) throw new DamagedRow(`the volume (${this.#what} ${next})`);
        yield kept;
        next++;
      }
    }
  }

  /** What the bodies have in common, made of some from all over them; `undefined` where they are too few. */
  dictionary(): Uint8Array | undefined {
    const step = Math.max(rowsPerSampleMin, Math.ceil(this.#count / samplesMax));
    const places = Array.from({ length: Math.floor(this.#count / step) }, (_, i) => i * step);
    const samples = places.flatMap(place => this.#bodies(place, 1));
    // Others than the samples, which would tell of themselves.
    const frames = places.filter((_, i) => i % 2 === 0).map(place => this.#bodies(place + 1, frameRows));
    return makeDictionary(samples, frames);
  }

  #bodies(place: number, count: number): readonly Uint8Array[] {
    return this.#packing.from(this.#first + place, count).map(row => this.#packing.packed(row).body);
  }
}

/** Looks at every part of a volume that stands in the place of a rows file; throws what `isDamage` knows. */
export function* verifyVolume(folder: Folder, segmentId: number, header: IndexHeader): Generator<void, void> {
  const volume = new VolumeFile(folder.volume(segmentId), folder.disk);
  try {
    if (!volume.isOf(header)) throw new DamagedRow('the volume (it is of other rows, or cut short)');
    yield* volume.verifySteps();
  } finally {
    volume.close();
  }
}

/** Reads the volume as its readers will: whatever does not come out as it went in keeps the rows file where it is. */
function* compare(disk: Disk, path: string, header: IndexHeader, sum: number): Generator<void, void> {
  const volume = new VolumeFile(path, disk);
  try {
    const { segment, firstSequence } = volume.manifest;
    if (!volume.isOf(header) || segment !== header.segment || firstSequence !== header.firstSequence)
      throw new DamagedRow('the volume (it is of other rows)');
    yield* volume.verifySteps();
    let read = 0;
    for (const bodies of volume.bodies()) {
      for (const body of bodies) read = crc32(body, read);
      yield;
    }
    if (read !== sum) throw new DamagedRow('the volume (its bodies are not those of the rows file)');
    if (volume.count() !== header.messages || volume.reportCount() !== header.reports)
      throw new DamagedRow('the volume (it has other numbers of rows than its index)');
  } finally {
    volume.close();
  }
}

function isSame(a: readonly Cell[], b: readonly Cell[]): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]) || (value === 0 && b[i] === 0));
}
