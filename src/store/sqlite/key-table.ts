import { ordinalsMax } from './position.ts';

/** Slot numbers stand for segments in the table's 12 bits of room; 0 marks an empty entry, the last a removed one. */
const slotsMax = 4094;
const removedSlot = 4095;
const removed = removedSlot * ordinalsMax;

const shardCount = 256;
const shardEntriesMin = 64;
/** Fuller, and a look-up of an unknown id walks ever longer runs; emptier, and memory is spent on nothing. */
const loadMax = 0.75;
const growth = 1.3;
/** Shards fill unevenly by chance. */
const slack = 1.05;

type Shard = {
  /** Pairs: the key's hash, and slot × 2^20 + ordinal. Side by side, so that a look-up touches one cache line. */
  entries: Uint32Array;
  used: number;
};

/**
 * Which message might have a given key, over all segments: the answer to "is this `messageId` known?" without asking
 * any file. A hash may stand for several messages; the caller reads the row to be sure.
 *
 * Sharded by the upper hash bits, so that growing moves a few thousand entries at a time and never stalls recording.
 */
export class KeyTable {
  readonly #shards: Shard[] = Array.from({ length: shardCount }, () => newShard(shardEntriesMin));
  /** By slot: the id of the live segment in it, or 0. */
  readonly #segmentIds = new Float64Array(slotsMax + 1);
  readonly #slots = new Map<number, number>();
  #nextSlot = 1;

  /** Makes room for so many keys at once: growing step by step leaves memory in pieces that nobody can use. */
  reserve(keys: number): void {
    for (let index = 0; index < shardCount; index++) this.#rebuild(index, keys / shardCount);
  }

  /** Opens room for a segment's keys. Throws a `RangeError` when more than 4,094 segments are live. */
  addSegment(segmentId: number): void {
    if (this.#nextSlot > slotsMax) this.#reclaimSlots();
    this.#slots.set(segmentId, this.#nextSlot);
    this.#segmentIds[this.#nextSlot] = segmentId;
    this.#nextSlot++;
  }

  /** Forgets a segment's keys at once; their room is reclaimed as shards are rebuilt. */
  dropSegment(segmentId: number): void {
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) return;
    this.#slots.delete(segmentId);
    this.#segmentIds[slot] = 0;
  }

  insert(hash: number, segmentId: number, ordinal: number): void {
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) throw new RangeError(`segment ${segmentId} has no room in the key table`);
    const index = hash >>> 24;
    let shard = this.#shard(index);
    if (shard.used >= (shard.entries.length / 2) * loadMax) shard = this.#rebuild(index);
    place(shard, hash, slot * ordinalsMax + ordinal);
  }

  /** Takes back an insert whose transaction failed. */
  remove(hash: number, segmentId: number, ordinal: number): void {
    const { entries } = this.#shard(hash >>> 24);
    const slot = this.#slots.get(segmentId);
    if (slot === undefined) return;
    for (let i = home(hash, entries); entries[i + 1] !== 0; i = i + 2 === entries.length ? 0 : i + 2)
      if (entries[i] === hash && entries[i + 1] === slot * ordinalsMax + ordinal) {
        entries[i + 1] = removed;
        return;
      }
  }

  /** Calls `visit` for each message that might have the key, until it returns `true`. */
  find(hash: number, visit: (segmentId: number, ordinal: number) => boolean): boolean {
    const { entries } = this.#shard(hash >>> 24);
    for (let i = home(hash, entries); ; i = i + 2 === entries.length ? 0 : i + 2) {
      const location = entries[i + 1];
      if (location === undefined || location === 0) return false;
      if (entries[i] !== hash) continue;
      const segmentId = this.#segmentIds[Math.floor(location / ordinalsMax)] ?? 0;
      if (segmentId !== 0 && visit(segmentId, location % ordinalsMax)) return true;
    }
  }

  #shard(index: number): Shard {
    const shard = this.#shards[index];
    if (shard === undefined) throw new RangeError(`no shard ${index}`);
    return shard;
  }

  /** Makes the shard anew without the dropped segments' keys, larger only if the live ones need it. */
  #rebuild(index: number, keys = 0): Shard {
    const { entries } = this.#shard(index);
    const isLive = (location: number) => this.#segmentIds[Math.floor(location / ordinalsMax)] !== 0;
    let live = 0;
    for (let i = 1; i < entries.length; i += 2) {
      const location = entries[i] ?? 0;
      if (location !== 0 && location < removed && isLive(location)) live++;
    }
    const shard = newShard(Math.max(shardEntriesMin, Math.ceil(Math.max(live * growth, keys * slack) / loadMax)));
    for (let i = 0; i < entries.length; i += 2) {
      const [hash, location] = [entries[i] ?? 0, entries[i + 1] ?? 0];
      if (location !== 0 && location < removed && isLive(location)) place(shard, hash, location);
    }
    this.#shards[index] = shard;
    return shard;
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
    this.#segmentIds.fill(0);
    for (const [segmentId, slot] of this.#slots) this.#segmentIds[slot] = segmentId;
    this.#nextSlot = next;
    for (const { entries } of this.#shards)
      for (let i = 1; i < entries.length; i += 2) {
        const location = entries[i] ?? 0;
        if (location !== 0)
          entries[i] = (renumbered[Math.floor(location / ordinalsMax)] ?? 0) * ordinalsMax + (location % ordinalsMax);
      }
  }
}

function newShard(capacity: number): Shard {
  return { entries: new Uint32Array(capacity * 2), used: 0 };
}

function home(hash: number, entries: Uint32Array): number {
  return Math.floor(((hash & 0xffffff) * (entries.length / 2)) / 0x1000000) * 2;
}

function place(shard: Shard, hash: number, location: number): void {
  const { entries } = shard;
  let i = home(hash, entries);
  while (entries[i + 1] !== 0) i = i + 2 === entries.length ? 0 : i + 2;
  entries[i] = hash;
  entries[i + 1] = location;
  shard.used++;
}
