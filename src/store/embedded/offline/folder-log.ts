import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import type { WholeMessage, WholeReport } from '../../whole-message.ts';
import { DamagedIndex, DamagedRow, isDamage } from '../files/damage.ts';
import { atOnce, fileCrc, systemDisk } from '../files/disk.ts';
import { Folder } from '../files/folder.ts';
import { FolderLock } from '../files/folder-lock.ts';
import { type Holding, holdingsIn } from '../files/ledger.ts';
import { checkMeta } from '../log/check-rows.ts';
import { LogFile } from '../log/log-file.ts';
import { type MessageRow, messageBatches, type ReportRow, type Rows, reportBatches } from '../rows/rows.ts';
import { IndexFile, type IndexHeader } from '../segment/index-file.ts';
import { openRowsAt, openSealedRows } from '../segment/open-rows.ts';
import { ordinalOf, ordinalsMax, reportsMaxOf, segmentIdOf } from '../segment/position.ts';
import { identityOf, reportIn, stateIn } from '../segment/record-row.ts';
import { holderOf } from '../segment/report-chain.ts';
import { greaterLosses, type Losses } from '../segment/shared-segment.ts';
import { VolumeFile } from '../segment/volume-file.ts';

/** Files open at once: a message's reports are mostly in its own segment or in those soon after. */
const openFilesMax = 64;
const rowsAtATime = 500;

/** A segment that can be read, oldest first among its like. */
export type FolderSegment = {
  readonly id: number;
  readonly name: string;
  /** Those that are there. */
  readonly messages: number;
  /** How many of its rows are lost, as the ledger tells. */
  readonly lostMessages: number;
  readonly lostReports: number;
  /** `-Infinity` without messages. */
  readonly newestSentAt: EpochMs;
};

export type HeldMessage = WholeMessage & { readonly account: AccountId };

/** Messages that were recorded one after the other, without those past retention; `rows` counts these too. */
export type Stretch = { readonly messages: readonly HeldMessage[]; readonly rows: number };

type Inspected = FolderSegment & {
  readonly firstSequence: number;
  /** The position of each report's message, in the order of the reports. */
  readonly reportMessages: Float64Array;
};

/**
 * The log of a data folder that no server runs on, read in the order it was recorded in. Nothing in the folder is
 * changed, only its lock is held. Damaged segments are left out, and with them the reports they hold on the messages
 * of others, as a server leaves them out.
 */
export class FolderLog {
  readonly segments: readonly FolderSegment[];
  /** What cannot be read, and is in `segments/` still. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
  /** What servers set aside before. */
  readonly setAside: readonly string[];
  /** What holds for the whole log; `undefined` when it is not there. */
  readonly file: LogFile | undefined;
  readonly #folder: Folder;
  readonly #lock: FolderLock;
  readonly #inspected: readonly Inspected[];
  /** By segment, then by ordinal: the sequence of the newest report on the message, 0 when there is none. */
  readonly #newestReports = new Map<number, Float64Array>();
  readonly #files = new LRUCache<number, Rows>({ max: openFilesMax, dispose: file => file.close() });

  /** Verifies every segment. Throws `FolderInUse`, and `StoreUnusable` when there is no log to read. */
  constructor(dataDir: string) {
    if (!systemDisk.exists(join(dataDir, 'segments'))) throw new StoreUnusable(`there is no log in ${dataDir}`);
    this.#lock = new FolderLock(dataDir);
    try {
      this.#folder = new Folder(dataDir);
      this.file = systemDisk.exists(join(dataDir, 'log.json')) ? new LogFile(dataDir) : undefined;
      const damaged: { name: string; reason: string }[] = [];
      const holdings = holdingsIn(dataDir);
      const ids = [...new Set([...this.#folder.segmentIds(), ...holdings.keys()])].sort((a, b) => a - b);
      this.#inspected = ids.flatMap(id => {
        try {
          return inspect(this.#folder, id, holdings.get(id));
        } catch (error) {
          if (!isDamage(error)) throw error;
          damaged.push({ name: this.#folder.nameOf(id), reason: error instanceof Error ? error.message : '' });
          return [];
        }
      });
      this.damaged = damaged;
      this.setAside = this.#folder.setAsideNames();
      this.segments = this.#inspected;
      this.#placeReports();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  /** Throws `StoreUnusable` for damage that has come since the log was opened. */
  *stretches(segment: FolderSegment, sentSince: (account: AccountId) => EpochMs): Generator<Stretch> {
    let [messages, rows, chars]: [HeldMessage[], number, number] = [[], 0, 0];
    for (let ordinal = 0; ordinal < segment.messages + segment.lostMessages; ) {
      const batch = this.#read(segment.id, file => messagesFrom(file, ordinal, segment.lostMessages > 0));
      if (batch.length === 0) break;
      for (const row of batch) {
        ordinal = row.ordinal + 1;
        rows++;
        if (row.sentAt < sentSince(row.account)) continue;
        messages.push(this.#messageOf(segment.id, row));
        chars += row.body.length;
        if (messages.length < limits.copyStretchRecordsMax && chars < limits.copyStretchCharsMax) continue;
        yield { messages, rows };
        [messages, rows, chars] = [[], 0, 0];
      }
    }
    if (rows > 0) yield { messages, rows };
  }

  close(): void {
    this.#files.clear();
    this.#lock.release();
  }

  /** A later report is the newest of its message: sequences grow from segment to segment. */
  #placeReports(): void {
    for (const { id, messages, lostMessages } of this.#inspected)
      this.#newestReports.set(id, new Float64Array(messages + lostMessages));
    for (const { firstSequence, reportMessages } of this.#inspected)
      for (const [i, position] of reportMessages.entries()) {
        const newest = this.#newestReports.get(segmentIdOf(position));
        if (newest !== undefined) newest[ordinalOf(position)] = firstSequence + i;
      }
  }

  #messageOf(segmentId: number, row: MessageRow): HeldMessage {
    return {
      account: row.account,
      identity: identityOf(row),
      receivedAt: row.receivedAt,
      initial: stateIn(row),
      reports: this.#reports(this.#newestReports.get(segmentId)?.[row.ordinal] ?? 0),
    };
  }

  /** The reports on a message as far back as they can be read, from the sequence of its newest. */
  #reports(newest: number): readonly WholeReport[] {
    const chain: WholeReport[] = [];
    for (let sequence = newest; sequence !== 0; ) {
      const holder = this.#holderOf(sequence);
      if (holder === undefined) break;
      const read = this.#read(holder, file => {
        const row = file.report(sequence);
        return row === undefined ? undefined : { report: reportOf(row), previous: row.previous };
      });
      if (read === undefined) break;
      chain.push(read.report);
      sequence = read.previous;
    }
    return chain.reverse();
  }

  /** The segment that has this report, unless it is a damaged one: the last that does not begin after it. */
  #holderOf(sequence: number): number | undefined {
    return holderOf(this.#inspected, sequence)?.id;
  }

  #read<T>(segmentId: number, work: (file: Rows) => T): T {
    try {
      return work(this.#file(segmentId));
    } catch (cause) {
      if (!isDamage(cause)) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const name = this.#folder.nameOf(segmentId);
      throw new StoreUnusable(`${name} was damaged meanwhile (${reason}): start again to copy the rest`, { cause });
    }
  }

  #file(segmentId: number): Rows {
    let file = this.#files.get(segmentId);
    if (file === undefined) {
      file = openRows(this.#folder, segmentId);
      this.#files.set(segmentId, file);
    }
    return file;
  }
}

function messagesFrom(file: Rows, ordinal: number, mayLack: boolean): readonly MessageRow[] {
  const rows = file.messagesFrom(ordinal, rowsAtATime);
  if (rows[0]?.ordinal !== ordinal && !mayLack) throw new DamagedRow(`the rows file (message ${ordinal} is missing)`);
  return rows;
}

export function openRows(folder: Folder, id: number): Rows {
  if (folder.hasVolume(id)) return openSealedRows(folder, id);
  return openRowsAt(folder.disk, folder.rows(id));
}

function inspect(folder: Folder, id: number, known: Holding | undefined): Inspected {
  if (!folder.hasRows(id)) throw new DamagedRow('the rows file (it is missing)');
  return inspectSealed(folder, id, known) ?? inspectUnsealed(folder, id, known);
}

/** `undefined` without a sound index: the rows must then be read one by one. */
function inspectSealed(folder: Folder, id: number, known: Holding | undefined): Inspected | undefined {
  if (!systemDisk.exists(folder.index(id))) return undefined;
  let index: IndexFile | undefined;
  try {
    index = new IndexFile(folder.index(id));
    index.verify(['reportMessages']);
    const { segment: of, messages, maxSentAt, firstSequence, rowsBytes, rowsCrc } = index.header;
    if (of !== id) return undefined;
    const losses = greaterLosses(known, index.header);
    if (folder.hasVolume(id)) verifyVolume(folder, id, index.header);
    else if (systemDisk.size(folder.rows(id)) !== rowsBytes || fileCrc(systemDisk, folder.rows(id)) !== rowsCrc)
      throw new DamagedRow('the rows file');
    const newestSentAt = messages === 0 ? -Infinity : maxSentAt;
    const reportMessages = index.float64('reportMessages');
    const segment = { id, name: folder.nameOf(id), ...held(messages, losses), newestSentAt };
    return { ...segment, firstSequence, reportMessages };
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return undefined;
  } finally {
    index?.close();
  }
}

function verifyVolume(folder: Folder, id: number, header: IndexHeader): void {
  const volume = new VolumeFile(folder.volume(id));
  try {
    if (!volume.isOf(header)) throw new DamagedRow('the volume (it is of other rows)');
    atOnce(volume.verifySteps());
  } finally {
    volume.close();
  }
}

/** Of so many messages that a segment was given: those that are there, and what is lost. */
function held(
  given: number,
  { lostMessages, lostReports }: Losses,
): Pick<FolderSegment, 'messages' | 'lostMessages' | 'lostReports'> {
  return { messages: given - lostMessages, lostMessages, lostReports };
}

function inspectUnsealed(folder: Folder, id: number, known: Holding | undefined): Inspected {
  const file = openRows(folder, id);
  try {
    const meta = file.meta();
    checkMeta(meta, id, known);
    const { firstSequence } = meta;
    const messages = Math.max(file.count(), known?.messages ?? 0);
    const reports = Math.max(file.reportCount(firstSequence), known?.reports ?? 0);
    if (messages > ordinalsMax || reports > reportsMaxOf(ordinalsMax)) throw new DamagedRow('the rows file');
    let [newestSentAt, found] = [-Infinity, 0];
    for (const batch of messageBatches(file, rowsAtATime)) {
      for (const row of batch) newestSentAt = Math.max(newestSentAt, row.sentAt);
      found += batch.length;
    }
    if (found + (known?.lostMessages ?? 0) < messages)
      throw new DamagedRow(`the rows file (it has ${found} messages of ${messages})`);
    const reportMessages = new Float64Array(reports);
    let foundReports = 0;
    for (const batch of reportBatches(file, firstSequence, rowsAtATime)) {
      for (const row of batch) {
        reportOf(row);
        reportMessages[row.sequence - firstSequence] = row.message;
      }
      foundReports += batch.length;
    }
    if (foundReports + (known?.lostReports ?? 0) < reports)
      throw new DamagedRow(`the rows file (it has ${foundReports} reports of ${reports})`);
    const segment = { id, name: folder.nameOf(id), ...held(messages, greaterLosses(known, {})), newestSentAt };
    return { ...segment, firstSequence, reportMessages };
  } finally {
    file.close();
  }
}

function reportOf(row: ReportRow): WholeReport {
  try {
    return { said: reportIn(row), receivedAt: row.receivedAt, after: stateIn(row) };
  } catch (cause) {
    // The row's checksum leaves out what the report said.
    throw new DamagedRow(`report ${row.sequence} (${cause instanceof Error ? cause.message : cause})`);
  }
}
