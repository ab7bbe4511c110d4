import { crc32 } from 'node:zlib';
import { readWhole, writeWhole } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import type { LateState } from '../segment/late-states.ts';
import { isLive, lossesIn, messagesIn, reportsIn, type SharedSegment } from '../segment/shared-segment.ts';
import type { Era } from './log-file.ts';

/** What a segment was when states were noted: one that is another by now had other reports. */
type KeptSegment = {
  readonly id: number;
  readonly firstSequence: number;
  readonly messages: number;
  readonly reports: number;
  readonly lostMessages: number;
  readonly lostReports: number;
  /** Where its states stand in a file: which one, of which rows, and how many messages are in each group. */
  readonly filed?: { readonly until: number; readonly rowsCrc: number; readonly groupCounts: readonly number[] };
};

/**
 * `states`: which segments' states stand in files, and what those lack of the reports before `until`. A start that finds the
 * log to be what it was then goes on from there, and reads no report before that but those on segments in memory. One that
 * finds anything else takes nothing of it for true, and reads all.
 */
export type KeptStates = {
  readonly until: number;
  readonly eraId: number;
  readonly segments: ReadonlyMap<number, KeptSegment>;
  readonly late: readonly LateState[];
};

const magic = 0x544c_4253;
const version = 1;
const prefixBytes = 16;
const lateBytes = 17;

export function keptSegment(shared: SharedSegment, rowsCrc: (segmentId: number) => number): KeptSegment {
  const { id, firstSequence, state } = shared;
  const filed = isLive(state)
    ? undefined
    : { until: state.until, rowsCrc: rowsCrc(id), groupCounts: [...shared.groupCounts] };
  const held = { messages: messagesIn(shared), reports: reportsIn(shared), ...lossesIn(shared) };
  return { id, firstSequence, ...held, ...(filed && { filed }) };
}

/** Durable when it returns. */
export function writeKeptStates(folder: Folder, { until, eraId, segments, late }: KeptStates): void {
  const body = new DataView(new ArrayBuffer(late.length * lateBytes));
  for (const [i, { position, newest, group }] of late.entries()) {
    body.setFloat64(i * lateBytes, position, true);
    body.setFloat64(i * lateBytes + 8, newest, true);
    body.setUint8(i * lateBytes + 16, group);
  }
  const header = { until, eraId, segments: [...segments.values()], late: late.length, bodyCrc: crc32(bytesOf(body)) };
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(prefixBytes);
  for (const [at, number] of [magic, version, text.byteLength, crc32(text)].entries())
    prefix.writeUInt32LE(number, at * 4);
  writeWhole(folder.disk, folder.states, [prefix, text, bytesOf(body)]);
  folder.sync();
}

/**
 * `undefined` where there are none, or they are not what was written, or not of the history that `eras` tell, or there is no
 * room for so many late ones.
 */
export function readKeptStates(folder: Folder, eras: readonly Era[], lateMax: number): KeptStates | undefined {
  const kept = folder.disk.exists(folder.states) ? parsed(readWhole(folder.disk, folder.states)) : undefined;
  if (kept === undefined || kept.late.length > lateMax) return undefined;
  const era = eras.findIndex(({ id }) => id === kept.eraId);
  // Where a later era begins before it, the log has gone on otherwise.
  return era >= 0 && eras.slice(era + 1).every(({ sequence }) => sequence >= kept.until) ? kept : undefined;
}

function parsed(file: Buffer): KeptStates | undefined {
  if (file.byteLength < prefixBytes) return undefined;
  if (file.readUInt32LE(0) !== magic || file.readUInt32LE(4) !== version) return undefined;
  const text = file.subarray(prefixBytes, prefixBytes + file.readUInt32LE(8));
  const body = file.subarray(prefixBytes + file.readUInt32LE(8));
  if (crc32(text) !== file.readUInt32LE(12)) return undefined;
  const { until, eraId, segments, late: count, bodyCrc } = JSON.parse(text.toString('utf8'));
  if (body.byteLength !== count * lateBytes || crc32(body) !== bodyCrc) return undefined;
  const late: LateState[] = [];
  for (let at = 0; at < body.byteLength; at += lateBytes)
    late.push({ position: body.readDoubleLE(at), newest: body.readDoubleLE(at + 8), group: body.readUInt8(at + 16) });
  return { until, eraId, segments: new Map(segments.map((one: KeptSegment) => [one.id, one])), late };
}

/** Whether a segment that was found is what it was: for one whose states stand in a file, `rowsCrc` of its index. */
export function isAsKept(kept: KeptStates, shared: SharedSegment, rowsCrc: number | undefined): boolean {
  const was = kept.segments.get(shared.id);
  if (was === undefined) return shared.firstSequence >= kept.until && shared.id > lastId(kept);
  const { lostMessages, lostReports } = lossesIn(shared);
  return (
    was.firstSequence === shared.firstSequence &&
    was.lostMessages === lostMessages &&
    was.lostReports === lostReports &&
    was.messages <= messagesIn(shared) &&
    was.reports <= reportsIn(shared) &&
    (was.filed === undefined || (was.filed.rowsCrc === rowsCrc && was.messages === messagesIn(shared)))
  );
}

const lastId = ({ segments }: KeptStates) => Math.max(0, ...segments.keys());

const bytesOf = (view: DataView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
