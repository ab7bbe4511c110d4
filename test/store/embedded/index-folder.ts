import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { atOnce } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { type IdSet, idParts, makeIdSet } from '../../../src/store/embedded/segment/id-sets.ts';
import { IndexFile, type Sections, writeIndexFile } from '../../../src/store/embedded/segment/index-file.ts';

const header = {
  hashSeed: 1,
  reports: 0,
  firstSequence: 1,
  minSentAt: 0,
  maxSentAt: 0,
  reportedUntil: null,
  timeBase: 0,
  wideTimes: false,
  rowsBytes: 0,
  rowsCrc: 0,
};

export const allParts = Array.from({ length: idParts }, (_, part) => part);

/** A folder with indexes that have ids alone; gives what their messages' hashes are, by segment. */
export class IndexFolder extends Folder {
  constructor() {
    const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-ids-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    super(dataDir);
  }

  write(segment: number, hashes: readonly number[]): void {
    const order = hashes.map((_, ordinal) => ordinal).sort((a, b) => (hashes[a] ?? 0) - (hashes[b] ?? 0) || a - b);
    const sorted = order.map(ordinal => hashes[ordinal] ?? 0);
    const once = [...new Set(sorted)];
    const ordinals = Uint32Array.from(order);
    // As the sealer writes them: each hash once where many messages have it.
    const sections: Sections =
      once.length * 2 > hashes.length
        ? { 'messageId.hashes': Uint32Array.from(sorted), 'messageId.ordinals': ordinals }
        : {
            'messageId.hashes': Uint32Array.from(once),
            'messageId.starts': Uint32Array.from([...once.map(hash => sorted.indexOf(hash)), sorted.length]),
            'messageId.ordinals': ordinals,
          };
    writeIndexFile(this.disk, this.index(segment), { ...header, segment, messages: hashes.length }, sections);
  }

  open(segment: number): IndexFile {
    const index = new IndexFile(this.index(segment));
    onTestFinished(() => index.close());
    return index;
  }

  /** By part. */
  setsOf(segments: Iterable<number>): readonly IdSet[] {
    const indexes = new Map(Array.from(segments, id => [id, this.open(id)]));
    return allParts.map(part => atOnce(makeIdSet(indexes, part)));
  }
}

/** Spread as the hashes of ids are; the same each time. */
export function spread(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0 || 1;
  });
}
