import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isOwnFile, isOwnFolder } from './kinds.ts';

/**
 * Closes a data folder, and what of it was open, to other users: an older version made it, or somebody copied it. What is
 * made from now on is closed by the program's umask. Gives what could not be changed, since it is another user's.
 */
export function closeToOthers(dataDir: string): readonly string[] {
  const paths = [dataDir, ...inside(dataDir)];
  return paths.filter(path => !isClosed(path));
}

function inside(dataDir: string): readonly string[] {
  return readdirSync(dataDir, { withFileTypes: true }).flatMap(entry => {
    const path = join(dataDir, entry.name);
    if (entry.isFile()) return isOwnFile(entry.name) ? [path] : [];
    if (!entry.isDirectory() || !isOwnFolder(entry.name)) return [];
    return [path, ...readdirSync(path).map(name => join(path, name))];
  });
}

function isClosed(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const mode = found?.isDirectory() ? 0o700 : 0o600;
  if (found === undefined || (found.mode & 0o777) === mode) return true;
  try {
    chmodSync(path, mode);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EPERM' || error.code === 'EROFS')) return false;
    throw error;
  }
}
