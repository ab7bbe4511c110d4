import { LRUCache } from 'lru-cache';
import { DamagedIndex, DamagedStates } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { LateStates } from './late-states.ts';
import { ordinalOf, positionOf } from './position.ts';
import { isLive, lateIn, type SharedSegment, setLate } from './shared-segment.ts';
import { StateFile, stateMessagesPerPage } from './state-file.ts';

const openFilesMax = 256;
/** Of 512 messages each: those that are asked for over and over are near each other. */
const pagesMax = 1024;
const pagesPerSegment = 2 ** 12;

/** Parts of files that were read. */
class Pages<T extends object> {
  readonly #pages = new LRUCache<number, T>({ max: pagesMax });
  /** Neighbours are mostly asked for one after the other. */
  #lastKey = -1;
  #last: T | undefined;

  of(segmentId: number, ordinal: number, read: (number: number) => T): T {
    const number = Math.floor(ordinal / stateMessagesPerPage);
    const key = segmentId * pagesPerSegment + number;
    if (key === this.#lastKey && this.#last !== undefined) return this.#last;
    const page = this.#pages.get(key) ?? read(number);
    this.#pages.set(key, page);
    [this.#lastKey, this.#last] = [key, page];
    return page;
  }

  forget(segmentId: number): void {
    for (const key of [...this.#pages.keys()])
      if (Math.floor(key / pagesPerSegment) === segmentId) this.#pages.delete(key);
    this.#lastKey = -1;
  }

  clear(): void {
    this.#pages.clear();
    this.#lastKey = -1;
  }
}

/**
 * The present state of messages, as one thread sees it: the newest report on each, and the group that it is in. Those of
 * the youngest segments are in memory. Of the others a file has what was reported until it was written, and what was since
 * stands among the late states.
 *
 * Throws `DamagedStates` where a file cannot be read: then the writer makes the states again.
 */
export class MessageStates {
  readonly #folder: Folder;
  readonly #late: LateStates;
  readonly #files = new LRUCache<number, StateFile>({ max: openFilesMax, dispose: file => file.close() });
  readonly #newestPages = new Pages<Float64Array>();
  readonly #groupPages = new Pages<Uint8Array>();

  constructor(folder: Folder, late: LateStates) {
    this.#folder = folder;
    this.#late = late;
  }

  /** The sequence of the newest published report on a message; 0 when there is none. */
  newest(segment: SharedSegment, ordinal: number): number {
    const { state } = segment;
    if (isLive(state)) return state.newestReport[ordinal] ?? 0;
    const late = lateIn(segment) === 0 ? undefined : this.#late.newest(positionOf(segment.id, ordinal));
    if (late !== undefined) return late;
    const page = this.#newestPages.of(segment.id, ordinal, number =>
      this.#from(segment, file => file.newestPage(number)),
    );
    return page[ordinal % stateMessagesPerPage] ?? 0;
  }

  /** The group id of the present status of a message. */
  group(segment: SharedSegment, ordinal: number): number {
    const { state } = segment;
    if (isLive(state)) return state.group[ordinal] ?? 0;
    const late = lateIn(segment) === 0 ? undefined : this.#late.group(positionOf(segment.id, ordinal));
    if (late !== undefined) return late;
    const page = this.#groupPages.of(segment.id, ordinal, number =>
      this.#from(segment, file => file.groupPage(number)),
    );
    return page[ordinal % stateMessagesPerPage] ?? 0;
  }

  /** By ordinal: the newest report on each message of a segment, as it is now. */
  newestOf(segment: SharedSegment): Float64Array {
    const { state } = segment;
    if (isLive(state)) return state.newestReport;
    const newest = this.#from(segment, file => file.newest());
    for (const late of this.#lateOf(segment)) newest[ordinalOf(late.position)] = late.newest;
    return newest;
  }

  /** By ordinal: the group of each message of a segment, as it is now. */
  groupsOf(segment: SharedSegment): Uint8Array {
    const { state } = segment;
    if (isLive(state)) return state.group;
    const groups = this.#from(segment, file => file.groups());
    for (const late of this.#lateOf(segment)) groups[ordinalOf(late.position)] = late.group;
    return groups;
  }

  /** Makes a report the newest of its message, which had the group `before` until now. The writer's. */
  apply(segment: SharedSegment, ordinal: number, newest: number, group: number, before: number): void {
    const { state, groupCounts } = segment;
    groupCounts[before] = (groupCounts[before] ?? 0) - 1;
    groupCounts[group] = (groupCounts[group] ?? 0) + 1;
    if (!isLive(state)) this.applyLate(segment, ordinal, newest, group);
    else {
      state.group[ordinal] = group;
      state.newestReport[ordinal] = newest;
    }
  }

  applyLate(segment: SharedSegment, ordinal: number, newest: number, group: number): void {
    if (this.#late.set({ position: positionOf(segment.id, ordinal), newest, group }))
      setLate(segment, lateIn(segment) + 1);
  }

  /** The states of the segment stand elsewhere now, or it is gone. */
  forget(segmentId: number): void {
    this.#files.delete(segmentId);
    this.#newestPages.forget(segmentId);
    this.#groupPages.forget(segmentId);
  }

  close(): void {
    this.#files.clear();
    this.#newestPages.clear();
    this.#groupPages.clear();
  }

  #lateOf(segment: SharedSegment) {
    return lateIn(segment) === 0 ? [] : this.#late.of(segment.id);
  }

  #from<T>({ id, state }: SharedSegment, read: (file: StateFile) => T): T {
    if (isLive(state)) throw new Error(`the states of segment ${id} are in memory`);
    const path = this.#folder.state(id, state.until);
    try {
      let file = this.#files.get(id);
      if (file === undefined) {
        if (!this.#folder.disk.exists(path)) throw new DamagedIndex(path, 'it is missing');
        file = new StateFile(path, this.#folder.disk, { id, until: state.until });
        this.#files.set(id, file);
      }
      return read(file);
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
      this.#files.delete(id);
      throw new DamagedStates(id, error);
    }
  }
}
