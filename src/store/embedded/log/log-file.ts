import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { minuteMs, minuteOf } from '../../../domain/summary.ts';
import { limits } from '../../../limits.ts';
import { StoreUnusable } from '../../store.ts';
import { DamagedIndex, OtherFormat } from '../files/damage.ts';
import { type Disk, readWhole, systemDisk, writeWhole } from '../files/disk.ts';
import { holdsLog, setAsideFile } from '../files/folder.ts';
import { IndexFile } from '../segment/index-file.ts';
import type { Position } from '../segment/position.ts';
import { Trust } from './trust.ts';

/**
 * A run of the log's life that one process wrote: from this position and this sequence on, until the next era begins.
 * A place in the change feed names the era it was made in: in a folder restored from a copy the log goes on otherwise
 * than it did, and a place that this history does not lead to must not be taken for one that it does.
 */
export type Era = { readonly id: number; readonly position: Position; readonly sequence: number };

/** Eras that are remembered; places of older ones are refused. */
const erasMax = 1000;
const formatVersion = 2;
/** As 2, with volumes in the place of rows files: a program that knows of none must not take these for lost. */
const volumesVersion = 3;

type Held = {
  readonly formatVersion: number;
  readonly hashSeed: number;
  readonly eras: readonly Era[];
  readonly trust: Trust;
  readonly setAside: readonly string[];
  /** Something is lost that `trust` does not allow for yet. */
  readonly gaps?: true;
  /** What tells the accounts apart whose messages these are. */
  readonly accounts?: string;
};

/**
 * `log.json`: what holds for the whole log and is written seldom. Made with the log; only the writer changes it. Kept
 * twice: what cannot be read is set aside, and made again of its copy, or of what the segments tell.
 */
export class LogFile {
  /** What was wrong with the file when it was opened, and what came of it. */
  readonly damage: string | undefined;
  readonly #folder: string;
  readonly #disk: Disk;
  #held: Held;

  /** Throws `StoreUnusable` when the log is of another format. */
  constructor(dataDir: string, disk: Disk = systemDisk) {
    this.#folder = dataDir;
    this.#disk = disk;
    const found = attempt(disk, this.#path);
    if (found?.held !== undefined) this.#held = found.held;
    else if (found === undefined && !hasSegments(disk, dataDir))
      // New, or the machine stopped before the file stood beside its copy.
      this.#held = this.#write(attempt(disk, this.#copyPath)?.held ?? { formatVersion, ...newLog() });
    else {
      const copy = attempt(disk, this.#copyPath)?.held;
      const whence = copy === undefined ? 'the segments; who follows the log begins anew' : 'its copy';
      this.damage = `${found?.flaw ?? `${this.#path} is missing`}: it was made again of ${whence}`;
      if (found !== undefined) setAsideFile(disk, dataDir, this.#path);
      this.#held = this.#write(copy ?? { formatVersion, ...derivedLog(disk, dataDir) });
    }
  }

  /** The seed of this log's hashes. */
  get hashSeed(): number {
    return this.#held.hashSeed;
  }

  /** Oldest first; never empty. */
  get eras(): readonly Era[] {
    return this.#held.eras;
  }

  /** From which minutes on the counts that segments keep add up to what the log holds. */
  get trust(): Trust {
    return this.#held.trust;
  }

  /** The damaged segments that `trust` allows for. */
  get setAside(): readonly string[] {
    return this.#held.setAside;
  }

  /** Whether something is lost that `trust` does not allow for: a process ended before it did. */
  get gaps(): boolean {
    return this.#held.gaps === true;
  }

  /** Before a loss is written down anywhere: when it returns, no start takes the counts for the whole any more. */
  noteGaps(): void {
    if (!this.gaps) this.#write({ ...this.#held, gaps: true });
  }

  /** The identity of the accounts that the log belongs to; `undefined` when an older version wrote it. */
  get accounts(): string | undefined {
    return this.#held.accounts;
  }

  /**
   * Opens the log for these accounts alone: one account's id may be another's among other accounts. Throws
   * `StoreUnusable` when it belongs to others.
   */
  claim(accounts: string): void {
    if (this.#held.accounts !== undefined && this.#held.accounts !== accounts && holdsLog(this.#folder, this.#disk))
      throw new StoreUnusable(othersLog(this.#folder));
    this.belongTo(accounts);
  }

  /** From now on the log belongs to these accounts; when it returns, that stands on disk. */
  belongTo(accounts: string): void {
    if (accounts !== this.#held.accounts) this.#write({ ...this.#held, accounts });
  }

  /** From now on there may be volumes; when it returns, older programs refuse the log. */
  holdVolumes(): void {
    if (this.#held.formatVersion !== volumesVersion) this.#write({ ...this.#held, formatVersion: volumesVersion });
  }

  /** When it returns, the era stands on disk. */
  beginEra(position: Position, sequence: number): Era {
    const era = { id: eraId(), position, sequence };
    this.#write({ ...this.#held, eras: [...this.#held.eras, era].slice(-erasMax) });
    return era;
  }

  /** Holds at once, also when it throws because it could not be written; it is written again with the next change. */
  trusting(trust: Trust, setAside: readonly string[]): void {
    const { gaps, ...held } = this.#held;
    this.#held = { ...held, trust, setAside };
    this.#write(this.#held);
  }

  get #path(): string {
    return join(this.#folder, 'log.json');
  }

  get #copyPath(): string {
    return `${this.#path}.copy`;
  }

  /** The copy first: where the file itself cannot be read, it must not be the older one. */
  #write(held: Held): Held {
    const text = Buffer.from(`${writtenLog(held)}\n`);
    for (const path of [this.#copyPath, this.#path]) writeWhole(this.#disk, path, [text]);
    this.#disk.syncFolder(this.#folder);
    this.#held = held;
    return held;
  }
}

/** Whether `log.json` in a folder, or its copy, names the accounts that the log belongs to; what is damaged names none. */
export function namesAccounts(dataDir: string, disk: Disk = systemDisk): boolean {
  return ['log.json', 'log.json.copy'].some(name => {
    const path = join(dataDir, name);
    try {
      const held: unknown = disk.exists(path) ? JSON.parse(readWhole(disk, path).toString()) : undefined;
      return typeof held === 'object' && held !== null && 'accounts' in held && typeof held.accounts === 'string';
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  });
}

/** The seed of a folder's log, as its files tell; `undefined` when none does. Nothing is changed. */
export function seedOf(dataDir: string, disk: Disk = systemDisk): number | undefined {
  const names = ['log.json', 'log.json.copy'];
  const [held] = names.flatMap(name => attempt(disk, join(dataDir, name))?.held ?? []);
  return held?.hashSeed ?? hashSeedOf(disk, dataDir);
}

/** What is said where the accounts of a folder are not those that its log belongs to. */
export const othersLog = (folder: string) =>
  `accounts.db in ${folder} is not of this log: restore the one that is from a backup, or move accounts.db away and give ` +
  'the log to a new account by `sentlog accounts adopt NAME`, or move segments/ away to begin an empty log';

/** What is said where they may be. */
export const unprovenLog = (folder: string) =>
  `the log in ${folder} does not say whose it is, as version 0.1.0 left it: if accounts.db beside it is its own, say so by ` +
  '`sentlog accounts adopt --all`; if not, restore the one that is';

const eraId = () => randomBytes(4).readUInt32LE() & 0x7fffffff;

function newLog() {
  const firstEra = { id: eraId(), position: 0, sequence: 0 };
  const hashSeed = randomBytes(4).readUInt32LE();
  return { hashSeed, eras: [firstEra], trust: new Trust(Number.MIN_SAFE_INTEGER), setAside: [] };
}

/** What is trusted stands beside the rest, where older versions look for it. */
function writtenLog({ trust, ...held }: Held): string {
  return JSON.stringify({ ...held, ...trust.toJSON() });
}

/** What is not known is whether the counts that segments keep add up: those from now on do. */
function derivedLog(disk: Disk, dataDir: string) {
  const trust = new Trust(minuteOf(Date.now() + limits.futureSkewMs) + minuteMs);
  const hashSeed = hashSeedOf(disk, dataDir);
  const volumes = hasNames(disk, dataDir, '.volume') && { formatVersion: volumesVersion };
  return { ...newLog(), ...(hashSeed !== undefined && { hashSeed }), trust, ...volumes };
}

/** The seed that the hashes of a segment were made with; another one would have every index made again. */
function hashSeedOf(disk: Disk, dataDir: string): number | undefined {
  const folder = join(dataDir, 'segments');
  for (const name of disk.list(folder).filter(name => name.endsWith('.index'))) {
    try {
      const index = new IndexFile(join(folder, name), disk);
      index.close();
      return index.header.hashSeed;
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
    }
  }
  return undefined;
}

function hasSegments(disk: Disk, dataDir: string): boolean {
  return hasNames(disk, dataDir, '.rows.db') || hasNames(disk, dataDir, '.volume');
}

function hasNames(disk: Disk, dataDir: string, end: string): boolean {
  const folder = join(dataDir, 'segments');
  return disk.exists(folder) && disk.list(folder).some(name => name.endsWith(end));
}

/** `undefined` when there is no such file. */
function attempt(disk: Disk, path: string): { readonly held?: Held; readonly flaw?: string } | undefined {
  if (!disk.exists(path)) return undefined;
  try {
    return { held: heldIn(disk, path) };
  } catch (error) {
    if (!(error instanceof StoreUnusable) || error instanceof OtherFormat) throw error;
    return { flaw: error.message };
  }
}

function heldIn(disk: Disk, path: string): Held {
  // A disk that cannot read it now has not damaged it.
  const text = readWhole(disk, path).toString();
  let held: unknown;
  try {
    held = JSON.parse(text);
  } catch (cause) {
    throw new StoreUnusable(`${path} is damaged: it is not JSON`, { cause });
  }
  if (typeof held !== 'object' || held === null || !('formatVersion' in held) || !('hashSeed' in held))
    throw new StoreUnusable(`${path} is damaged: it holds no hashSeed`);
  if (held.formatVersion !== formatVersion && held.formatVersion !== volumesVersion)
    throw new OtherFormat(`${path} is`, held.formatVersion, volumesVersion);
  if (typeof held.hashSeed !== 'number' || !('eras' in held) || !Array.isArray(held.eras) || !held.eras.every(isEra))
    throw new StoreUnusable(`${path} is damaged: its hashSeed or its eras are missing`);
  const { hashSeed, eras } = held;
  const trust = Trust.of(held);
  const setAside = 'setAside' in held && Array.isArray(held.setAside) ? held.setAside : undefined;
  if (trust === undefined || setAside === undefined || !setAside.every(name => typeof name === 'string'))
    throw new StoreUnusable(`${path} is damaged: it does not say since when counts can be trusted`);
  const accounts = 'accounts' in held && typeof held.accounts === 'string' && { accounts: held.accounts };
  const gaps = 'gaps' in held && held.gaps === true && { gaps: true as const };
  return { formatVersion: held.formatVersion, hashSeed, eras, trust, setAside, ...gaps, ...accounts };
}

function isEra(value: unknown): value is Era {
  if (typeof value !== 'object' || value === null) return false;
  if (!('id' in value) || !('position' in value) || !('sequence' in value)) return false;
  return [value.id, value.position, value.sequence].every(Number.isSafeInteger);
}
