import { basename, join } from 'node:path';
import { StoreUnavailable } from '../../store.ts';
import { isOutage, type Unsound } from './damage.ts';
import { type Disk, guarded, systemDisk } from './disk.ts';

const segmentName = /^(\d{9,})\.(?:journal|rows\.db|volume)$/;
/** The same, also of one that was set aside after another of its name. */
const rowsName = /^\d{9,}\.(?:journal|rows\.db|volume)(?:\.\d+)?$/;
const unfinishedName = /\.volume\.tmp$/;
/** What is made anew of a damaged segment, until it takes its place. */
const mendedName = /^(\d{9,})\.(?:journal|index)\.mended(?:\.disowned)?(?:\.tmp)?$/;
/** An older version took what the ledger says of waiting reports for a segment of the number -1, and made it. */
const strangeName = /^0*-1\./;
const besideName = /^(\d{9,})\.(?:facets|words|checkpoint)(?:\.tmp)?$/;
/** What may be left of a segment whose rows file is missing. */
const partName = /^(\d{9,})\.(?:journal|rows\.db(?:-wal)?|volume|index)$/;
const earlierName = /^(\d{9,})\.rows\.db(?:-wal)?$/;

/** The files of one log in its data folder. Whatever would look for one of them elsewhere throws as `refuseMoved`. */
export class Folder {
  readonly dataDir: string;
  readonly path: string;
  /** For all files of the data folder; by it, too, none is looked for elsewhere. */
  readonly disk: Disk;
  /** Tell it from any other that may stand in its place, and its log, where that is known, from others whose files may. */
  readonly identity: string | undefined;
  readonly hashSeed: number | undefined;
  /** Of segments that could not be made anew for want of room, what of their rows is passed over until the next start. */
  readonly unsound = new Map<number, Unsound | undefined>();
  readonly #damaged: string;

  /** `identity`: of the one that was opened, for a thread that joins in later; without it, this opens one, or makes it. */
  constructor(dataDir: string, disk: Disk = systemDisk, of: { identity?: string; hashSeed?: number } = {}) {
    this.dataDir = dataDir;
    this.path = join(dataDir, 'segments');
    this.#damaged = join(dataDir, 'damaged');
    if (of.identity === undefined) disk.makeFolder(this.path);
    this.identity = of.identity ?? disk.identity(this.path);
    this.hashSeed = of.hashSeed;
    this.disk = guarded(disk, () => this.refuseMoved());
  }

  /**
   * Throws `StoreUnavailable` where the folder is not the one that was opened: it was moved or removed, and another may
   * stand in its place. What is open is still written to, but wherever that lies now, nobody would find it there, and what
   * is missing here is not damaged. Also where that cannot be told.
   */
  refuseMoved(): void {
    let isMoved: boolean;
    try {
      isMoved = this.disk.identity(this.path) !== this.identity;
    } catch (cause) {
      if (!isOutage(cause)) throw cause;
      // The system may not get at it for a while.
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StoreUnavailable(`${this.#refusal}, as far as can be told: ${reason}`, undefined, { cause });
    }
    if (isMoved) throw new StoreUnavailable(`${this.#refusal}: put that back, or stop the server first`);
  }

  /** Whether that was thrown, here or by another thread; also of the message alone. */
  isRefusal(thrown: unknown): boolean {
    return String(thrown).includes(this.#refusal);
  }

  get #refusal(): string {
    return `the data folder ${this.dataDir} is not the one that this server opened`;
  }

  /** The file that its rows stand in, or are to stand in: its journal, but where an earlier version wrote them. */
  rows(segmentId: number): string {
    const [journal, earlier] = [this.journal(segmentId), this.earlierRows(segmentId)];
    return !this.disk.exists(journal) && this.disk.exists(earlier) ? earlier : journal;
  }

  journal(segmentId: number): string {
    return join(this.path, this.nameOf(segmentId));
  }

  /** The SQLite file that an earlier version wrote in the place of the journal. */
  earlierRows(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'rows.db'));
  }

  /** What a segment is called to the operator: the name of its journal, whatever its rows stand in. */
  nameOf(segmentId: number): string {
    return nameOf(segmentId, 'journal');
  }

  index(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'index'));
  }

  /** What stands in the place of its rows file once it was made (see volume-file.ts). */
  volume(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'volume'));
  }

  facets(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'facets'));
  }

  words(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'words'));
  }

  /** Of a segment without an index (see checkpoint.ts). */
  checkpoint(segmentId: number): string {
    return join(this.path, nameOf(segmentId, 'checkpoint'));
  }

  /** Volumes and mended files that were not finished, and what is no segment's; and facets and words, which tell nothing without the rows they were made of: a version that did not know of them left them behind. */
  removeOrphans(): void {
    for (const name of this.disk.list(this.path)) {
      const id = besideName.exec(name)?.[1];
      const isOrphan = id !== undefined && !this.hasRows(Number(id));
      const isUnfinished = unfinishedName.test(name) || mendedName.test(name);
      if (isOrphan || isUnfinished || strangeName.test(name)) this.disk.remove(join(this.path, name));
      // A process ended when it had made the journal of what was left of it.
      const earlier = earlierName.exec(name)?.[1];
      if (earlier !== undefined && this.disk.exists(this.journal(Number(earlier))))
        setAsideFile(this.disk, this.dataDir, join(this.path, name));
    }
  }

  /** The segments' ids, oldest first; also of those of which only another file than the rows is left. */
  segmentIds(): readonly number[] {
    return idsIn(this.disk, this.path);
  }

  hasRows(segmentId: number): boolean {
    const paths = [this.journal(segmentId), this.earlierRows(segmentId), this.volume(segmentId)];
    return paths.some(path => this.disk.exists(path));
  }

  /** Whether a sealed segment has been dropped, or is just being: its files go one by one, in any order. */
  isGoing(segmentId: number): boolean {
    return !this.hasRows(segmentId) || !this.disk.exists(this.index(segmentId));
  }

  /** Then it is what is read, also while the rows file is still there. */
  hasVolume(segmentId: number): boolean {
    return this.disk.exists(this.volume(segmentId));
  }

  /** An id greater than any that was ever used, also by a segment that was set aside. */
  nextSegmentId(): number {
    const setAside = this.disk.exists(this.#damaged) ? idsIn(this.disk, this.#damaged) : [];
    return Math.max(0, ...idsIn(this.disk, this.path), ...setAside) + 1;
  }

  bytes(segmentId: number): number {
    return this.pathsOf(segmentId).reduce((sum, path) => sum + (this.disk.size(path) ?? 0), 0);
  }

  /** What is free on the disk for a process without privileges. */
  freeBytes(): number {
    return this.disk.freeBytes(this.path);
  }

  /** Its files go when the disk has the time. */
  async remove(segmentId: number): Promise<void> {
    const removals = await Promise.allSettled(this.pathsOf(segmentId).map(path => this.disk.removeLater(path)));
    const failed = removals.find(one => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** As `remove`, at once: for what is left of a removal that was cut short. */
  removeNow(segmentId: number): void {
    for (const path of this.pathsOf(segmentId)) this.disk.remove(path);
  }

  /** Leaves only what a sealed segment consists of. */
  removeLog(segmentId: number): void {
    for (const suffix of ['-wal', '-shm']) this.disk.remove(this.earlierRows(segmentId) + suffix);
    this.disk.remove(this.checkpoint(segmentId));
  }

  /** Leaves a volume alone. */
  removeRows(segmentId: number): void {
    for (const path of [this.journal(segmentId), this.earlierRows(segmentId)]) this.disk.remove(path);
  }

  /** Does the work of making files of a segment anew; where that fails, nothing of them is left. */
  mending<T>(segmentId: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const names = this.disk.list(this.path).filter(name => Number(mendedName.exec(name)?.[1]) === segmentId);
      for (const name of names) this.disk.remove(join(this.path, name));
      throw error;
    }
  }

  /** Where rows of a damaged segment may be found: in its own files, or in those that were set aside. */
  sourceOf(segmentId: number): RowsSource {
    const source = this.#sourceIn(this.path, segmentId);
    const isThere = Object.values(source).some(path => this.disk.exists(path));
    return isThere ? source : this.#sourceIn(this.#damaged, segmentId);
  }

  #sourceIn(folder: string, segmentId: number): RowsSource {
    const path = (kind: string) => join(folder, nameOf(segmentId, kind));
    return { journal: path('journal'), rows: path('rows.db'), log: path('rows.db-wal'), volume: path('volume') };
  }

  /** All files that rows may stand in, those that were set aside last. */
  rowsPaths(): readonly string[] {
    const folders = [this.path, this.#damaged].filter(path => this.disk.exists(path));
    return folders.flatMap(path =>
      this.disk
        .list(path)
        .filter(name => rowsName.test(name))
        .map(name => join(path, name)),
    );
  }

  /** Puts a journal that was made anew, and its index, in the place of a segment's own files, which are set aside. */
  replace(segmentId: number, made: { readonly rows: string; readonly index?: string }): void {
    // Whoever opens one of these meanwhile finds the old one or the new one.
    const replaced = [this.rows(segmentId), ...(made.index === undefined ? [] : [this.index(segmentId)])];
    this.setAside(segmentId, replaced);
    this.disk.rename(made.rows, this.journal(segmentId));
    if (made.index !== undefined) this.disk.rename(made.index, this.index(segmentId));
    this.disk.remove(this.earlierRows(segmentId));
    this.disk.syncFolder(this.path);
  }

  /** Moves a damaged segment out of the way, for somebody to look at; nothing of it is deleted. */
  setAside(segmentId: number, replaced: readonly string[] = []): void {
    this.disk.makeFolder(this.#damaged);
    for (const path of this.pathsOf(segmentId))
      if (this.disk.exists(path))
        this.#move(path, freePath(this.disk, this.#damaged, basename(path)), replaced.includes(path));
    this.disk.syncFolder(this.path);
  }

  /** The segments that were set aside whole, in this run or an earlier one: what was made anew of them is not there. */
  setAsideNames(): readonly string[] {
    if (!this.disk.exists(this.#damaged)) return [];
    return this.setAsideIds().map(id => this.nameOf(id));
  }

  setAsideIds(): readonly number[] {
    if (!this.disk.exists(this.#damaged)) return [];
    const names = this.disk.list(this.#damaged).filter(name => segmentName.test(name));
    const ids = new Set(names.map(name => Number(segmentName.exec(name)?.[1])));
    return [...ids].filter(id => !this.hasRows(id)).sort((a, b) => a - b);
  }

  sync(): void {
    this.disk.syncFolder(this.path);
  }

  /** With `keeps`, the file stays where it is too, where the file system has links. */
  #move(from: string, to: string, keeps: boolean): void {
    if (keeps)
      try {
        return this.disk.link(from, to);
      } catch (error) {
        if (!isOutage(error)) throw error;
      }
    this.disk.rename(from, to);
  }

  /** Of all files that a segment may have. */
  pathsOf(segmentId: number): readonly string[] {
    const rows = this.earlierRows(segmentId);
    const others = [this.volume, this.index, this.facets, this.words, this.checkpoint].map(path =>
      path.call(this, segmentId),
    );
    // The log before its file: without it, the file would be read as if it were whole.
    return [
      `${rows}-wal`,
      `${rows}-shm`,
      rows,
      this.journal(segmentId),
      `${this.journal(segmentId)}.tmp`,
      ...others.flatMap(path => [path, `${path}.tmp`]),
    ];
  }
}

/** Whether a data folder has a log with anything in it, damaged or not. */
export function holdsLog(dataDir: string, disk: Disk = systemDisk): boolean {
  return ['segments', 'damaged'].some(name => {
    const path = join(dataDir, name);
    return disk.exists(path) && idsIn(disk, path).length > 0;
  });
}

/** Something of that name may have been set aside before. */
function freePath(disk: Disk, folder: string, name: string): string {
  const path = join(folder, name);
  for (let number = 1; ; number++) {
    const free = number === 1 ? path : `${path}.${number}`;
    if (!disk.exists(free)) return free;
  }
}

/** Moves a damaged file that is none of a segment's out of the way. */
export function setAsideFile(disk: Disk, dataDir: string, path: string): void {
  const damaged = join(dataDir, 'damaged');
  disk.makeFolder(damaged);
  disk.rename(path, freePath(disk, damaged, basename(path)));
}

/** A journal, or an earlier version's rows file and its write-ahead log, and a volume, whichever of them there is. */
export type RowsSource = {
  readonly journal: string;
  readonly rows: string;
  readonly log: string;
  readonly volume: string;
};

const nameOf = (segmentId: number, kind: string) => `${String(segmentId).padStart(9, '0')}.${kind}`;

function idsIn(disk: Disk, path: string): readonly number[] {
  const ids = disk
    .list(path)
    .map(name => Number(partName.exec(name)?.[1]))
    .filter(id => id > 0);
  return [...new Set(ids)].sort((a, b) => a - b);
}
