import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { EpochMs } from '../../../domain/message.ts';
import { minuteMs, minuteOf } from '../../../domain/summary.ts';
import { emptyLogAdvice } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { nodeCrypto } from '../../../threads.ts';
import { StoreUnusable } from '../../store.ts';
import { DamagedIndex, isOutage, OtherFormat } from '../files/damage.ts';
import { type Disk, readWhole, systemDisk, writeWhole } from '../files/disk.ts';
import { holdsLog, setAsideFile } from '../files/folder.ts';
import { seedInLedger } from '../files/ledger.ts';
import { metaIn } from '../rows/journal-format.ts';
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
/**
 * Since it was 2, there may be volumes (3) and journals (4): a program that knows of none must not take segments for
 * lost that consist of these.
 */
const formatVersion = 4;
const earliestVersion = 2;

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
  /** The ledger beside it has begun: where nothing is in it, nothing tells what segments once held. */
  readonly hasLedger?: true;
  /** When it was noticed that there was none any more. */
  readonly ledgerLostAt?: EpochMs;
  /** The damaged segments whose reports are numbered below the newest era, whatever they were. */
  readonly numberedBefore?: readonly string[];
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
  /** What holds is not on disk yet, for want of room. */
  #isBehind = false;

  /** Throws `StoreUnusable` when the log is of another format. */
  constructor(dataDir: string, disk: Disk = systemDisk) {
    this.#folder = dataDir;
    this.#disk = disk;
    const found = attempt(disk, this.#path);
    if (found?.held !== undefined) this.#held = found.held;
    else if (found === undefined && !hasSegments(disk, dataDir) && seedInLedger(dataDir, disk) === undefined)
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
    if (!this.gaps || this.#isBehind) this.#write({ ...this.#held, gaps: true });
  }

  /** When it was noticed that the ledger is lost, and what the segments held is not known; until `ledgerToldLongEnough`. */
  get ledgerLostAt(): EpochMs | undefined {
    return this.#held.ledgerLostAt;
  }

  /** The ledger is lost, and no era has begun since: how far the log had come is not known. */
  get lacksLedger(): boolean {
    return this.ledgerLostAt !== undefined && this.#held.hasLedger !== true;
  }

  /** There is no ledger that holds anything: when there was one, it is lost, and with it what `trust` must allow for. */
  missLedger(now: EpochMs): void {
    const { hasLedger, ...held } = this.#held;
    if (hasLedger === true) this.#writeIfRoom({ ...held, ledgerLostAt: now, gaps: true });
  }

  /** Whether a new ledger may be begun: not before it stands on disk that the old one is lost. */
  get mayBeginLedger(): boolean {
    return !this.#isBehind;
  }

  /** What the segments held when the ledger was lost is past retention by now. */
  ledgerToldLongEnough(): void {
    const { ledgerLostAt: _, ...held } = this.#held;
    this.#writeIfRoom(held);
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
    if (this.#held.accounts !== undefined && this.#held.accounts !== accounts && holdsLog(this.#folder, this.#disk)) {
      const isInCopy = attempt(this.#disk, this.#copyPath)?.held?.accounts === accounts;
      throw new StoreUnusable((isInCopy ? unlikeCopy : othersLog)(this.#folder));
    }
    this.belongTo(accounts);
  }

  /** From now on the log belongs to these accounts; when it returns, that stands on disk. */
  belongTo(accounts: string): void {
    if (accounts !== this.#held.accounts) this.#write({ ...this.#held, accounts });
  }

  /** From now on there may be what older programs know nothing of; when it returns, they refuse the log. */
  refuseOlder(): void {
    if (this.#held.formatVersion !== formatVersion) this.#write({ ...this.#held, formatVersion });
  }

  /** Whether nothing in these damaged segments can have a number that is still to be given. */
  isBeyond(setAside: readonly string[]): boolean {
    const { numberedBefore = [] } = this.#held;
    return !this.lacksLedger && setAside.every(name => numberedBefore.includes(name));
  }

  /** When it returns, the era stands on disk; the ledger must have begun. `setAside`: all segments that are, by now. */
  beginEra(position: Position, sequence: number, setAside: readonly string[]): Era {
    const era = { id: eraId(), position, sequence };
    const { numberedBefore: _, ...held } = this.#held;
    const numberedBefore = setAside.length > 0 && { numberedBefore: setAside };
    this.#write({ ...held, hasLedger: true, eras: [...held.eras, era].slice(-erasMax), ...numberedBefore });
    return era;
  }

  /** Holds at once, also when it throws because it could not be written; it is written again with the next change. */
  trusting(trust: Trust, setAside: readonly string[]): void {
    const { gaps, ...held } = this.#held;
    this.#hold({ ...held, trust, setAside });
    this.#write(this.#held);
  }

  /** On a full disk, which must not keep a log from being read, it holds for this run; the next writes it. */
  #writeIfRoom(held: Held): void {
    this.#hold(held);
    try {
      this.#write(held);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  #hold(held: Held): void {
    this.#held = held;
    this.#isBehind = true;
  }

  get #path(): string {
    return join(this.#folder, 'log.json');
  }

  get #copyPath(): string {
    return `${this.#path}.copy`;
  }

  /** The copy first: where the file itself cannot be read, it must not be the older one. */
  #write(held: Held): Held {
    const text = Buffer.from(writtenLog(held));
    for (const path of [this.#copyPath, this.#path]) writeWhole(this.#disk, path, [text]);
    this.#disk.syncFolder(this.#folder);
    this.#held = held;
    this.#isBehind = false;
    return held;
  }
}

/**
 * Whether a folder's log names the accounts that it belongs to. Of `log.json` and its copy the one counts that is opened:
 * an older log's, brought back beside a newer copy, must be proven whatever the copy says.
 */
export function namesAccounts(dataDir: string, disk: Disk = systemDisk): boolean {
  return heldBeside(dataDir, disk)?.accounts !== undefined;
}

/** The seed of a folder's log, as its files tell; `undefined` when none does. Nothing is changed. */
export function seedOf(dataDir: string, disk: Disk = systemDisk): number | undefined {
  return heldBeside(dataDir, disk)?.hashSeed ?? hashSeedOf(disk, dataDir);
}

/** What `LogFile` would open, of `log.json` or else of its copy. */
function heldBeside(dataDir: string, disk: Disk): Held | undefined {
  const [held] = ['log.json', 'log.json.copy'].flatMap(name => attempt(disk, join(dataDir, name))?.held ?? []);
  return held;
}

/** What is said where the accounts of a folder are not those that its log belongs to. */
export const othersLog = (folder: string) =>
  `accounts.db in ${folder} is not of this log: restore the one that is from a backup, or move accounts.db away and give ` +
  `the log to a new account by \`sentlog accounts adopt NAME\`, or ${emptyLogAdvice}`;

/** What is said where one of the two that say whose the log is names them, and the other does not. */
const unlikeCopy = (folder: string) =>
  `log.json in ${folder} names other accounts than log.json.copy, which names those beside it: if log.json is damaged, move it ` +
  'away, and it is made again of its copy; if it is of another log, restore what is of this one from a backup';

/** What is said where they can be only if a clock was wrong. */
export const laterLog = (folder: string) =>
  `accounts.db in ${folder} is not of this log, which has messages of one of its accounts from before that was made: restore ` +
  'the one that is from a backup, or, where the clock was ahead when that account was made, say that it is by ' +
  '`sentlog accounts adopt --all --despite-clock`';

/** What is said where they may be. */
export const unprovenLog = (folder: string) =>
  `the log in ${folder} does not say whose it is, as version 0.1.0 left it: if accounts.db beside it is its own, say so by ` +
  '`sentlog accounts adopt --all`; if not, restore the one that is';

const eraId = () => nodeCrypto().randomBytes(4).readUInt32LE() & 0x7fffffff;

function newLog() {
  const firstEra = { id: eraId(), position: 0, sequence: 0 };
  const hashSeed = nodeCrypto().randomBytes(4).readUInt32LE();
  return { hashSeed, eras: [firstEra], trust: new Trust(Number.MIN_SAFE_INTEGER), setAside: [] };
}

/** What is trusted stands beside the rest, where older versions look for it. */
function writtenLog({ trust, ...held }: Held): string {
  return withSum({ ...held, ...trust.toJSON() });
}

/** The text of `log.json` with these fields: beside them their sum, which versions of before neither wrote nor look at. */
export function withSum(fields: object): string {
  return `${JSON.stringify({ ...fields, sum: sumOf(fields) })}\n`;
}

const sumOf = (fields: object) => crc32(JSON.stringify(fields));

/** What is not known is whether the counts that segments keep add up: those from now on do; and whether there was a ledger. */
function derivedLog(disk: Disk, dataDir: string) {
  const trust = new Trust(minuteOf(Date.now() + limits.futureSkewMs) + minuteMs);
  const hashSeed = hashSeedOf(disk, dataDir);
  return { ...newLog(), ...(hashSeed !== undefined && { hashSeed }), trust, hasLedger: true as const };
}

/**
 * The seed that the hashes of a segment were made with; another one would have every index made again, and what the ledger
 * says taken for another log's.
 */
function hashSeedOf(disk: Disk, dataDir: string): number | undefined {
  const folder = join(dataDir, 'segments');
  const names = disk.exists(folder) ? disk.list(folder) : [];
  for (const name of names.filter(one => one.endsWith('.index'))) {
    try {
      const index = new IndexFile(join(folder, name), disk);
      index.close();
      return index.header.hashSeed;
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
    }
  }
  return seedInLedger(dataDir, disk) ?? seedInJournals(disk, folder, names);
}

/** Of a log that has no index yet. */
function seedInJournals(disk: Disk, folder: string, names: readonly string[]): number | undefined {
  for (const name of names.filter(one => one.endsWith('.journal'))) {
    const path = join(folder, name);
    const file = disk.open(path, 'read');
    try {
      const seed = metaIn(disk, file, disk.size(path) ?? 0)?.hashSeed;
      if (seed !== undefined) return seed;
    } finally {
      disk.close(file);
    }
  }
  return undefined;
}

function hasSegments(disk: Disk, dataDir: string): boolean {
  const folder = join(dataDir, 'segments');
  return disk.exists(folder) && disk.list(folder).some(name => /\.(?:journal|rows\.db|volume)$/.test(name));
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
  // Before its format is looked at: one that a flipped bit made is no other version's.
  const { sum, ...fields } = { sum: undefined, ...held };
  if (sum !== undefined && sum !== sumOf(fields))
    throw new StoreUnusable(`${path} is damaged: its checksum does not match`);
  const version = held.formatVersion;
  if (typeof version !== 'number' || !(version >= earliestVersion && version <= formatVersion))
    throw new OtherFormat(`${path} is`, version, formatVersion);
  if (typeof held.hashSeed !== 'number' || !('eras' in held) || !Array.isArray(held.eras) || !held.eras.every(isEra))
    throw new StoreUnusable(`${path} is damaged: its hashSeed or its eras are missing`);
  const { hashSeed, eras } = held;
  const trust = Trust.of(held);
  const setAside = 'setAside' in held && Array.isArray(held.setAside) ? held.setAside : undefined;
  if (trust === undefined || setAside === undefined || !setAside.every(name => typeof name === 'string'))
    throw new StoreUnusable(`${path} is damaged: it does not say since when counts can be trusted`);
  const accounts = 'accounts' in held && typeof held.accounts === 'string' && { accounts: held.accounts };
  const gaps = 'gaps' in held && held.gaps === true && { gaps: true as const };
  return {
    formatVersion: version,
    hashSeed,
    eras,
    trust,
    setAside,
    ...gaps,
    ...accounts,
    ...ledgerIn(held),
    ...numberedBeforeIn(held),
  };
}

/** What cannot be made out is left out: the numbers then leave more room than they need. */
function numberedBeforeIn(held: object): Pick<Held, 'numberedBefore'> {
  const given = 'numberedBefore' in held && Array.isArray(held.numberedBefore) ? held.numberedBefore : [];
  const numberedBefore = given.filter(name => typeof name === 'string');
  return numberedBefore.length > 0 ? { numberedBefore } : {};
}

function ledgerIn(held: object): Pick<Held, 'hasLedger' | 'ledgerLostAt'> {
  const hasLedger = 'hasLedger' in held && held.hasLedger === true;
  const lostAt = 'ledgerLostAt' in held && typeof held.ledgerLostAt === 'number' && { ledgerLostAt: held.ledgerLostAt };
  return { ...(hasLedger && { hasLedger }), ...lostAt };
}

function isEra(value: unknown): value is Era {
  if (typeof value !== 'object' || value === null) return false;
  if (!('id' in value) || !('position' in value) || !('sequence' in value)) return false;
  return [value.id, value.position, value.sequence].every(Number.isSafeInteger);
}
