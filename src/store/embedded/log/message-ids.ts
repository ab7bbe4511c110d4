import { type IdSet, IdSets, idParts, partOfHash } from '../segment/id-sets.ts';
import { findId } from '../segment/id-table.ts';
import type { Columns } from '../segment/shared-segment.ts';

/** The messages of a sealed segment whose id has a hash, as its index tells, which is asked for every id unless it is in a set. */
type AskIndex = (segmentId: number, hash: number, isInSet: boolean) => Iterable<number>;

/** Of one part of all hashes. */
type Part = {
  sets: IdSets;
  /** Sealed, and in no set. */
  unset: readonly number[];
};

/**
 * Which message might have a given id, over all segments, as one thread knows them: segments without an index have tables of
 * their own, those with one stand in sets, and the index of those that stand in none yet is asked each time. A hash may stand for
 * several messages; the caller reads the row to be sure.
 */
export class MessageIds {
  readonly #askIndex: AskIndex;
  readonly #open = new Map<number, Columns>();
  readonly #sealed = new Set<number>();
  readonly #parts: readonly Part[] = Array.from({ length: idParts }, () => ({ sets: new IdSets([]), unset: [] }));

  constructor(askIndex: AskIndex) {
    this.#askIndex = askIndex;
  }

  /** Takes up a segment, or its new shape: without columns it has an index. */
  set(segmentId: number, columns: Columns | undefined): void {
    if (columns !== undefined) {
      this.#open.set(segmentId, columns);
      return;
    }
    this.#open.delete(segmentId);
    if (this.#sealed.has(segmentId)) return;
    this.#sealed.add(segmentId);
    for (const part of this.#parts) if (!part.sets.has(segmentId)) part.unset = [...part.unset, segmentId];
  }

  drop(segmentId: number): void {
    this.#open.delete(segmentId);
    this.#sealed.delete(segmentId);
    for (const part of this.#parts) part.unset = part.unset.filter(id => id !== segmentId);
  }

  /** Takes up all sets there are of a part, in the place of those before, which are not looked at again. */
  take(number: number, sets: readonly IdSet[]): void {
    const part = this.#parts[number];
    if (part === undefined) throw new RangeError(`no part ${number}`);
    part.sets = new IdSets(sets);
    const inSets = new Set(sets.flatMap(({ segmentIds }) => segmentIds));
    part.unset = [...this.#sealed].filter(id => !inSets.has(id));
  }

  /** How many segments' indexes are asked each time, at most. */
  get unset(): number {
    return Math.max(...this.#parts.map(({ unset }) => unset.length));
  }

  /** Calls `visit` for each message that might have the id, until it returns `true`; of a message once. */
  find(hash: number, visit: (segmentId: number, ordinal: number) => boolean): boolean {
    for (const [segmentId, columns] of this.#open)
      if (findId(columns, hash, ordinal => visit(segmentId, ordinal))) return true;
    const ask = (segmentId: number, isInSet: boolean) => {
      for (const ordinal of this.#askIndex(segmentId, hash, isInSet)) if (visit(segmentId, ordinal)) return true;
      return false;
    };
    const part = this.#parts[partOfHash(hash)];
    if (part === undefined) return false;
    // What stands in a set may be gone, or its index may be news that did not come yet.
    const isFound = part.sets.find(hash, segmentId => this.#sealed.has(segmentId) && ask(segmentId, true));
    return isFound || part.unset.some(segmentId => ask(segmentId, false));
  }
}
