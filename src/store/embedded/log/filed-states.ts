import { DamagedStates } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { IndexHeader } from '../segment/index-file.ts';
import type { LateStates } from '../segment/late-states.ts';
import { MessageStates } from '../segment/message-states.ts';
import { ordinalOf, segmentIdOf } from '../segment/position.ts';
import {
  isLive,
  messagesIn,
  newLiveState,
  newSharedSegment,
  type SharedSegment,
  setLate,
} from '../segment/shared-segment.ts';
import { isAsKept, type KeptStates } from './kept-states.ts';

/** Of a segment's reports, in their order: the position of the message, and the group it left it in. */
export type Reports = {
  readonly firstSequence: number;
  readonly messages: Float64Array;
  readonly groups: Uint8Array;
};

/** Of the room for late states, how much a start takes: by a program that files no states, much may have been reported. */
const lateLoadMax = 3 / 4;

/**
 * Which states a start finds in files, and what it makes of reports. Throws `DamagedStates` where the log is not what it was
 * when states were noted, or a file of them is not what was written: nothing of them is to be taken for true then.
 */
export class FiledStates {
  readonly #folder: Folder;
  readonly #kept: KeptStates | undefined;
  readonly #states: MessageStates;
  readonly #files: ReadonlySet<string>;
  readonly #late: LateStates;
  /** By segment: how many of its messages have a late state. */
  readonly #lateIn = new Map<number, number>();
  #isAnyLive = false;

  constructor(folder: Folder, late: LateStates, kept: KeptStates | undefined) {
    this.#folder = folder;
    this.#kept = kept;
    this.#files = kept === undefined ? new Set() : folder.statePaths();
    this.#states = new MessageStates(folder, late);
    this.#late = late;
    late.take(kept?.late ?? []);
    for (const { position } of kept?.late ?? []) {
      const id = segmentIdOf(position);
      this.#lateIn.set(id, (this.#lateIn.get(id) ?? 0) + 1);
    }
  }

  /** A sealed segment, as yet without reports. */
  opened(header: IndexHeader, groups: () => Uint8Array): SharedSegment {
    const { segment: id, firstSequence, messages } = header;
    const filed = this.#kept?.segments.get(id)?.filed;
    if (filed === undefined) {
      const live = newLiveState(messages);
      live.group.set(groups());
      const shared = newSharedSegment(id, firstSequence, live);
      for (const group of live.group) shared.groupCounts[group] = (shared.groupCounts[group] ?? 0) + 1;
      return shared;
    }
    const { until, groupCounts } = filed;
    const path = this.#folder.state(id, until);
    if (!this.#files.has(path)) throw new DamagedStates(id, `${path} is missing`);
    const shared = newSharedSegment(id, firstSequence, { until });
    shared.groupCounts.set(groupCounts);
    setLate(shared, this.#lateIn.get(id) ?? 0);
    return shared;
  }

  /** Whether the reports of a sealed segment are to be read: all are on messages that were there before. */
  needsReports({ firstSequence, reports }: IndexHeader, shared: SharedSegment): boolean {
    return this.#isAnyLive || isLive(shared.state) || firstSequence + reports > (this.#kept?.until ?? 0);
  }

  /** A segment is loaded, the older ones before it. */
  take(shared: SharedSegment, rowsCrc: number | undefined): void {
    this.#isAnyLive ||= isLive(shared.state);
    if (this.#kept !== undefined && !isAsKept(this.#kept, shared, rowsCrc))
      throw new DamagedStates(shared.id, 'it is not what it was when states were noted');
  }

  /** All segments are loaded. */
  checkAll(ids: ReadonlySet<number>): void {
    for (const id of this.#kept?.segments.keys() ?? [])
      if (!ids.has(id)) throw new DamagedStates(id, 'it was there when states were noted');
  }

  /** What is not of it has no use: before anything is recorded, since then the log may seem to be what it was. */
  removeOthers(): void {
    const { disk } = this.#folder;
    const kept = [...(this.#kept?.segments.values() ?? [])].flatMap(({ id, filed }) =>
      filed === undefined ? [] : [this.#folder.state(id, filed.until)],
    );
    const isDoubted = this.#kept === undefined && disk.exists(this.#folder.states);
    if (isDoubted) disk.remove(this.#folder.states);
    for (const path of this.#folder.statePaths()) if (!kept.includes(path)) disk.remove(path);
    if (isDoubted) this.#folder.sync();
  }

  /** Reports are on messages of their own segment or of older ones: what these lack of them joins `short`. */
  apply(
    { firstSequence, messages, groups }: Reports,
    byId: ReadonlyMap<number, SharedSegment>,
    short: Map<number, number>,
  ) {
    const until = this.#kept?.until ?? 0;
    for (let i = 0; i < messages.length; i++) {
      const position = messages[i] ?? 0;
      const shared = byId.get(segmentIdOf(position));
      if (shared === undefined) continue;
      const ordinal = ordinalOf(position);
      if (ordinal >= messagesIn(shared)) short.set(shared.id, Math.max(ordinal + 1, short.get(shared.id) ?? 0));
      else if (isLive(shared.state) || firstSequence + i >= until) {
        if (this.#late.load > lateLoadMax) throw new DamagedStates(shared.id, 'too much was reported since');
        const before = this.#states.group(shared, ordinal);
        this.#states.apply(shared, ordinal, firstSequence + i, groups[i] ?? 0, before);
      }
    }
  }

  close(): void {
    this.#states.close();
  }
}
