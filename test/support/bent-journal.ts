import { readFileSync, writeFileSync } from 'node:fs';
import { systemDisk } from '../../src/store/embedded/files/disk.ts';
import { scanJournal } from '../../src/store/embedded/rows/journal-format.ts';
import { type FrameKind, frameUnit } from '../../src/store/embedded/rows/row-frame.ts';

/** Of a journal: `flipped`, some bit of these rows is another; `zeroed`, nothing of them is left. All without a number. */
export function bendRows(path: string, how: 'flipped' | 'zeroed', kind: FrameKind, number?: number): void {
  const file = systemDisk.open(path, 'read');
  const { places } = scanJournal(systemDisk, file, systemDisk.size(path) ?? 0);
  systemDisk.close(file);
  const all = kind === 'message' ? places.messages : places.reports;
  const bytes = readFileSync(path);
  for (const place of number === undefined ? all : all.subarray(number, number + 1)) {
    const at = place * frameUnit;
    const end = at + bytes.readUInt32LE(at + 8);
    if (how === 'zeroed') bytes.fill(0, at, end);
    else bytes.writeUInt8(bytes.readUInt8(end - 2) ^ 4, end - 2);
  }
  writeFileSync(path, bytes);
}
