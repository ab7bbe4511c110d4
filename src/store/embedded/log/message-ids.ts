import { type IdSet, IdSets } from '../segment/id-sets.ts';
import { findId } from '../segment/id-table.ts';
import type { Columns } from '../segment/shared-segment.ts';

/** The messages of a sealed segment whose id has a hash, as its index tells. */
type AskIndex = (segmentId: number, hash: number) => Iterable<number>;

/**
 * Which message might have a given id, over all segments, as one thread knows them: segments without an index have tables of
 * their own, those with one stand in sets, and the index of those that stand in none yet is asked each time. A hash may stand for
 * several messages; the caller reads the row to be sure.
 */
export class MessageIds {
  readonly #askIndex: AskIndex;
  readonly #open = new Map<number, Columns>();
  readonly #sealed = new Set<number>();
  #inSets: ReadonlySet<number> = new Set();
  #sets = new IdSets([]);
  /** Sealed, and in no set. */
  #unset: readonly number[] = [];

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
    if (!this.#inSets.has(segmentId)) this.#unset = [...this.#unset, segmentId];
  }

  drop(segmentId: number): void {
    this.#open.delete(segmentId);
    this.#sealed.delete(segmentId);
    this.#unset = this.#unset.filter(id => id !== segmentId);
  }

  /** Takes up all sets there are, in the place of those before. */
  take(sets: readonly IdSet[]): void {
    this.#sets = new IdSets(sets);
    this.#inSets = new Set(sets.flatMap(({ segmentIds }) => segmentIds));
    this.#unset = [...this.#sealed].filter(id => !this.#inSets.has(id));
  }

  /** How many segments' indexes are asked each time. */
  get unset(): number {
    return this.#unset.length;
  }

  /** Calls `visit` for each message that might have the id, until it returns `true`; of a message once. */
  find(hash: number, visit: (segmentId: number, ordinal: number) => boolean): boolean {
    for (const [segmentId, columns] of this.#open)
      if (findId(columns, hash, ordinal => visit(segmentId, ordinal))) return true;
    const ask = (segmentId: number) => {
      for (const ordinal of this.#askIndex(segmentId, hash)) if (visit(segmentId, ordinal)) return true;
      return false;
    };
    // What stands in a set may be gone, or its index may be news that did not come yet.
    return this.#sets.find(hash, segmentId => this.#sealed.has(segmentId) && ask(segmentId)) || this.#unset.some(ask);
  }
}
