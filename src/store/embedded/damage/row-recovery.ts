import { DamagedRow, isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import type { Folder, RowsSource } from '../files/folder.ts';
import { covers, type Holding } from '../files/ledger.ts';
import { partSeparator } from '../segment/packed-batch.ts';
import { type MessageRow, messageFits, type ReportRow, reportFits } from '../segment/rows.ts';
import { createRowsFile, messageColumnCount, RowsFile, reportColumnCount } from '../segment/rows-file.ts';
import { VolumeFile } from '../segment/volume-file.ts';
import { RecoveredPages, type RecoveredRow, type RecoveredValue } from './page-recovery.ts';
import { removeVolume, rowsSourceOf } from './row-source.ts';

/** Rows of one transaction: what is not committed stands in memory. */
const rowsAtATime = 20_000;

/**
 * Makes the rows file of a damaged segment anew, of every row that can still be made out in its files, whatever SQLite thinks of them. Rows keep their ordinals and sequences, so what is lost leaves gaps. Gives the
 * path of the new file, which has no write-ahead log, and what the segment holds from now on. `nextSequence` comes after
 * the reports of the segments before it.
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
  const path = `${folder.rows(segmentId)}.mended`;
  const found = new FoundRows(known?.messages ?? 0);
  for (const suffix of ['', '-wal', '-shm']) folder.disk.remove(path + suffix);
  const createdAt = known?.createdAt ?? Date.now();
  createRowsFile(folder.disk, path, segmentId, known?.firstSequence ?? nextSequence, createdAt);
  const file = new RowsFile(path, { mode: 'write', durability: 'full' });
  try {
    if (source !== undefined) {
      found.copy(pageRows(folder.disk, source, found), file);
      found.copy(volumeRows(folder.disk, source.volume), file);
    }
    const holding = found.holding(segmentId, createdAt, known, nextSequence);
    file.setFirstSequence(holding.firstSequence);
    file.checkpoint();
    return { path, holding, fits: holding.lostMessages > 0 || found.covers(known) };
  } finally {
    file.close();
  }
}

type SoundRow = { readonly message?: MessageRow | undefined; readonly report?: ReportRow | undefined };

/** The sound rows in the pages of a rows file and its write-ahead log that were not found yet. */
function* pageRows(disk: Disk, source: RowsSource, found: FoundRows): Generator<SoundRow> {
  const pages = new RecoveredPages(disk, source);
  try {
    for (const row of pages.rows((rowid, columns) => found.has(rowid, columns)))
      yield { message: messageIn(row), report: reportIn(row) };
  } finally {
    pages.close();
  }
}

/** Of a volume, if there is one: what its damage left. */
function* volumeRows(disk: Disk, path: string): Generator<SoundRow> {
  if (!disk.exists(path)) return;
  let volume: VolumeFile;
  try {
    volume = new VolumeFile(path, disk);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return;
  }
  try {
    yield* volume.sound();
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
    const { path, holding } = recoverRows(folder, segmentId, known, known?.firstSequence ?? 1);
    const { lostMessages = 0, lostReports = 0 } = known ?? {};
    if (holding.lostMessages > lostMessages || holding.lostReports > lostReports)
      throw new DamagedRow('the volume (rows of it are missing)');
    folder.disk.rename(path, rows);
    folder.sync();
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

  copy(rows: Iterable<SoundRow>, into: RowsFile): void {
    let open = 0;
    const keep = (insert: () => void) => {
      if (open++ === 0) into.begin();
      insert();
      if (open < rowsAtATime) return;
      into.commit();
      open = 0;
    };
    for (const { message, report } of rows) {
      if (message !== undefined && this.#takes(message)) keep(() => into.insertMessage(message));
      if (report !== undefined && this.#takesReport(report)) keep(() => into.insertReport(report));
    }
    if (open > 0) into.commit();
  }

  /** Whether these can be all that the segment holds. */
  covers(known: Holding | undefined): boolean {
    return covers(this.#sent, known);
  }

  holding(id: number, createdAt: number, known: Holding | undefined, nextSequence: number): Holding {
    const [ordinals, sequences] = [spanOf(this.#ordinals), spanOf(this.#sequences)];
    const firstSequence = known?.firstSequence ?? sequences?.least ?? nextSequence;
    const messages = Math.max(known?.messages ?? 0, ordinals === undefined ? 0 : ordinals.greatest + 1);
    const end = sequences === undefined ? firstSequence : sequences.greatest + 1;
    const reports = Math.max(known?.reports ?? 0, end - firstSequence);
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
    if (this.#ordinals.has(row[0]) || (row[0] >= this.#answered && this.#ids.has(id))) return false;
    this.#ordinals.add(row[0]);
    this.#ids.add(id);
    this.#sent = [Math.min(this.#sent[0], row[2]), Math.max(this.#sent[1], row[2])];
    return true;
  }

  #takesReport(row: ReportRow): boolean {
    if (this.#sequences.has(row[0])) return false;
    this.#sequences.add(row[0]);
    this.#reportedUntil = Math.max(this.#reportedUntil, row[14]);
    return true;
  }
}

/** What tells a message from all others: its account and its `messageId`. */
export function idOf(row: MessageRow): string {
  return `${row[1]} ${row[13].slice(0, row[13].indexOf(partSeparator))}`;
}

function spanOf(numbers: ReadonlySet<number>): { readonly least: number; readonly greatest: number } | undefined {
  if (numbers.size === 0) return undefined;
  let [least, greatest] = [Infinity, -Infinity];
  for (const number of numbers) [least, greatest] = [Math.min(least, number), Math.max(greatest, number)];
  return { least, greatest };
}

/** The message in a recovered row, if it is a sound one. */
function messageIn({ rowid, values }: RecoveredRow): MessageRow | undefined {
  if (values.length !== messageColumnCount) return undefined;
  const { row, sum } = parted(rowid, values, sumAt.message);
  return isMessageRow(row) && messageFits(row, sum) ? row : undefined;
}

function reportIn({ rowid, values }: RecoveredRow): ReportRow | undefined {
  if (values.length !== reportColumnCount) return undefined;
  const { row, sum } = parted(rowid, values, sumAt.report);
  return isReportRow(row) && reportFits(row, sum) ? row : undefined;
}

/** Where the checksum stands among the columns of a table. */
const sumAt = { message: 13, report: 10 };

function parted(rowid: number, values: readonly RecoveredValue[], at: number) {
  return { row: [rowid, ...values.slice(1, at), ...values.slice(at + 1)], sum: Number(values[at]) };
}

/** The kinds of the columns: a number or a text, and in capitals where there may be none. */
const messageShape = 'nnnnnnnNNNTnTt';
const reportShape = 'nnnnnNNNTTnntnnnT';

function isMessageRow(row: readonly RecoveredValue[]): row is MessageRow {
  return hasShape(row, messageShape);
}

function isReportRow(row: readonly RecoveredValue[]): row is ReportRow {
  return hasShape(row, reportShape);
}

function hasShape(row: readonly RecoveredValue[], shape: string): boolean {
  return row.every((value, i) => {
    const kind = shape[i] ?? '';
    if (value === null) return kind === kind.toUpperCase();
    return typeof value === (kind.toLowerCase() === 'n' ? 'number' : 'string');
  });
}
