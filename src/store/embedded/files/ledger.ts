import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { EpochMs } from '../../../domain/message.ts';
import { isOutage } from './damage.ts';
import { type Disk, readWhole, systemDisk, writeWhole } from './disk.ts';

/** What a segment holds, lost rows among it: what was answered once, and must be there. */
export type Holding = {
  readonly id: number;
  readonly firstSequence: number;
  readonly messages: number;
  readonly reports: number;
  /** The least and the greatest `sentAt` of its messages; infinite without. */
  readonly sentFrom: EpochMs;
  readonly sentUntil: EpochMs;
  /** The greatest `sentAt` of a message that one of its reports is on; `-Infinity` without. */
  readonly reportedUntil: EpochMs;
  readonly createdAt: EpochMs;
  /** Those of them that could not be brought back. */
  readonly lostMessages: number;
  readonly lostReports: number;
};

/** Of the reports that wait for their messages: how many do, and how many ever did; and how many were lost, which is told until then. */
export type WaitingHeld = {
  readonly reports: number;
  readonly taken: number;
  readonly lost: number;
  readonly lostUntil: EpochMs;
};

export const nothingWaits: WaitingHeld = { reports: 0, taken: 0, lost: 0, lostUntil: 0 };

/** Whether messages sent within a range can be all that a segment holds. */
export function covers([from, until]: readonly [EpochMs, EpochMs], known: Holding | undefined): boolean {
  return known === undefined || (from <= known.sentFrom && until >= known.sentUntil);
}

const fields = [
  'id',
  'firstSequence',
  'messages',
  'reports',
  'sentFrom',
  'sentUntil',
  'reportedUntil',
  'createdAt',
  'lostMessages',
  'lostReports',
] as const;

const slotBytes = 128;
const summedBytes = 8 * (fields.length + 1);
/** Behind the sum of the rest, with a sum of its own: which log it is of. Older versions wrote none. */
const logAt = summedBytes + 8;
const names = ['ledger', 'ledger.copy'];
const syncIntervalMs = 1000;
/**
 * In the place of a segment's id, where the slot is of the reports that wait. On disk a slot of none of the segments has
 * the id 0 of one that is free, and this as its first sequence: an older version takes every other id for a segment's, and
 * makes that segment anew. So did versions that wrote the id itself.
 */
const waitingId = -1;
/**
 * The same of the slot that says that there is a ledger, and nothing else. It is written once: a power cut may take both
 * copies of any other that was written over.
 */
const beginningId = -2;
const noRows = {
  firstSequence: 0,
  messages: 0,
  reports: 0,
  sentFrom: Infinity,
  sentUntil: -Infinity,
  reportedUntil: -Infinity,
  createdAt: 0,
  lostMessages: 0,
  lostReports: 0,
};

/** `hashSeed` is that of the log it is of, where it says so. */
type Slot = { readonly version: number; readonly holding: Holding; readonly hashSeed?: number };

/**
 * Of each segment, what it holds, in two small files that do not stand or fall with the segment's own. One slot each,
 * written over in place after each transaction: it takes no room on a full disk, and outlives the process at once. The
 * machine's crash it outlives as it was within the last second, which is less than was answered, never more.
 */
export class Ledger {
  /** There was none, or nothing of this log is in it: nothing tells what the segments that are there once held. */
  readonly isNew: boolean;
  readonly #dataDir: string;
  readonly #disk: Disk;
  readonly #hashSeed: number | undefined;
  readonly #files: OpenedCopy[];
  readonly #slots = new Map<number, number>();
  readonly #held = new Map<number, Holding>();
  readonly #free: number[] = [];
  #version = 0;
  #end = 0;
  #syncing: NodeJS.Timeout | undefined;

  /** With the seed of the log's hashes, what is of another log counts for nothing. */
  constructor(dataDir: string, disk: Disk = systemDisk, hashSeed?: number) {
    this.#disk = disk;
    this.#hashSeed = hashSeed;
    using opened = new DisposableStack();
    this.#files = names.map(name =>
      opened.adopt(openedCopy(disk, join(dataDir, name)), ({ file }) => disk.close(file)),
    );
    this.#dataDir = dataDir;
    disk.syncFolder(dataDir);
    // The newer ones last: of reports that wait there may be one of either form.
    const slots = [...slotsIn(disk, dataDir, hashSeed)].sort(([, a], [, b]) => a.version - b.version);
    this.isNew = slots.length === 0;
    for (const [place, { version, holding }] of slots) {
      this.#version = Math.max(this.#version, version);
      this.#end = Math.max(this.#end, place + 1);
      if (holding.id === 0) this.#free.push(place);
      else {
        this.#slots.set(holding.id, place);
        this.#held.set(holding.id, holding);
      }
    }
    opened.move();
  }

  get(segmentId: number): Holding | undefined {
    return this.#held.get(segmentId);
  }

  all(): readonly Holding[] {
    return [...this.#held.values()].filter(({ id }) => id > 0);
  }

  get waiting(): WaitingHeld {
    const held = this.#held.get(waitingId);
    if (held === undefined) return nothingWaits;
    return { reports: held.reports, taken: held.messages, lost: held.lostReports, lostUntil: held.reportedUntil };
  }

  /** As `tally`. */
  tallyWaiting({ reports, taken, lost, lostUntil }: WaitingHeld): void {
    this.tally({ ...noRows, id: waitingId, reports, messages: taken, lostReports: lost, reportedUntil: lostUntil });
  }

  /** When it returns, something stands in it that no power cut takes: from then on, it is lost where nothing does. */
  begin(): void {
    this.hold();
    const isWritten = this.#held.has(beginningId);
    if (!isWritten) this.#write({ ...noRows, id: beginningId });
    try {
      this.#sync();
    } catch (error) {
      // The system takes it for synced from now on: only what is written again will be.
      if (!isWritten) this.#held.delete(beginningId);
      throw error;
    }
  }

  /**
   * Before anything is written: a copy that was moved, removed, replaced or cut short meanwhile is made again, since what is
   * written to the one that is open would not be found by the next start. All that it holds is in memory.
   */
  hold(): void {
    const isWhole = ({ path, identity }: OpenedCopy) =>
      this.#disk.identity(path) === identity && (this.#disk.size(path) ?? 0) >= this.#end * slotBytes;
    for (const [at, copy] of this.#files.entries()) if (!isWhole(copy)) this.#files[at] = this.#madeAgain(copy);
  }

  /** Under another name first: what stands in its place may be the only one that is left of another log. */
  #madeAgain({ path, file }: OpenedCopy): OpenedCopy {
    const slots = Buffer.alloc(this.#end * slotBytes);
    for (const [id, place] of this.#slots) {
      const holding = this.#held.get(id);
      if (holding !== undefined) this.#slotOf(holding).copy(slots, place * slotBytes);
    }
    writeWhole(this.#disk, path, [slots]);
    this.#disk.syncFolder(this.#dataDir);
    const made = openedCopy(this.#disk, path);
    this.#disk.close(file);
    return made;
  }

  /** Outlives the process when it returns. */
  tally(holding: Holding): void {
    this.#write(holding);
    this.#syncing ??= setTimeout(() => {
      this.#syncing = undefined;
      // What comes of it shows at the next write: until then nothing depends on it.
      for (const { file } of this.#files) this.#disk.syncDataLater(file);
    }, syncIntervalMs).unref();
  }

  /** Outlives the machine when it returns. */
  set(holding: Holding): void {
    this.hold();
    this.#write(holding);
    this.#sync();
  }

  /** As `set`; on a full disk, which must not keep a log from being read, the next start does it. */
  setIfRoom(holding: Holding): void {
    try {
      this.set(holding);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  /** These segments are dropped: what they held need not be there any more. However many they are, it is one wait for the disk. */
  remove(segmentIds: readonly number[]): void {
    const removed = segmentIds.flatMap(id => {
      const [place, holding] = [this.#slots.get(id), this.#held.get(id)];
      return place === undefined || holding === undefined ? [] : [{ id, place, holding }];
    });
    if (removed.length === 0) return;
    this.hold();
    for (const { place, holding } of removed) this.#put(place, { ...holding, id: 0 });
    this.#sync();
    for (const { id, place } of removed) {
      this.#slots.delete(id);
      this.#held.delete(id);
      this.#free.push(place);
    }
  }

  close(): void {
    try {
      this.#sync();
    } finally {
      this.letGo();
    }
  }

  /** As `close`, of what the machine's crash need not outlive. */
  letGo(): void {
    clearTimeout(this.#syncing);
    for (const { file } of this.#files) this.#disk.close(file);
  }

  #sync(): void {
    for (const { file } of this.#files) this.#disk.syncData(file);
  }

  #write(holding: Holding): void {
    let place = this.#slots.get(holding.id);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#end++;
      this.#slots.set(holding.id, place);
    }
    this.#put(place, holding);
    this.#held.set(holding.id, holding);
  }

  #put(place: number, holding: Holding): void {
    const slot = this.#slotOf(holding);
    for (const { file } of this.#files) this.#disk.write(file, slot, place * slotBytes);
  }

  #slotOf(holding: Holding): Buffer {
    const slot = Buffer.alloc(slotBytes);
    slot.writeDoubleLE(++this.#version, 0);
    const { id } = holding;
    const written = id < 0 ? { ...holding, id: 0, firstSequence: id } : holding;
    for (const [i, field] of fields.entries()) slot.writeDoubleLE(written[field], 8 * (i + 1));
    slot.writeUInt32LE(crc32(slot.subarray(0, summedBytes)), summedBytes);
    if (this.#hashSeed !== undefined) {
      slot.writeDoubleLE(this.#hashSeed, logAt);
      slot.writeUInt32LE(crc32(slot.subarray(0, logAt + 8)), logAt + 8);
    }
    return slot;
  }
}

type OpenedCopy = { readonly path: string; readonly file: number; readonly identity: string | undefined };

function openedCopy(disk: Disk, path: string): OpenedCopy {
  const file = disk.open(path, 'update');
  return { path, file, identity: disk.identity(path) };
}

/** What the ledger of a data folder says, without holding or making it. */
export function holdingsIn(dataDir: string, disk = systemDisk): ReadonlyMap<number, Holding> {
  const holdings = [...slotsIn(disk, dataDir).values()].map(({ holding }) => holding);
  return new Map(holdings.filter(({ id }) => id > 0).map(holding => [holding.id, holding]));
}

/** Whether the ledger of a data folder holds nothing, not even what is free again: nothing was ever recorded, or it is lost. */
export function isLedgerEmpty(dataDir: string, disk = systemDisk): boolean {
  return slotsIn(disk, dataDir).size === 0;
}

/** The seed of the log that the ledger of a data folder is of, where it says so: as the newest slot does. */
export function seedInLedger(dataDir: string, disk = systemDisk): number | undefined {
  const slots = [...slotsIn(disk, dataDir).values()].sort((a, b) => b.version - a.version);
  return slots.find(({ hashSeed }) => hashSeed !== undefined)?.hashSeed;
}

/** Of each place, the newer of its two slots that are whole, and of this log. */
function slotsIn(disk: Disk, dataDir: string, hashSeed?: number): ReadonlyMap<number, Slot> {
  const slots = new Map<number, Slot>();
  for (const name of names) {
    const path = join(dataDir, name);
    const bytes = disk.exists(path) ? readWhole(disk, path) : Buffer.alloc(0);
    for (let place = 0; (place + 1) * slotBytes <= bytes.byteLength; place++) {
      const slot = slotIn(bytes.subarray(place * slotBytes, (place + 1) * slotBytes));
      const isForeign = hashSeed !== undefined && slot?.hashSeed !== undefined && slot.hashSeed !== hashSeed;
      if (slot === undefined || isForeign) continue;
      if (slot.version > (slots.get(place)?.version ?? 0)) slots.set(place, slot);
    }
  }
  return slots;
}

function slotIn(bytes: Buffer): Slot | undefined {
  if (crc32(bytes.subarray(0, summedBytes)) !== bytes.readUInt32LE(summedBytes)) return undefined;
  const value = (field: (typeof fields)[number]) => bytes.readDoubleLE(8 * (fields.indexOf(field) + 1));
  const namesLog = crc32(bytes.subarray(0, logAt + 8)) === bytes.readUInt32LE(logAt + 8);
  return {
    ...(namesLog && { hashSeed: bytes.readDoubleLE(logAt) }),
    version: bytes.readDoubleLE(0),
    holding: {
      id: value('id') === 0 ? Math.min(0, value('firstSequence')) : value('id'),
      firstSequence: value('firstSequence'),
      messages: value('messages'),
      reports: value('reports'),
      sentFrom: value('sentFrom'),
      sentUntil: value('sentUntil'),
      reportedUntil: value('reportedUntil'),
      createdAt: value('createdAt'),
      lostMessages: value('lostMessages'),
      lostReports: value('lostReports'),
    },
  };
}
