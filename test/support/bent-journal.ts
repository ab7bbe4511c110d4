import { readFileSync, writeFileSync } from 'node:fs';
import { systemDisk } from '../../src/store/embedded/files/disk.ts';
import { type Places, scanJournal } from '../../src/store/embedded/rows/journal-format.ts';
import { type FrameKind, frameUnit } from '../../src/store/embedded/rows/row-frame.ts';

type How = 'flipped' | 'zeroed';

/** Where the rows of a sound journal stand. */
export function placesIn(path: string): Places {
  const file = systemDisk.open(path, 'read');
  const { places } = scanJournal(systemDisk, file, systemDisk.size(path) ?? 0);
  systemDisk.close(file);
  return places;
}

/** Of a sound journal: `flipped`, some bit of these rows is another; `zeroed`, nothing of them is left. All without a number. */
export function bendRows(path: string, how: How, kind: FrameKind, number?: number): void {
  const places = placesIn(path);
  const all = kind === 'message' ? places.messages : places.reports;
  bendAt(path, how, number === undefined ? all : all.subarray(number, number + 1));
}

/** The same of rows that stand at these places. */
export function bendAt(path: string, how: How, places: Iterable<number>): void {
  const bytes = readFileSync(path);
  for (const place of places) {
    const at = place * frameUnit;
    const end = at + bytes.readUInt32LE(at + 8);
    if (how === 'zeroed') bytes.fill(0, at, end);
    else bytes.writeUInt8(bytes.readUInt8(end - 2) ^ 4, end - 2);
  }
  writeFileSync(path, bytes);
}
