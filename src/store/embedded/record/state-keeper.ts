import { DamagedStates, isOutage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { hasRoom } from '../files/reserve.ts';
import { keptSegment, writeKeptStates } from '../log/kept-states.ts';
import type { IndexHeader } from '../segment/index-file.ts';
import { type LateMemory, LateStates } from '../segment/late-states.ts';
import type { ReportOutcomes } from '../segment/lost-reports.ts';
import { MessageStates } from '../segment/message-states.ts';
import { ordinalOf, segmentIdOf } from '../segment/position.ts';
import {
  type FiledState,
  isLive,
  type LiveState,
  lateIn,
  messagesIn,
  newLiveState,
  type SharedSegment,
  setLate,
} from '../segment/shared-segment.ts';
import { writeStateFile } from '../segment/state-file.ts';

/** Of so many of the youngest sealed segments the states stay in memory: most reports are on their messages. */
const liveSealedMax = 4;
/** How much of the late states' room is taken before files are made anew, and before nothing more is recorded. */
const loadDue = 1 / 2;
const loadMax = 3 / 4;
/** Files are written between two groups of records, which wait meanwhile. */
const sliceMs = 25;
const dueSliceMs = 250;

/** What the keeper asks of whoever knows the files of segments. */
export type StateSource = {
  segments(): readonly SharedSegment[];
  segment(segmentId: number): SharedSegment | undefined;
  isSealed(segmentId: number): boolean;
  indexHeader(segmentId: number): IndexHeader;
  /** By ordinal: the group each message of a segment was recorded with. */
  initialGroups(segment: SharedSegment): Uint8Array;
  outcomes(segment: SharedSegment): ReportOutcomes;
  /** Makes all rows that were committed durable, where they are not yet. */
  syncRows(): void;
  /** The states of a segment stand elsewhere now: `settled` is called with the number once every thread knows. */
  restated(segmentId: number, state: LiveState | FiledState, number: number): void;
};

/** Not every thread knows of it: whoever does not reads the late states and a file, or memory that nobody else reads. */
type Untold = {
  readonly number: number;
  readonly live: LiveState;
  /** Messages whose states changed meanwhile. */
  readonly since: Set<number>;
  readonly fileBefore: string | undefined;
};

/** Where the states of messages stand: the writer's view, which changes them, and moves those of sealed segments to files. */
export class StateKeeper {
  readonly #folder: Folder;
  readonly #source: StateSource;
  readonly #late: LateStates;
  readonly #states: MessageStates;
  readonly #untold = new Map<number, Untold>();
  readonly #spare: LiveState[] = [];
  #number = 0;
  /** What is kept of states does not tell of all segments any more. */
  #isOutdated = false;
  /** Of which rows the indexes are. */
  readonly #rowsCrcs = new Map<number, number>();

  constructor(folder: Folder, late: LateMemory, source: StateSource) {
    this.#folder = folder;
    this.#source = source;
    this.#late = new LateStates(late);
    this.#states = new MessageStates(folder, this.#late);
  }

  /** Whether there may be no room for what a further group of records reports late. */
  get isFull(): boolean {
    return this.#late.load > loadMax;
  }

  newest(segment: SharedSegment, ordinal: number): number {
    return this.#sound(segment, () => this.#states.newest(segment, ordinal));
  }

  group(segment: SharedSegment, ordinal: number): number {
    return this.#sound(segment, () => this.#states.group(segment, ordinal));
  }

  newestOf(segment: SharedSegment): Float64Array {
    return this.#sound(segment, () => this.#states.newestOf(segment));
  }

  /** Makes a report the newest of its message, which had the group `before` until now. Reads no file. */
  apply(segment: SharedSegment, ordinal: number, newest: number, group: number, before: number): void {
    this.#states.apply(segment, ordinal, newest, group, before);
    const untold = this.#untold.get(segment.id);
    if (untold === undefined) return;
    untold.since.add(ordinal);
    if (isLive(segment.state)) this.#states.applyLate(segment, ordinal, newest, group);
    else {
      untold.live.group[ordinal] = group;
      untold.live.newestReport[ordinal] = newest;
    }
  }

  /** Memory for the states of a segment that takes rows. */
  take(messages: number): LiveState {
    const spare = this.#spare.pop();
    return spare?.group.length === messages ? spare : newLiveState(messages);
  }

  /** Of which rows an index is that was found at the start. */
  found(segmentId: number, rowsCrc: number): void {
    this.#rowsCrcs.set(segmentId, rowsCrc);
  }

  /** A segment has other rows than it had. */
  changed(segmentId: number): void {
    this.#isOutdated = true;
    this.#rowsCrcs.delete(segmentId);
  }

  dropped(segment: SharedSegment): void {
    this.changed(segment.id);
    this.#states.forget(segment.id);
    this.#untold.delete(segment.id);
    if (lateIn(segment) > 0) this.#late.remove(segment.id);
  }

  /**
   * Moves the states of older sealed segments to files, those that have most late states too where there are many, and
   * notes all of it durably: the note is what counts. `until`: the sequence of the next report. Throws what the disk
   * throws; then everything stands where it stood.
   */
  settle(until: number, eraId: number): void {
    const due = this.#due();
    if (due.length === 0 && !this.#isOutdated) return;
    if (!hasRoom(this.#folder.disk, this.#folder.dataDir)) return;
    const written: SharedSegment[] = [];
    const end = performance.now() + (this.#late.load > loadDue ? dueSliceMs : sliceMs);
    try {
      for (const segment of due) {
        if (written.length > 0 && performance.now() > end) break;
        written.push(segment);
        this.#sound(segment, () => this.#write(segment, until));
      }
      this.#note(written, until, eraId);
    } catch (error) {
      for (const { id, state } of written) if (isLive(state) || state.until !== until) this.#removeIfCan(id, until);
      throw error;
    }
  }

  /** A full disk has no room for what nobody reads. */
  #removeIfCan(segmentId: number, until: number): void {
    const path = this.#folder.state(segmentId, until);
    try {
      for (const one of [path, `${path}.tmp`]) this.#folder.disk.remove(one);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  /** Every thread knows where the states of a segment stand. */
  settled(segmentId: number, number: number): void {
    const untold = this.#untold.get(segmentId);
    if (untold?.number !== number) return;
    this.#untold.delete(segmentId);
    const segment = this.#source.segment(segmentId);
    if (segment === undefined) return;
    const isFiled = !isLive(segment.state);
    if (lateIn(segment) > 0) {
      const kept = isFiled ? untold.since : new Set<number>();
      this.#late.remove(segmentId, kept);
      setLate(segment, this.#late.of(segmentId).length);
    }
    if (isFiled && untold.live.group.length > 0) this.#spare.push(untold.live);
    if (untold.fileBefore !== undefined) this.#folder.disk.remove(untold.fileBefore);
  }

  close(): void {
    this.#states.close();
  }

  #due(): readonly SharedSegment[] {
    const sealed = this.#source.segments().filter(({ id }) => this.#source.isSealed(id) && !this.#untold.has(id));
    const live = sealed.filter(({ state }) => isLive(state)).sort((a, b) => a.id - b.id);
    const due = live.slice(0, Math.max(0, live.length - liveSealedMax));
    if (this.#late.load <= loadDue) return due;
    const filed = sealed.filter(segment => !isLive(segment.state) && lateIn(segment) > 0);
    return [...due, ...filed.sort((a, b) => lateIn(b) - lateIn(a)).slice(0, Math.ceil(filed.length / 2))];
  }

  #write(segment: SharedSegment, until: number): void {
    const { id } = segment;
    const states = { newestReport: this.#states.newestOf(segment), group: this.#states.groupsOf(segment) };
    const path = this.#folder.state(id, until);
    writeStateFile(this.#folder.disk, path, this.#source.indexHeader(id), until, states);
  }

  #note(written: readonly SharedSegment[], until: number, eraId: number): void {
    const isWritten = new Set(written.map(({ id }) => id));
    const kept = this.#source.segments().map(segment => {
      const state = isWritten.has(segment.id) ? { until } : segment.state;
      return keptSegment({ ...segment, state }, id => this.#rowsCrcOf(id));
    });
    const late = this.#late.all().filter(({ position }) => !isWritten.has(segmentIdOf(position)));
    // What is noted of reports must not outlive these.
    this.#source.syncRows();
    writeKeptStates(this.#folder, { until, eraId, segments: new Map(kept.map(one => [one.id, one])), late });
    this.#isOutdated = false;
    for (const segment of written) {
      const { id, state } = segment;
      const live = isLive(state) ? state : newLiveState(0);
      const fileBefore = isLive(state) || state.until === until ? undefined : this.#folder.state(id, state.until);
      this.#states.forget(id);
      segment.state = { until };
      this.#tell(segment, live, fileBefore);
    }
  }

  #rowsCrcOf(segmentId: number): number {
    const known = this.#rowsCrcs.get(segmentId);
    if (known !== undefined) return known;
    const { rowsCrc } = this.#source.indexHeader(segmentId);
    this.#rowsCrcs.set(segmentId, rowsCrc);
    return rowsCrc;
  }

  #tell({ id, state }: SharedSegment, live: LiveState, fileBefore: string | undefined): void {
    const number = ++this.#number;
    this.#untold.set(id, { number, live, since: new Set(), fileBefore });
    this.#source.restated(id, state, number);
  }

  #sound<T>(segment: SharedSegment, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DamagedStates)) throw error;
      this.#restate(segment);
      return work();
    }
  }

  /** Where there is hardly room for late states, takes those of a segment into memory, before many of them change. */
  makeRoom(segment: SharedSegment): void {
    if (this.isFull) this.#restate(segment);
  }

  /** Some thread could not read the states of a segment where they stand. */
  unread(segmentId: number): void {
    const segment = this.#source.segment(segmentId);
    if (segment !== undefined) this.#restate(segment);
  }

  /** Makes the states of a segment again, in memory, of its rows and of all reports since. */
  #restate(segment: SharedSegment): void {
    if (isLive(segment.state)) return;
    const live = newLiveState(messagesIn(segment));
    live.group.set(this.#source.initialGroups(segment));
    for (const holder of this.#source.segments().filter(({ id }) => id >= segment.id)) {
      const { messages, groups } = this.#source.outcomes(holder);
      for (let i = 0; i < messages.length; i++) {
        const position = messages[i] ?? 0;
        if (segmentIdOf(position) !== segment.id) continue;
        live.newestReport[ordinalOf(position)] = holder.firstSequence + i;
        live.group[ordinalOf(position)] = groups[i] ?? 0;
      }
    }
    const counts = new Int32Array(segment.groupCounts.length);
    for (const group of live.group) counts[group] = (counts[group] ?? 0) + 1;
    segment.groupCounts.set(counts);
    this.#isOutdated = true;
    this.#states.forget(segment.id);
    segment.state = live;
    this.#tell(segment, live, undefined);
  }
}
