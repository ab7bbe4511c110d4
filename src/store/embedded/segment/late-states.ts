import { ordinalOf, ordinalsMax, type Position, positionOf, segmentIdOf } from './position.ts';

const slotCount = 2 ** 19;
const free = 0;

/** Shared by all threads: a table by position, in which one that has no state has none of its own. */
export type LateMemory = {
  /** Odd while the table is made anew. */
  readonly epoch: Int32Array;
  readonly positions: Float64Array;
  readonly newest: Float64Array;
  readonly groups: Uint8Array;
};

export function newLateMemory(slots = slotCount): LateMemory {
  return {
    epoch: new Int32Array(new SharedArrayBuffer(4)),
    positions: new Float64Array(new SharedArrayBuffer(slots * 8)),
    newest: new Float64Array(new SharedArrayBuffer(slots * 8)),
    groups: new Uint8Array(new SharedArrayBuffer(slots)),
  };
}

export type LateState = { readonly position: Position; readonly newest: number; readonly group: number };

/**
 * What late reports changed of messages whose states stand in files (see state-file.ts). What stands here counts, whatever
 * the file says. The writer changes it, while others read.
 */
export class LateStates {
  readonly #memory: LateMemory;
  readonly #slots: number;
  /** How many there are, once the writer asked. */
  #size: number | undefined;

  constructor(memory: LateMemory) {
    this.#memory = memory;
    this.#slots = memory.positions.length;
  }

  /** For how many messages there is room. */
  get room(): number {
    return this.#slots - 1;
  }

  /** How much of the table is taken, 0 to 1, as the writer knows it. */
  get load(): number {
    return this.#count() / this.#slots;
  }

  /** The newest report on a message; `undefined` where none came late. */
  newest(position: Position): number | undefined {
    return this.#settled(() => {
      const slot = this.#slotOf(position);
      return this.#memory.positions[slot] === position ? this.#memory.newest[slot] : undefined;
    });
  }

  /** The group that it left its message in. */
  group(position: Position): number | undefined {
    return this.#settled(() => {
      const slot = this.#slotOf(position);
      return this.#memory.positions[slot] === position ? this.#memory.groups[slot] : undefined;
    });
  }

  /** All of one segment's messages, in no order. */
  of(segmentId: number): readonly LateState[] {
    const from = positionOf(segmentId, 0);
    return this.#settled(() => this.#between(from, from + ordinalsMax));
  }

  all(): readonly LateState[] {
    return this.#between(0, Infinity);
  }

  /** `true` where nothing stood there of this message. The writer's, as all that follows. */
  set({ position, newest, group }: LateState): boolean {
    const { positions, newest: newestOf, groups } = this.#memory;
    const slot = this.#slotOf(position);
    const isNew = positions[slot] !== position;
    if (isNew && this.#count() >= this.room) throw new RangeError('there is no room for late states');
    newestOf[slot] = newest;
    groups[slot] = group;
    // Last: whoever finds it finds all of it.
    positions[slot] = position;
    if (isNew) this.#size = this.#count() + 1;
    return isNew;
  }

  /** Leaves out those of a segment, but for the ones whose ordinals are given. */
  remove(segmentId: number, kept: ReadonlySet<number> = new Set()): void {
    const left = this.all().filter(
      ({ position }) => segmentIdOf(position) !== segmentId || kept.has(ordinalOf(position)),
    );
    this.#renew(left);
  }

  /** In the place of all there are. */
  take(states: readonly LateState[]): void {
    if (states.length > 0 || this.#count() > 0) this.#renew(states);
  }

  #count(): number {
    this.#size ??= this.#memory.positions.reduce((sum, position) => sum + Number(position !== free), 0);
    return this.#size;
  }

  #renew(states: readonly LateState[]): void {
    const { epoch, positions } = this.#memory;
    Atomics.add(epoch, 0, 1);
    positions.fill(free);
    this.#size = 0;
    for (const state of states) this.set(state);
    Atomics.add(epoch, 0, 1);
    Atomics.notify(epoch, 0);
  }

  #between(from: Position, to: Position): readonly LateState[] {
    const { positions, newest, groups } = this.#memory;
    const found: LateState[] = [];
    for (let slot = 0; slot < positions.length; slot++) {
      const position = positions[slot] ?? free;
      if (position !== free && position >= from && position < to)
        found.push({ position, newest: newest[slot] ?? 0, group: groups[slot] ?? 0 });
    }
    return found;
  }

  /** What is read while the table is made anew is read again. */
  #settled<T>(read: () => T): T {
    const { epoch } = this.#memory;
    for (;;) {
      const before = Atomics.load(epoch, 0);
      if (before % 2 !== 0) {
        Atomics.wait(epoch, 0, before, 1);
        continue;
      }
      const found = read();
      if (Atomics.load(epoch, 0) === before) return found;
    }
  }

  /** Where a message stands, or is to stand. */
  #slotOf(position: Position): number {
    const { positions } = this.#memory;
    const mask = this.#slots - 1;
    let slot = (Math.imul(ordinalOf(position), 0x9e3779b1) ^ Math.imul(segmentIdOf(position), 0x85ebca6b)) >>> 0;
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const there = positions[slot];
      if (there === position || there === free) return slot;
    }
  }
}
