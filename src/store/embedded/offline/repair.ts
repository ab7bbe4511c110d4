import { minuteMs, minuteOf } from '../../../domain/summary.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import { idOf, recoverRows } from '../damage/row-recovery.ts';
import { isDamage } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import { Folder } from '../files/folder.ts';
import { FolderLock } from '../files/folder-lock.ts';
import { type Holding, Ledger } from '../files/ledger.ts';
import { LogFile } from '../log/log-file.ts';
import { writeJournal } from '../rows/journal-writer.ts';
import { type MessageOrReport, messagesIn, type Rows, reportBatches } from '../rows/rows.ts';
import { openRowsAt } from '../segment/open-rows.ts';
import { noAccount } from '../segment/shared-segment.ts';
import { openRows } from './folder-log.ts';

/** What came of a segment that had been set aside. */
export type Repaired = {
  readonly name: string;
  /** Back in the log. */
  readonly messages: number;
  readonly reports: number;
  /** Left out, since they were recorded again meanwhile. */
  readonly again: number;
  readonly lostMessages: number;
  readonly lostReports: number;
};

const rowsAtATime = 500;

/**
 * Puts the segments that a server set aside whole back into the log of a folder that no server runs on: every row that
 * can be made out, in journals: older programs refuse the log from then on. Their files stay in `damaged/`. Throws
 * `FolderInUse`.
 */
export function repair(dataDir: string): readonly Repaired[] {
  const lock = new FolderLock(dataDir);
  try {
    const folder = new Folder(dataDir);
    const ledger = new Ledger(dataDir);
    try {
      const ids = folder.setAsideIds();
      if (ids.length === 0) return [];
      const log = new LogFile(dataDir);
      log.refuseOlder();
      const repaired = ids.map(id => folder.mending(id, () => repairSegment(folder, ledger, id)));
      // What the counts of segments add up to lacked these, and reports on their messages counted for nothing.
      const soundFrom = minuteOf(Date.now() + limits.futureSkewMs) + minuteMs;
      log.trusting(log.trust.broken(soundFrom), folder.setAsideNames());
      return repaired;
    } finally {
      ledger.close();
    }
  } finally {
    lock.release();
  }
}

function repairSegment(folder: Folder, ledger: Ledger, id: number): Repaired {
  const known = ledger.get(id);
  const before = ledger.all().filter(other => other.id < id);
  const nextSequence = firstSequenceIn(folder, id) ?? Math.max(1, ...before.map(endOf));
  const { path, holding } = recoverRows(folder, id, known, nextSequence);
  const repeated = repeatedIn(folder, id, path);
  const again = repeated.size;
  if (again > 0) disown(folder.disk, path, repeated);
  ledger.set(holding);
  folder.replace(id, { rows: path });
  const { lostMessages, lostReports } = holding;
  const messages = holding.messages - lostMessages - again;
  return {
    name: folder.nameOf(id),
    messages,
    reports: holding.reports - lostReports,
    again,
    lostMessages,
    lostReports,
  };
}

const endOf = ({ firstSequence, reports }: Holding) => firstSequence + reports;

/** As the damaged file itself says, if it can. */
function firstSequenceIn(folder: Folder, id: number): number | undefined {
  const { journal, rows: earlier, volume } = folder.sourceOf(id);
  let rows: Rows | undefined;
  try {
    rows = openRowsAt(folder.disk, [journal, earlier].find(path => folder.disk.exists(path)) ?? volume);
    return rows.meta().firstSequence;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  } finally {
    rows?.close();
  }
}

/** The ordinals of messages in a journal that were recorded again since, and so are there already. */
function repeatedIn(folder: Folder, id: number, path: string): ReadonlySet<number> {
  const file = openRowsAt(folder.disk, path);
  try {
    const repeated = new Set<number>();
    const ordinals = new Map<string, number>();
    for (const row of messagesIn(file, rowsAtATime)) ordinals.set(idOf(row), row.ordinal);
    for (const other of folder.segmentIds()) {
      if (other === id || !folder.hasRows(other)) continue;
      const rows = openRows(folder, other);
      try {
        for (const row of messagesIn(rows, rowsAtATime)) {
          const ordinal = ordinals.get(idOf(row));
          if (ordinal === undefined) continue;
          repeated.add(ordinal);
          ordinals.delete(idOf(row));
        }
      } catch (cause) {
        if (!isDamage(cause)) throw cause;
        const remedy = 'a server that is started on the folder makes it anew; repair then';
        throw new StoreUnusable(`${folder.nameOf(other)} is damaged too: ${remedy}`, { cause });
      } finally {
        rows.close();
      }
    }
    return repeated;
  } finally {
    file.close();
  }
}

/** Makes some messages of a journal nobody's. */
function disown(disk: Disk, path: string, ordinals: ReadonlySet<number>): void {
  const [from, made] = [openRowsAt(disk, path), `${path}.disowned`];
  try {
    writeJournal(disk, made, from.meta(), withoutOwners(from, ordinals));
  } finally {
    from.close();
  }
  disk.rename(made, path);
}

function* withoutOwners(from: Rows, ordinals: ReadonlySet<number>): Generator<MessageOrReport> {
  for (const message of messagesIn(from, rowsAtATime)) {
    yield { message: ordinals.has(message.ordinal) ? { ...message, account: noAccount } : message };
  }
  const { firstSequence } = from.meta();
  for (const batch of reportBatches(from, firstSequence, rowsAtATime)) for (const report of batch) yield { report };
}
