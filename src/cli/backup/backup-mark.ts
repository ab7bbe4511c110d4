import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../terminal.ts';
import type { Checksum, Checksums } from './checksums.ts';

/** What names a folder as a whole backup. */
export const markName = 'backup.json';

/** `madeAt` is a date-time. Backups of earlier builds have no `files`. */
export type Mark = { readonly madeAt: string; readonly files?: Checksums };

export function writeMark(folder: string, mark: Mark & { readonly segments: number; readonly bytes: number }): void {
  writeFileSync(join(folder, markName), `${JSON.stringify(mark)}\n`);
}

/** `undefined` when it is damaged; that it is there at all says that the backup was finished. */
export function readMark(folder: string): Mark | undefined {
  const path = join(folder, markName);
  if (!existsSync(path))
    throw new CommandError(`${folder} is no backup, or one that was not finished: it has no ${markName}`);
  return parsed(readFileSync(path, 'utf8'));
}

function parsed(text: string): Mark | undefined {
  try {
    const mark: unknown = JSON.parse(text);
    if (!isObject(mark) || typeof mark.madeAt !== 'string') return undefined;
    const { madeAt, files } = mark;
    if (files === undefined) return { madeAt };
    return areChecksums(files) ? { madeAt, files } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function areChecksums(value: unknown): value is Checksums {
  return isObject(value) && Object.values(value).every(isChecksum);
}

function isChecksum(value: unknown): value is Checksum {
  return isObject(value) && typeof value.bytes === 'number' && typeof value.sha256 === 'string';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
