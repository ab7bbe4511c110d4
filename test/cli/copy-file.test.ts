import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { copyIfThere } from '../../src/cli/backup/copy-file.ts';
import { type Disk, systemDisk } from '../../src/store/embedded/files/disk.ts';

test('a file that becomes shorter while it is copied → the copy ends where the file does', () => {
  const place = mkdtempSync(join(tmpdir(), 'sentlog-copies-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  const [from, to] = [join(place, 'from'), join(place, 'to')];
  writeFileSync(from, Buffer.alloc(3 << 20, 'x'));
  let reads = 0;
  const disk: Disk = {
    ...systemDisk,
    read(file, into, position) {
      if (++reads === 2) truncateSync(from, 10);
      if (reads > 5) throw new Error('the copy does not end');
      return systemDisk.read(file, into, position);
    },
  };
  expect(copyIfThere(from, to, disk)).toBe(true);
  expect(readFileSync(to).byteLength).toBe(1 << 20);
  expect(copyIfThere(join(place, 'none'), join(place, 'none-copied'), disk)).toBe(false);
  expect(existsSync(join(place, 'none-copied'))).toBe(false);
});
