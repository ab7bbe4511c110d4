import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import chromium from '@sparticuz/chromium';

/** Last, since whoever finds it takes all the others to be there. */
const program = 'chromium';

/**
 * Unpacks the browser before any test file wants it, and puts it in its place when it is whole. The package unpacks it there
 * at the first use: another file would start what is still being written, and a run that ends meanwhile would leave a part.
 */
export default async function setup(): Promise<void> {
  const place = tmpdir();
  if (existsSync(join(place, program))) return;
  const unpacked = mkdtempSync(join(place, 'chromium-'));
  try {
    await unpackInto(unpacked);
    const names = readdirSync(unpacked).filter(name => name !== program);
    for (const name of [...names, program]) {
      rmSync(join(place, name), { recursive: true, force: true });
      renameSync(join(unpacked, name), join(place, name));
    }
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/** The package asks the system for its temporary folder. */
async function unpackInto(folder: string): Promise<void> {
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  try {
    await chromium.executablePath();
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
}
