import { DamagedRow, isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder, RowsSource } from '../files/folder.ts';
import { covers, type Holding } from '../files/ledger.ts';
import { metaIn, soundFrames } from '../rows/journal-format.ts';
import { writeJournal } from '../rows/journal-writer.ts';
import { headAt, messageAt, numberAt, reportAt } from '../rows/row-frame.ts';
import type { MessageOrReport, MessageRow, ReportRow, RowsMeta } from '../rows/rows.ts';
import { partSeparator } from '../segment/packed-batch.ts';
import { VolumeFile } from '../segment/volume-file.ts';
import { earlierRows, messageColumnCount, reportColumnCount } from './earlier-recovery.ts';
import { removeVolume, rowsSourceOf } from './row-source.ts';

/**
 * Makes the journal of a damaged segment anew, of every row that can still be made out in its files. Rows keep their
 * ordinals and sequences, so what is lost leaves gaps. Gives the path of the new file, and what the segment holds from now
 * on. `nextSequence` comes after the reports of the segments before it. Of a file that says that it is another log's
 * nothing is taken.
 */
export function recoverRows(
  folder: Folder,
  segmentId: number,
  known: Holding | undefined,
  nextSequence: number,
): Recovered {
  const made = recoveredFrom(rowsSourceOf(folder, segmentId), folder, segmentId, known, nextSequence);
  // All of them are there, and they are not those that were answered: of another log, say.
  return made.fits ? made : recoveredFrom(undefined, folder, segmentId, known, nextSequence);
}

type Recovered = { readonly path: string; readonly holding: Holding };

function recoveredFrom(
  source: RowsSource | undefined,
  folder: Folder,
  segmentId: number,
  known: Holding | undefined,
  nextSequence: number,
): Recovered & { readonly fits: boolean } {
  const path = `${folder.journal(segmentId)}.mended`;
  const createdAt = known?.createdAt ?? Date.now();
  const first = known?.firstSequence ?? (source && firstSequenceIn(folder, source, known)) ?? nextSequence;
  const found = new FoundRows(known?.messages ?? 0);
  const rows = source === undefined ? [] : found.taken(rowsOf(folder, source, found, known), first);
  const { hashSeed } = folder;
  const which = { segment: segmentId, firstSequence: first, createdAt, ...(hashSeed !== undefined && { hashSeed }) };
  writeJournal(folder.disk, path, which, rows);
  const holding = found.holding(segmentId, createdAt, first, known);
  return { path, holding, fits: holding.lostMessages > 0 || found.covers(known) };
}

/** The sequence of the first report that is left. */
function firstSequenceIn(folder: Folder, source: RowsSource, known: Holding | undefined): number | undefined {
  let least: number | undefined;
  for (const row of rowsOf(folder, source, new FoundRows(0), known))
    if ('report' in row) least = Math.min(least ?? Infinity, row.report.sequence);
  return least;
}

/** What can be made out in the files of a segment; a row may come again, as it is or as it was: the first one counts. */
function* rowsOf(
  { disk, hashSeed }: Folder,
  source: RowsSource,
  found: FoundRows,
  known: Holding | undefined,
): Generator<MessageOrReport> {
  yield* journalRows(disk, source.journal, known, hashSeed);
  yield* earlierRows(disk, source, (rowid, columns) => found.has(rowid, columns));
  yield* volumeRows(disk, source.volume, hashSeed);
}

/** Of a group that is not whole only what was answered counts: the rest was never durable, and may have been said again. */
function* journalRows(
  disk: Disk,
  path: string,
  known: Holding | undefined,
  hashSeed: number | undefined,
): Generator<MessageOrReport> {
  if (!disk.exists(path)) return;
  const { messages = Infinity, reports = Infinity, firstSequence = 0 } = known ?? {};
  const file = disk.open(path, 'read');
  try {
    const size = disk.size(path) ?? 0;
    if (isOthers(metaIn(disk, file, size), hashSeed)) return;
    for (const { room, at, isOfWholeGroup } of soundFrames(disk, file, size)) {
      const isMessage = headAt(room, at)?.kind === 'message';
      const answered = isMessage ? messages : firstSequence + reports;
      if (!isOfWholeGroup && numberAt(room, at) >= answered) continue;
      yield isMessage ? { message: messageAt(room, at) } : { report: reportAt(room, at) };
    }
  } finally {
    disk.close(file);
  }
}

/** Whether rows say that they are of another log than this. */
function isOthers(meta: RowsMeta | undefined, hashSeed: number | undefined): boolean {
  return hashSeed !== undefined && meta?.hashSeed !== undefined && meta.hashSeed !== hashSeed;
}

/** Of a volume, if there is one: what its damage left. */
function* volumeRows(disk: Disk, path: string, hashSeed: number | undefined): Generator<MessageOrReport> {
  if (!disk.exists(path)) return;
  let volume: VolumeFile;
  try {
    volume = new VolumeFile(path, disk);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return;
  }
  try {
    if (!isOthers(volume.meta(), hashSeed)) yield* volume.sound();
  } finally {
    volume.close();
  }
}

/**
 * Gives what is read of the rows file of a segment, which is put back first where its volume stands in its place: for
 * whoever makes its index anew. The volume goes once the rows were read whole. Throws `DamagedRow` where a row of it is
 * missing, as `read` may: then the volume stays.
 */
export function restoreRows<T>(folder: Folder, segmentId: number, known: Holding | undefined, read: () => T): T {
  const [rows, volume] = [folder.rows(segmentId), folder.volume(segmentId)];
  if (!folder.disk.exists(volume)) return read();
  if (!folder.disk.exists(rows)) {
    folder.mending(segmentId, () => {
      const { path, holding } = recoverRows(folder, segmentId, known, known?.firstSequence ?? 1);
      const { lostMessages = 0, lostReports = 0 } = known ?? {};
      if (holding.lostMessages > lostMessages || holding.lostReports > lostReports)
        throw new DamagedRow('the volume (rows of it are missing)');
      folder.disk.rename(path, rows);
      folder.sync();
    });
  }
  const result = read();
  removeVolume(folder, segmentId);
  folder.sync();
  return result;
}

/** What was found so far, and the extents of it. */
class FoundRows {
  readonly #ordinals = new Set<number>();
  readonly #sequences = new Set<number>();
  /** A message that was sent again after a write that failed stands in the log's pages twice. */
  readonly #ids = new Set<string>();
  /** Before this ordinal all were answered. */
  readonly #answered: number;
  #sent: readonly [from: number, until: number] = [Infinity, -Infinity];
  #reportedUntil = -Infinity;

  constructor(answered: number) {
    this.#answered = answered;
  }

  /** Whether a row with this number and so many columns need not be looked at. */
  has(number: number, columns: number): boolean {
    if (columns === messageColumnCount) return this.#ordinals.has(number);
    return columns !== reportColumnCount || this.#sequences.has(number);
  }

  /** Those that are taken: each once, and none that is an earlier segment's. */
  *taken(rows: Iterable<MessageOrReport>, firstSequence: number): Generator<MessageOrReport> {
    for (const row of rows) {
      const isTaken =
        'message' in row
          ? this.#takes(row.message)
          : row.report.sequence >= firstSequence && this.#takesReport(row.report);
      if (isTaken) yield row;
    }
  }

  /** Whether these can be all that the segment holds. */
  covers(known: Holding | undefined): boolean {
    return covers(this.#sent, known);
  }

  holding(id: number, createdAt: number, firstSequence: number, known: Holding | undefined): Holding {
    const messages = Math.max(known?.messages ?? 0, ...endOf(this.#ordinals));
    const reports = Math.max(known?.reports ?? 0, ...endOf(this.#sequences).map(end => end - firstSequence));
    return {
      id,
      firstSequence,
      messages,
      reports,
      sentFrom: Math.min(this.#sent[0], known?.sentFrom ?? Infinity),
      sentUntil: Math.max(this.#sent[1], known?.sentUntil ?? -Infinity),
      reportedUntil: Math.max(this.#reportedUntil, known?.reportedUntil ?? -Infinity),
      createdAt,
      lostMessages: messages - this.#ordinals.size,
      lostReports: reports - this.#sequences.size,
    };
  }

  #takes(row: MessageRow): boolean {
    const id = idOf(row);
    if (this.#ordinals.has(row.ordinal) || (row.ordinal >= this.#answered && this.#ids.has(id))) return false;
    this.#ordinals.add(row.ordinal);
    this.#ids.add(id);
    this.#sent = [Math.min(this.#sent[0], row.sentAt), Math.max(this.#sent[1], row.sentAt)];
    return true;
  }

  #takesReport(row: ReportRow): boolean {
    if (this.#sequences.has(row.sequence)) return false;
    this.#sequences.add(row.sequence);
    this.#reportedUntil = Math.max(this.#reportedUntil, row.sentAt);
    return true;
  }
}

/** What tells a message from all others: its account and its `messageId`. */
export function idOf(row: MessageRow): string {
  return `${row.account} ${row.body.slice(0, row.body.indexOf(partSeparator))}`;
}

/** The number after the greatest; nothing of none. */
function endOf(numbers: ReadonlySet<number>): readonly number[] {
  return numbers.size === 0 ? [] : [numbers.values().reduce((greatest, number) => Math.max(greatest, number)) + 1];
}
