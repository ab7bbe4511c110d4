import { isUnread, unreadAdvice } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { OutcomeTally } from '../../outcomes.ts';
import { StoreUnusable } from '../../store.ts';
import { type Disk, systemDisk } from '../files/disk.ts';
import { Folder } from '../files/folder.ts';
import { Ledger } from '../files/ledger.ts';
import { Reserve } from '../files/reserve.ts';
import { type DamagedPart, loadLog } from '../log/load.ts';
import { LogFile } from '../log/log-file.ts';
import { isEarlier } from '../segment/open-rows.ts';
import { ordinalsMax } from '../segment/position.ts';
import type { ThreadData, WriterReply } from '../threads/messages.ts';
import { nextSize } from './segment-size.ts';
import { openWaitingFile } from './waiting-file.ts';
import { WaitingReports } from './waiting-reports.ts';
import { Writer } from './writer.ts';

/** A set-aside segment may have held newer reports than any that is left: their numbers must not come again. */
const sequenceGapAfterDamage = 2 ** 32;

/** The writer and the steps that are left until it can take records. */
export type OpenedWriter = {
  readonly writer: Writer;
  readonly reserve: Reserve;
  readonly waitingReports: WaitingReports;
  readonly outcomes: OutcomeTally;
  readonly joining: Generator<void>;
};

/**
 * Opens the log of a folder for writing, and tells what was found there. Throws `StoreUnusable`, and what the disk throws.
 */
export function openWriter(
  data: ThreadData,
  tell: (reply: WriterReply) => void,
  onDisk: Disk = systemDisk,
): OpenedWriter {
  try {
    return opened(data, tell, onDisk);
  } catch (cause) {
    // It may pass: nothing is taken for lost that the disk may give yet.
    throw isUnread(cause) ? new StoreUnusable(`${cause.message}: ${unreadAdvice}`, { cause }) : cause;
  }
}

function opened(data: ThreadData, tell: (reply: WriterReply) => void, onDisk: Disk): OpenedWriter {
  const folder = new Folder(data.dataDir, onDisk, data);
  const { disk } = folder;
  const logFile = new LogFile(data.dataDir, disk);
  using parts = new DisposableStack();
  const ledger = parts.adopt(new Ledger(data.dataDir, disk, data.hashSeed), one => one.letGo());
  // The youngest goes on taking what it was made for.
  const before = Math.min(folder.segmentIds().length, data.segmentsMax) - 1;
  const size = nextSize(data, before);
  if (ledger.isNew) logFile.missLedger(Date.now());
  const log = loadLog(folder, ledger, data.hashSeed, size.messagesMax, logFile);
  const last = Math.max(1, ...log.segments.map(segment => segment.nextSequence));
  // What the newest era counts from was there, also if nothing of it is left.
  const begun = logFile.eras.at(-1) ?? { id: 0, position: 0, sequence: 0 };
  const gap = logFile.isBeyond(folder.setAsideNames()) ? 0 : sequenceGapAfterDamage;
  const nextSequence = Math.max(last, begun.sequence) + gap;
  const nextSegmentId = Math.max(folder.nextSegmentId(), Math.ceil(begun.position / ordinalsMax));
  const waiting = openWaitingFile(data.dataDir, data, disk, ledger.waiting);
  parts.defer(() => waiting.file.close());
  const waitingReports = new WaitingReports(waiting, data.waiting, ledger);
  const outcomes = new OutcomeTally();
  const reserve = new Reserve(data.dataDir, disk);
  const writer = new Writer(
    { ...data, folder, log: logFile, ledger, reserve, waiting: waitingReports, outcomes, tell },
    nextSegmentId,
    nextSequence,
  );
  const youngest = log.segments.at(-1);
  // A segment that lacks rows is told from one that is whole by taking no more.
  const isWhole = youngest !== undefined && !log.damaged.some(({ name }) => name === folder.nameOf(youngest.shared.id));
  const mayGoOn = isWhole && youngest.unsealed !== undefined && !isEarlier(folder.rows(youngest.shared.id));
  const goesOn = mayGoOn && youngest.nextSequence === nextSequence;
  Atomics.store(data.era, 0, begun.id);
  tell({ type: 'eras', eras: logFile.eras });
  const segments = log.segments.map(({ shared, unsealed, isUnverified = unsealed === undefined }) => ({
    shared,
    columns: unsealed?.columns,
    isUnverified,
  }));
  const activeId = goesOn ? youngest.shared.id : undefined;
  const flaws = [waiting.damage, waitingReports.damage].filter(flaw => flaw !== undefined);
  const damaged = [
    ...log.damaged,
    ...(flaws.length > 0 ? [{ name: 'waiting.db', reason: flaws.join('; ') }] : []),
    ...lostLedger(logFile),
  ];
  tell({ type: 'loaded', log: { segments, damaged, recovered: log.recovered, rebuilt: log.rebuilt }, activeId });
  const joining = writer.adopt(log, goesOn);
  // From here on the writer closes them.
  parts.move();
  return { writer, reserve, waitingReports, outcomes, joining };
}

/** Whatever was missing with it is not known: the log may lack any of what was sent until then. */
function lostLedger({ ledgerLostAt }: LogFile): readonly DamagedPart[] {
  if (ledgerLostAt === undefined) return [];
  const reason =
    'the ledger and its copy were missing: segments that were missing too are not known, nor reports that waited';
  return [{ name: 'ledger', reason, lostBefore: ledgerLostAt + limits.futureSkewMs }];
}
