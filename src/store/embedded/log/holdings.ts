import { DamagedIndex } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { Holding } from '../files/ledger.ts';
import { IndexFile } from '../segment/index-file.ts';
import {
  lossesIn,
  maxSentAt,
  messagesIn,
  minSentAt,
  reportedUntil,
  reportsIn,
  type SharedSegment,
} from '../segment/shared-segment.ts';
import { indexFlaw } from './check-rows.ts';

/** What an older version says of a segment: its index. */
export function indexedHolding(folder: Folder, id: number): Holding | undefined {
  if (!folder.disk.exists(folder.index(id))) return undefined;
  try {
    const index = new IndexFile(folder.index(id), folder.disk);
    index.close();
    // One of another segment, or another log, tells nothing of this one.
    if (indexFlaw(index.header, id, folder.hashSeed) !== undefined) return undefined;
    const { firstSequence, messages, reports, minSentAt, maxSentAt, reportedUntil } = index.header;
    const [sentFrom, sentUntil] = messages === 0 ? [Infinity, -Infinity] : [minSentAt, maxSentAt];
    const none = { lostMessages: 0, lostReports: 0, createdAt: 0 };
    return {
      id,
      firstSequence,
      messages,
      reports,
      sentFrom,
      sentUntil,
      ...none,
      reportedUntil: reportedUntil ?? -Infinity,
    };
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return undefined;
  }
}

export function holdingOf(shared: SharedSegment, createdAt: number): Holding {
  return {
    id: shared.id,
    firstSequence: shared.firstSequence,
    messages: messagesIn(shared),
    reports: reportsIn(shared),
    sentFrom: minSentAt(shared),
    sentUntil: maxSentAt(shared),
    reportedUntil: reportedUntil(shared),
    createdAt,
    ...lossesIn(shared),
  };
}

export function holdsAll(known: Holding | undefined, shared: SharedSegment): boolean {
  if (known === undefined || known.messages < messagesIn(shared) || known.reports < reportsIn(shared)) return false;
  return holdsLosses(known, shared);
}

export function holdsLosses(known: Holding | undefined, shared: SharedSegment): boolean {
  const { lostMessages, lostReports } = lossesIn(shared);
  return (known?.lostMessages ?? 0) >= lostMessages && (known?.lostReports ?? 0) >= lostReports;
}
