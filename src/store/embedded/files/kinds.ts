import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnusable } from '../../store.ts';

/** Whatever databases there are, and what lies beside these while they are open. */
const ownFiles =
  /^(?:[a-z]+\.db|log\.json)(?:[-.].*)?$|^(?:lock\.pid|databases|ledger|ledger\.copy|reserve|clock(?:\.tmp)?)$/;
/** Those of them that are opened, and what is written before it takes their place: a name that only begins so is a copy's. */
const openedFiles =
  /^(?:[a-z]+\.db(?:-wal|-shm|-journal)?|(?:log\.json(?:\.copy)?|reserve|clock)(?:\.tmp)?|lock\.pid|databases|ledger|ledger\.copy)$/;
/** With a number, those that were set aside after others of their names. */
const segmentFiles =
  /^\d{9,}\.(?:journal|rows\.db(?:-wal|-shm|-journal)?|volume|index|facets|words|checkpoint)(?:\.tmp)?(?:\.\d+)?$/;
const ownFolders: readonly string[] = ['segments', 'damaged'];

/** What belongs to a data folder, by its name there: nothing else in it is ours to look at. */
export const isOwnFile = (name: string) => ownFiles.test(name);
export const isOwnFolder = (name: string) => ownFolders.includes(name);

/**
 * Throws `StoreUnusable` where a folder stands in the place of a file, or a file in that of a folder: the system's own
 * words for it say neither which one it is nor what to do.
 */
export function refuseOtherKinds(dataDir: string): void {
  for (const entry of entriesOf(dataDir)) {
    const path = join(dataDir, entry.name);
    if (openedFiles.test(entry.name)) refuseFolder(path, entry);
    if (!isOwnFolder(entry.name)) continue;
    if (!isFolder(path, entry))
      throw new StoreUnusable(`${path} is a file, and not the folder that belongs there: move it away`);
    for (const inner of entriesOf(path))
      if (segmentFiles.test(inner.name) || openedFiles.test(inner.name)) refuseFolder(join(path, inner.name), inner);
  }
}

function refuseFolder(path: string, entry: Dirent): void {
  if (!isFolder(path, entry)) return;
  throw new StoreUnusable(
    `${path} is a folder, and not the file that belongs there: move it away, and restore the file from a backup if there is one`,
  );
}

const entriesOf = (path: string) => (isThere(path) ? readdirSync(path, { withFileTypes: true }) : []);
const isThere = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Either may be a link to what stands elsewhere. */
function isFolder(path: string, entry: Dirent): boolean {
  return entry.isDirectory() || (entry.isSymbolicLink() && isThere(path));
}
