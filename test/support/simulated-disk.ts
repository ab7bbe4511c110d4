import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Disk, type OpenMode, systemDisk } from '../../src/store/embedded/files/disk.ts';

/** Numbers from 0 to 1 that follow from a seed. */
export type Random = () => number;

export function randomOf(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const below = (random: Random, end: number) => Math.floor(random() * end);

/** The machine lost its power: nothing is done any more. */
export class PowerCut extends Error {}

/** What fails: the calls from one to before another, counted from 0; `cut` ends all. */
export type Fault = { readonly kind: 'cut' | 'ENOSPC' | 'EIO'; readonly from: number; readonly to: number };

/** `bytes` is absent where all behind `at` was cut off. */
type Write = { readonly at: number; readonly bytes?: Buffer };
/** A file with what the disk has of it for certain, and what was written since. */
type Content = { synced: Buffer; readonly writes: Write[] };

/** A name that was made, moved or removed, while its folder was not synced since. */
type NameChange =
  | { readonly kind: 'made'; readonly path: string }
  | { readonly kind: 'moved'; readonly path: string; readonly from: string; readonly replaced: Buffer | undefined }
  | { readonly kind: 'removed'; readonly path: string; readonly held: Buffer };

/** Calls that need room on the disk. */
const growing: ReadonlySet<keyof Disk> = new Set(['open', 'write', 'sync', 'syncData', 'rename', 'link']);

/**
 * A disk over a real folder that knows what of it a power cut may take. What SQLite writes goes by it, and is whole.
 * `crashed` makes the folder that is found after the cut: of what was not synced, each write is there, gone, torn or with
 * a bit flipped, in any order, and of the changes to the names of each folder the last ones may be undone.
 */
export class SimulatedDisk implements Disk {
  /** Calls that were made. */
  calls = 0;
  readonly #random: Random;
  readonly #faults: readonly Fault[];
  readonly #contents = new Map<string, Content>();
  readonly #open = new Map<number, string>();
  #names: NameChange[] = [];

  constructor(random: Random, faults: readonly Fault[] = []) {
    this.#random = random;
    this.#faults = faults;
  }

  open(path: string, mode: OpenMode): number {
    if (mode !== 'read') this.#call('open');
    const isNew = !existsSync(path);
    const file = systemDisk.open(path, mode);
    this.#open.set(file, path);
    if (mode === 'read') return file;
    if (isNew) this.#names.push({ kind: 'made', path });
    if (isNew || mode === 'write') this.#contents.set(path, { synced: Buffer.alloc(0), writes: [] });
    return file;
  }

  close(file: number): void {
    this.#open.delete(file);
    systemDisk.close(file);
  }

  read(file: number, into: Uint8Array, position: number | null): number {
    this.#call('read');
    return systemDisk.read(file, into, position);
  }

  write(file: number, from: Uint8Array, position: number): void {
    const path = this.#open.get(file) ?? '';
    this.#contentOf(path).writes.push({ at: position, bytes: Buffer.from(from) });
    try {
      this.#call('write');
    } catch (error) {
      // Some of it may have been written.
      systemDisk.write(file, from.subarray(0, below(this.#random, from.byteLength)), position);
      throw error;
    }
    systemDisk.write(file, from, position);
  }

  truncate(file: number, bytes: number): void {
    this.#call('truncate');
    const path = this.#open.get(file) ?? '';
    this.#contentOf(path).writes.push({ at: bytes });
    systemDisk.truncate(file, bytes);
  }

  sync(file: number): void {
    this.#sync('sync', this.#open.get(file) ?? '');
  }

  syncData(file: number): void {
    this.#sync('syncData', this.#open.get(file) ?? '');
  }

  /**
   * What could not be synced is there, gone, torn or flipped from then on, while it is read as it was written: the system
   * takes it for synced, and a later sync does nothing for it.
   */
  #sync(name: 'sync' | 'syncData', path: string): void {
    const content = this.#contents.get(path);
    try {
      this.#call(name);
    } catch (error) {
      if (content === undefined || error instanceof PowerCut) throw error;
      content.synced = this.#left(content);
      content.writes.splice(0);
      throw error;
    }
    if (content === undefined) return;
    content.synced = applied(content.synced, content.writes.splice(0));
    if (content.synced.equals(readFileSync(path))) this.#contents.delete(path);
  }

  /** The power may be cut before it is done: it never is. */
  syncDataLater(): void {}

  syncFolder(path: string): void {
    this.#call('syncFolder');
    this.#names = this.#names.filter(change => dirname(change.path) !== path);
  }

  exists(path: string): boolean {
    return systemDisk.exists(path);
  }

  identity(path: string): string | undefined {
    return systemDisk.identity(path);
  }

  size(path: string): number | undefined {
    return systemDisk.size(path);
  }

  list(path: string): readonly string[] {
    return systemDisk.list(path);
  }

  makeFolder(path: string): void {
    systemDisk.makeFolder(path);
  }

  rename(from: string, to: string): void {
    this.#call('rename');
    const replaced = existsSync(to) ? readFileSync(to) : undefined;
    systemDisk.rename(from, to);
    this.#names.push({ kind: 'moved', path: to, from, replaced });
    const content = this.#contents.get(from);
    this.#contents.delete(from);
    this.#contents.delete(to);
    if (content !== undefined) this.#contents.set(to, content);
  }

  link(from: string, to: string): void {
    this.#call('link');
    systemDisk.link(from, to);
    this.#names.push({ kind: 'made', path: to });
  }

  remove(path: string): void {
    this.#call('remove');
    if (!existsSync(path)) return;
    this.#names.push({ kind: 'removed', path, held: readFileSync(path) });
    systemDisk.remove(path);
    this.#contents.delete(path);
  }

  async removeLater(path: string): Promise<void> {
    this.remove(path);
  }

  freeBytes(path: string): number {
    return systemDisk.freeBytes(path);
  }

  /** Makes what is found in a folder after the power was cut, as another folder. */
  crashed(folder: string, copy: string): void {
    cpSync(folder, copy, { recursive: true, filter: path => !/-shm$|lock\./.test(path) });
    const copied = (path: string) => join(copy, relative(folder, path));
    for (const [path, content] of this.#contents)
      if (existsSync(copied(path))) writeFileSync(copied(path), this.#left(content));
    for (const path of new Set(this.#names.map(change => dirname(change.path)))) {
      const changes = this.#names.filter(change => dirname(change.path) === path);
      const kept = below(this.#random, changes.length + 1);
      for (const change of changes.slice(kept).reverse()) undo(change, copied);
    }
  }

  #contentOf(path: string): Content {
    let content = this.#contents.get(path);
    if (content === undefined) {
      content = { synced: readFileSync(path), writes: [] };
      this.#contents.set(path, content);
    }
    return content;
  }

  #left({ synced, writes }: Content): Buffer {
    // What is written over itself is there whatever comes of that: a sector is written whole, or not at all.
    const isThere = ({ at, bytes }: Write) => bytes?.equals(synced.subarray(at, at + bytes.byteLength));
    const left = writes.flatMap(write => (isThere(write) ? [write] : this.#attempt(write)));
    // In most crashes the order is that of the writes.
    if (this.#random() < 0.3) left.sort(() => this.#random() - 0.5);
    return applied(synced, left);
  }

  /** What becomes of a write that was not synced. */
  #attempt({ at, bytes }: Write): readonly Write[] {
    if (bytes === undefined) return this.#random() < 0.5 ? [{ at }] : [];
    const fate = below(this.#random, 8);
    if (fate < 4) return [{ at, bytes }];
    if (fate < 6) return [];
    if (fate === 6) return [{ at, bytes: bytes.subarray(0, below(this.#random, bytes.byteLength)) }];
    const flipped = Buffer.from(bytes);
    const place = below(this.#random, bytes.byteLength);
    if (place < flipped.byteLength) flipped.writeUInt8(flipped.readUInt8(place) ^ (1 << below(this.#random, 8)), place);
    return [{ at, bytes: flipped }];
  }

  #call(name: keyof Disk): void {
    const at = this.calls++;
    for (const { kind, from, to } of this.#faults) {
      if (at < from || (kind !== 'cut' && at >= to)) continue;
      if (kind === 'cut') throw new PowerCut(`the power was cut at call ${at}, ${name}`);
      if (kind === 'EIO' || growing.has(name))
        throw Object.assign(new Error(`${kind}: simulated, ${name}`), { code: kind, syscall: name });
    }
  }
}

function applied(synced: Buffer, writes: readonly Write[]): Buffer {
  let bytes = Buffer.from(synced);
  for (const write of writes) {
    const end = write.at + (write.bytes?.byteLength ?? 0);
    if (end > bytes.byteLength) bytes = Buffer.concat([bytes, Buffer.alloc(end - bytes.byteLength)]);
    if (write.bytes === undefined) bytes = bytes.subarray(0, write.at);
    else write.bytes.copy(bytes, write.at);
  }
  return bytes;
}

function undo(change: NameChange, copied: (path: string) => string): void {
  const path = copied(change.path);
  if (change.kind === 'removed') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, change.held);
  } else if (change.kind === 'made') rmSync(path, { force: true });
  else {
    if (existsSync(path)) renameSync(path, copied(change.from));
    if (change.replaced !== undefined) writeFileSync(path, change.replaced);
  }
}
