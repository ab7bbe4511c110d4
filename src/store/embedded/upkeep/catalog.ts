import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { Slices } from '../../../slices.ts';
import { DroppingSum } from '../../dropping.ts';
import { type Horizons, horizonOf } from '../../horizons.ts';
import type { Dropping, StoreObserver } from '../../store.ts';
import { isOutage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import type { DamagedPart } from '../log/load.ts';
import { type Extents, isPastAsWhole, isPastForAll } from '../segment/extents.ts';
import {
  type Columns,
  hasLosses,
  lossesIn,
  lossText,
  messagesIn,
  minSentAt,
  noAccount,
  reportsIn,
  type SharedSegment,
} from '../segment/shared-segment.ts';
import type { IdsNote, Recovered, ReleaseRequest, SegmentContents } from '../threads/messages.ts';

/** `active` takes writes; `full` waits for its index; `sealed` has one. */
type Phase = 'active' | 'full' | 'sealed';

type Filled = Pick<SegmentContents, 'counts' | 'meanings'>;

type Entry = {
  readonly shared: SharedSegment;
  columns: Columns | undefined;
  /** What its index and facets are to say, while it is full and has none. */
  filled: Filled | undefined;
  phase: Phase;
  /** Full, and its index cannot be written now. */
  isStuck?: boolean;
  /** Of the files, once they do not change any more. */
  bytes: number | undefined;
  /** Once somebody asked for them, and they do not change any more. */
  extents: Extents | undefined;
};

export type FoundExtents = Promise<Extents | undefined>;

/** What the catalog needs of the threads: every one that may hold a segment's files. */
export type FileHolders = {
  readonly count: number;
  tell(request: ReleaseRequest): void;
  /** `undefined` when every thread was told that it has an index, or is gone. */
  unsealedExtents(segmentId: number): FoundExtents;
  /** `undefined` when it has no index, or is gone. */
  sealedExtents(segmentId: number): FoundExtents;
};

/** Which segments there are, and the care that files need which several threads hold open. */
export class Catalog {
  readonly folder: Folder;
  readonly #observer: StoreObserver;
  readonly #holders: FileHolders;
  readonly #entries = new Map<number, Entry>();
  /** By ticket: how many threads have not let go yet, and who waits for it. */
  readonly #releases = new Map<number, { missing: number; readonly done: () => void }>();
  #nextTicket = 1;
  readonly #sealedWaiters: (() => void)[] = [];
  readonly #removing = new Set<Promise<void>>();
  damaged: readonly DamagedPart[] = [];
  /** How often damage was found. */
  damages = 0;

  constructor(folder: Folder, observer: StoreObserver, holders: FileHolders) {
    this.folder = folder;
    this.#observer = observer;
    this.#holders = holders;
  }

  add(shared: SharedSegment, columns: Columns | undefined, phase: Phase): void {
    const bytes = phase === 'sealed' ? this.#ifItCan(() => this.folder.bytes(shared.id)) : undefined;
    this.#entries.set(shared.id, { shared, columns, filled: undefined, phase, bytes, extents: undefined });
  }

  get(segmentId: number): Entry | undefined {
    return this.#entries.get(segmentId);
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  filled(segmentId: number, filled: Filled): void {
    const entry = this.#entries.get(segmentId);
    if (entry === undefined) return;
    entry.phase = 'full';
    entry.filled = filled;
  }

  /** How many segments wait for their index. */
  get unsealed(): number {
    return this.entries().filter(entry => entry.phase === 'full').length;
  }

  /** From here on every thread reads the segment through its index; `recovered` when its rows are others as well, or fewer. */
  async sealed(segmentId: number, recovered?: Recovered): Promise<Columns | undefined> {
    const entry = this.#entries.get(segmentId);
    if (entry === undefined) return undefined;
    const { columns } = entry;
    entry.columns = undefined;
    entry.filled = undefined;
    entry.extents = undefined;
    await this.#release(ticket =>
      recovered === undefined
        ? { type: 'sealed', ticket, shared: entry.shared }
        : { type: 'recovered', ticket, shared: entry.shared, ...recovered },
    );
    this.#ifItCan(() => this.folder.removeLog(segmentId));
    entry.phase = 'sealed';
    entry.bytes = this.#ifItCan(() => this.folder.bytes(segmentId));
    for (const wake of this.#sealedWaiters.splice(0)) wake();
    return columns;
  }

  /** Resolves when every thread has taken up these sets of ids, and looks at none before them any more. */
  takeIds(ids: IdsNote): Promise<void> {
    return this.#release(ticket => ({ ...ids, ticket }));
  }

  /** What its files take on the disk has changed. */
  resized(segmentId: number): void {
    const entry = this.#entries.get(segmentId);
    if (entry?.phase === 'sealed') entry.bytes = this.#ifItCan(() => this.folder.bytes(segmentId));
  }

  /** A full segment's index could not be written, and nobody tries to for now; or somebody does again. */
  setStuck(segmentId: number, isStuck: boolean): void {
    const entry = this.#entries.get(segmentId);
    if (entry === undefined) return;
    entry.isStuck = isStuck;
    for (const wake of this.#sealedWaiters.splice(0)) wake();
  }

  /** Resolves when any segment has been sealed, or cannot be. */
  nextSealed(): Promise<void> {
    return new Promise(resolve => this.#sealedWaiters.push(resolve));
  }

  released(ticket: number): void {
    const release = this.#releases.get(ticket);
    if (release === undefined || --release.missing > 0) return;
    this.#releases.delete(ticket);
    release.done();
  }

  /** How many messages are in segments that hold nothing which any account keeps, of all that have any sent before a moment. */
  async wouldDrop(horizons: Horizons, sentUntil: EpochMs): Promise<Dropping> {
    const sum = new DroppingSum();
    const slices = new Slices();
    for (const entry of this.entries().filter(({ shared }) => minSentAt(shared) < sentUntil)) {
      const isPast = await this.#isPast(entry, horizons);
      // Where all keep theirs equally long, no account need be looked at.
      const extents = horizons.accounts.length === 0 ? undefined : await this.#extentsOf(entry);
      if (extents === undefined)
        sum.add(horizons.others, messagesIn(entry.shared) - lossesIn(entry.shared).lostMessages, isPast);
      else
        for (const [at, account] of extents.accounts.entries()) {
          sum.add(horizonOf(horizons, account), extents.messages[at] ?? 0, isPast);
          const pause = slices.pause();
          if (pause !== undefined) await pause;
        }
    }
    return sum.total();
  }

  /** Unlinks the segments that hold nothing which any account keeps, neither messages nor reports on messages; whether there were any. */
  async dropBefore(horizons: Horizons): Promise<boolean> {
    this.folder.refuseMoved();
    this.damaged = this.damaged.filter(({ lostBefore = Infinity }) => lostBefore > horizons.earliest);
    for (let hasDropped = false; ; ) {
      // Asked for before anything is waited for: the last seal may come meanwhile.
      const sealed = this.nextSealed();
      const past: Entry[] = [];
      for (const entry of this.entries())
        if (entry.phase !== 'active' && (await this.#isPast(entry, horizons))) past.push(entry);
      // On a full disk no index is written before something is dropped.
      const ready = past.filter(entry => entry.phase === 'sealed' || entry.isStuck === true);
      await this.#drop(ready.map(entry => entry.shared.id));
      hasDropped ||= ready.length > 0;
      if (ready.length === past.length) return hasDropped;
      await sealed;
    }
  }

  async #isPast(entry: Entry, horizons: Horizons): Promise<boolean> {
    const isPast = isPastAsWhole(entry.shared, horizons);
    if (isPast !== undefined) return isPast;
    const extents = await this.#extentsOf(entry);
    return extents !== undefined && isPastForAll(extents, horizons);
  }

  async #extentsOf(entry: Entry): Promise<Extents | undefined> {
    const { phase } = entry;
    const extents = await this.#readExtents(entry);
    if (phase === 'sealed') entry.extents = extents;
    return extents;
  }

  async #readExtents({ shared, phase, extents }: Entry): Promise<Extents | undefined> {
    if (extents !== undefined) return extents;
    const kept = phase === 'sealed' ? undefined : await this.#holders.unsealedExtents(shared.id);
    return kept ?? this.#holders.sealedExtents(shared.id);
  }

  /** Of each segment the accounts that it has messages of, lost ones too, or reports on messages. Nothing of it is kept. */
  async *accounts(): AsyncGenerator<Iterable<AccountId>> {
    for (const entry of this.entries())
      yield (await this.#readExtents(entry))?.accounts.filter(account => account !== noAccount) ?? [];
  }

  async #drop(segmentIds: readonly number[]): Promise<void> {
    if (segmentIds.length === 0) return;
    await this.#remove(segmentIds, false, async () => {
      const removals = await Promise.allSettled(segmentIds.map(id => this.folder.remove(id)));
      // Only now: whoever waits for the removal waits for all of it.
      const failed = removals.find(one => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    });
    // What they lacked is past retention as well.
    const names = new Set(segmentIds.map(id => this.folder.nameOf(id)));
    this.damaged = this.damaged.filter(part => !names.has(part.name));
  }

  /** Whether something was set aside whole, in this run or an earlier one. */
  get hasSetAside(): boolean {
    return this.damaged.some(
      ({ name }) => !this.entries().some(({ shared }) => this.folder.nameOf(shared.id) === name),
    );
  }

  /** Moves a damaged segment out of the way; safe to call twice. */
  async setAside(segmentId: number, reason: string): Promise<void> {
    if (!this.#entries.has(segmentId)) return;
    this.folder.refuseMoved();
    this.noteDamaged({ name: this.folder.nameOf(segmentId), reason });
    await this.#remove([segmentId], true, async () => this.folder.setAside(segmentId));
    for (const wake of this.#sealedWaiters.splice(0)) wake();
  }

  noteDamaged(part: DamagedPart): void {
    const { name, reason } = part;
    this.damages++;
    this.damaged = [...this.damaged.filter(other => other.name !== name), part];
    this.#observer.damaged({ name, reason });
  }

  stats() {
    const entries = this.entries();
    const oldest = Math.min(...entries.map(entry => minSentAt(entry.shared)));
    return {
      segments: entries.length,
      messages: entries.reduce((sum, { shared }) => sum + messagesIn(shared) - lossesIn(shared).lostMessages, 0),
      reports: entries.reduce((sum, { shared }) => sum + reportsIn(shared) - lossesIn(shared).lostReports, 0),
      bytes: entries.reduce((sum, entry) => sum + (entry.bytes ?? this.folder.bytes(entry.shared.id)), 0),
      freeBytes: this.folder.freeBytes(),
      ...(Number.isFinite(oldest) && { oldestSentAt: oldest }),
      damaged: this.#damagedNow(),
    };
  }

  /** What is lost shows here no later than to any reader. */
  #damagedNow(): readonly DamagedPart[] {
    const lossy = this.entries().filter(({ shared }) => hasLosses(shared));
    const parts = lossy.map(({ shared }) => ({ name: this.folder.nameOf(shared.id), reason: lossText(shared) }));
    return [...this.damaged.filter(part => !parts.some(({ name }) => name === part.name)), ...parts];
  }

  /** Resolves when no segment's files are being removed any more. */
  async removed(): Promise<void> {
    await Promise.allSettled(this.#removing);
  }

  async #remove(segmentIds: readonly number[], isDamaged: boolean, act: () => Promise<void>): Promise<void> {
    for (const segmentId of segmentIds) this.#entries.delete(segmentId);
    await this.#release(ticket => ({ type: 'drop', ticket, segmentIds, isDamaged }));
    const removing = act();
    this.#removing.add(removing);
    await removing.finally(() => this.#removing.delete(removing));
  }

  /** What the disk cannot tell or do now nobody waits for: it is asked again, or done by the next start. */
  #ifItCan<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!this.folder.isRefusal(error) && !isOutage(error)) throw error;
      return undefined;
    }
  }

  #release(request: (ticket: number) => ReleaseRequest): Promise<void> {
    const ticket = this.#nextTicket++;
    return new Promise(resolve => {
      this.#releases.set(ticket, { missing: this.#holders.count, done: resolve });
      this.#holders.tell(request(ticket));
    });
  }
}
