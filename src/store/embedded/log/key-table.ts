import { totalmem } from 'node:os';
import { limits } from '../../../limits.ts';
import { ordinalsMax } from '../segment/position.ts';

/** Slot numbers stand for segments in the table's 12 bits of room; 0 marks an empty entry, the last a removed one. */
const slotsMax = limits.segmentsHeldMax;
const removedSlot = 4095;
const removed = removedSlot * ordinalsMax;

/** Each is a reservation of address space, of which a process may have some ten thousand. */
const shardCount = 64;
const shardBits = 26;
const shardEntriesMin = 64;
/** By shard: the hash that is too great for it. */
export const shardEnds: readonly number[] = Array.from(
  { length: shardCount },
  (_, index) => (index + 1) * 2 ** shardBits,
);
/** Fuller, and a look-up of an unknown id walks ever longer runs; emptier, and memory is spent on nothing. */
const loadMax = 0.75;
const growth = 1.3;
/** Shards fill unevenly by chance. */
const slack = 1.05;

/**
 * The table's memory: the writer alone changes it, and readers look keys up in it meanwhile. A shard grows where it is,
 * so that nobody holds an old one.
 */
export type KeyMemory = {
  /** By shard, pairs: the key's hash, and slot × 2^20 + ordinal. Side by side, so that a look-up touches one cache line. */
  readonly shards: readonly SharedArrayBuffer[];
  /** By shard: how many pairs it has room for. */
  readonly capacities: Int32Array;
  /** By shard: odd while its entries move. */
  readonly versions: Int32Array;
  /** By slot: the id of the live segment in it, or 0. */
  readonly segmentIds: Float64Array;
  /** 1 once every message of the log is in it. */
  readonly complete: Int32Array;
};

export function newKeyMemory(): KeyMemory {
  // Only reserved: no table is larger than the machine's memory.
  const maxByteLength = Math.ceil(totalmem() / shardCount / 65_536) * 65_536;
  const numbers = (count: number) => new Int32Array(new SharedArrayBuffer(count * 4));
  return {
    shards: Array.from({ length: shardCount }, () => new SharedArrayBuffer(shardEntriesMin * 8, { maxByteLength })),
    capacities: numbers(shardCount).fill(shardEntriesMin),
    versions: numbers(shardCount),
    segmentIds: new Float64Array(new SharedArrayBuffer((slotsMax + 1) * 8)),
    complete: numbers(1),
  };
}

/**
 * Which message might have a given key, over all segments: the answer to "is this `messageId` known?" without asking
 * any file. A hash may stand for several messages; the caller reads the row to be sure.
 *
 * Sharded by the upper hash bits, so that growing moves some thousand entries at a time and never stalls recording.
 */
export class KeyTable {
  readonly #memory: KeyMemory;
  /** By shard, as long as its capacity: an array that follows its memory's length is slower. */
  readonly #shards: Uint32Array[];
  /** By shard: entries that are not empty. */
  readonly #used = new Float64Array(shardCount);
  readonly #slots = new Map<number, number>();
  #nextSlot = 1;

  constructor(memory = newKeyMemory()) {
    this.#memory = memory;
    this.#shards = memory.shards.map(
      (buffer, index) => new Uint32Array(buffer, 0, (memory.capacities[index] ?? 0) * 2),
    );
  }

  /** Makes room for so many keys at once: growing step by step leaves memory in pieces that nobody can use. */
  reserve(keys: number): void {
    for (let index = 0; index < shardCount; index++) this.#rebuild(index, keys / shardCount);
  }

  /** Opens room for a segment's keys. Throws a `RangeError` when more than 4,094 segments are live. */
  addSegment(segmentId: number): void {
    if (this.#nextSlot > slotsMax) this.#reclaimSlots();
    this.#slots.set(segmentId, this.#nextSlot);
    this.#memory.segmentIds[this.#nextSlot] = segmentId;
    this.#nextSlot++;
  }

  /** Forgets a segment's keys at once; their room is reclaimed as shards are rebuilt. */
  dropSegment(segmentId: number): void {
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) return;
    this.#slots.delete(segmentId);
    this.#memory.segmentIds[slot] = 0;
  }

  insert(hash: number, segmentId: number, ordinal: number): void {
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) throw new RangeError(`segment ${segmentId} has no room in the key table`);
    const index = hash >>> shardBits;
    if ((this.#used[index] ?? 0) >= (this.#shard(index).length / 2) * loadMax) this.#rebuild(index);
    this.#place(index, hash, slot * ordinalsMax + ordinal);
  }

  /** Every message of the log is in the table: from now on readers may ask it. */
  complete(): void {
    Atomics.store(this.#memory.complete, 0, 1);
  }

  /** Takes back an insert whose transaction failed. */
  remove(hash: number, segmentId: number, ordinal: number): void {
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) return;
    const entries = this.#shard(hash >>> shardBits);
    for (let i = home(hash, entries.length); entries[i + 1] !== 0; i = following(i, entries.length))
      if (entries[i] === hash && entries[i + 1] === slot * ordinalsMax + ordinal) {
        entries[i + 1] = removed;
        return;
      }
  }

  /** Calls `visit` for each message that might have the key, until it returns `true`. */
  find(hash: number, visit: (segmentId: number, ordinal: number) => boolean): boolean {
    const entries = this.#shard(hash >>> shardBits);
    for (let i = home(hash, entries.length); ; i = following(i, entries.length)) {
      const location = entries[i + 1];
      if (location === undefined || location === 0) return false;
      if (entries[i] !== hash) continue;
      const segmentId = segmentIn(this.#memory, location);
      if (segmentId !== 0 && visit(segmentId, location % ordinalsMax)) return true;
    }
  }

  #shard(index: number): Uint32Array {
    const entries = this.#shards[index];
    if (entries === undefined) throw new RangeError(`no shard ${index}`);
    return entries;
  }

  #place(index: number, hash: number, location: number): void {
    const entries = this.#shard(index);
    let i = home(hash, entries.length);
    while (entries[i + 1] !== 0) i = following(i, entries.length);
    entries[i] = hash;
    entries[i + 1] = location;
    this.#used[index] = (this.#used[index] ?? 0) + 1;
  }

  /** Makes the shard anew without the dropped segments' keys, larger only if the live ones need it. */
  #rebuild(index: number, keys = 0): void {
    const entries = this.#shard(index);
    const held = new Uint32Array(entries.length);
    let count = 0;
    for (let i = 0; i < entries.length; i += 2) {
      const [hash, location] = [entries[i] ?? 0, entries[i + 1] ?? 0];
      if (location === 0 || location >= removed || segmentIn(this.#memory, location) === 0) continue;
      held[count++] = hash;
      held[count++] = location;
    }
    const needed = Math.ceil(Math.max((count / 2) * growth, keys * slack) / loadMax);
    const capacity = Math.max(entries.length / 2, needed);
    this.#grow(index, capacity);
    Atomics.add(this.#memory.versions, index, 1);
    // Atomic, as is what readers do: none of it may seem to come before the version that tells of it.
    for (let i = 1; i < entries.length; i += 2) Atomics.store(entries, i, 0);
    Atomics.store(this.#memory.capacities, index, capacity);
    this.#used[index] = 0;
    for (let i = 0; i < count; i += 2) this.#place(index, held[i] ?? 0, held[i + 1] ?? 0);
    Atomics.add(this.#memory.versions, index, 1);
  }

  #grow(index: number, capacity: number): void {
    const buffer = bufferOf(this.#memory, index);
    if (capacity * 8 > buffer.byteLength) buffer.grow(capacity * 8);
    this.#shards[index] = new Uint32Array(buffer, 0, capacity * 2);
  }

  /** Slots are used up after thousands of segments: renumber the live ones from 1. */
  #reclaimSlots(): void {
    if (this.#slots.size >= slotsMax)
      throw new RangeError(`more than ${slotsMax} segments: lengthen the segments' age`);
    for (let index = 0; index < shardCount; index++) this.#rebuild(index);
    const renumbered = new Uint32Array(slotsMax + 1);
    let next = 1;
    for (const [segmentId, slot] of [...this.#slots].sort((a, b) => a[0] - b[0])) {
      renumbered[slot] = next;
      this.#slots.set(segmentId, next);
      next++;
    }
    this.#nextSlot = next;
    for (let index = 0; index < shardCount; index++) Atomics.add(this.#memory.versions, index, 1);
    this.#memory.segmentIds.fill(0);
    for (const [segmentId, slot] of this.#slots) this.#memory.segmentIds[slot] = segmentId;
    for (let index = 0; index < shardCount; index++) {
      const entries = this.#shard(index);
      for (let i = 1; i < entries.length; i += 2) {
        const location = entries[i] ?? 0;
        const slot = renumbered[Math.floor(location / ordinalsMax)] ?? 0;
        if (location !== 0) Atomics.store(entries, i, slot * ordinalsMax + (location % ordinalsMax));
      }
      Atomics.add(this.#memory.versions, index, 1);
    }
  }
}

export type KeyPlace = { readonly segmentId: number; readonly ordinal: number };

/** Looks keys up beside the writer, on another thread. */
export class KeyReader {
  readonly #memory: KeyMemory;
  /** By shard; these grow as their memory does. */
  readonly #shards: readonly Uint32Array[];

  constructor(memory: KeyMemory) {
    this.#memory = memory;
    this.#shards = memory.shards.map(buffer => new Uint32Array(buffer));
  }

  /**
   * The messages that might have the key: all of them that were published before. `undefined` when that cannot be told
   * now, because the table is still being filled, or its entries are just moving.
   */
  find(hash: number): readonly KeyPlace[] | undefined {
    const memory = this.#memory;
    const index = hash >>> shardBits;
    const version = Atomics.load(memory.versions, index);
    if (Atomics.load(memory.complete, 0) === 0 || version % 2 !== 0) return undefined;
    const entries = this.#shards[index];
    if (entries === undefined) throw new RangeError(`no shard ${index}`);
    const size = Atomics.load(memory.capacities, index) * 2;
    const places: KeyPlace[] = [];
    for (let i = home(hash, size), steps = 0; steps < size; i = following(i, size), steps += 2) {
      const location = Atomics.load(entries, i + 1);
      if (location === 0) break;
      if (Atomics.load(entries, i) !== hash) continue;
      const segmentId = segmentIn(memory, location);
      if (segmentId !== 0) places.push({ segmentId, ordinal: location % ordinalsMax });
    }
    return Atomics.load(memory.versions, index) === version ? places : undefined;
  }
}

function bufferOf({ shards }: KeyMemory, index: number): SharedArrayBuffer {
  const buffer = shards[index];
  if (buffer === undefined) throw new RangeError(`no shard ${index}`);
  return buffer;
}

function segmentIn({ segmentIds }: KeyMemory, location: number): number {
  return segmentIds[Math.floor(location / ordinalsMax)] ?? 0;
}

function home(hash: number, size: number): number {
  return Math.floor(((hash & (2 ** shardBits - 1)) * (size / 2)) / 2 ** shardBits) * 2;
}

function following(i: number, size: number): number {
  return i + 2 === size ? 0 : i + 2;
}
