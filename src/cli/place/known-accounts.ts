import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AccountRows } from '../../accounts/rows.ts';
import { integer } from '../../accounts/sqlite/row.ts';
import type { AccountId } from '../../domain/message.ts';

const statementMsMax = 60_000;

/** Which accounts the log, its mirrors and its senders know that are not there, in ascending order; beside a server, too. */
export async function lostAccounts(
  dataDir: string,
  store: string | undefined,
  rows: Pick<AccountRows, 'lacking'>,
): Promise<readonly AccountId[]> {
  const known = store === undefined ? await knownInFolder(dataDir) : await knownInDatabase(store);
  return [...(await rows.lacking([...new Set(known)]))].sort((a, b) => a - b);
}

async function knownInFolder(dataDir: string): Promise<readonly AccountId[]> {
  const { Folder, holdsLog } = await import('../../store/embedded/files/folder.ts');
  const { accountIdsIn } = await import('../../store/embedded/offline/held-accounts.ts');
  const inLog = holdsLog(dataDir) ? accountIdsIn(new Folder(dataDir)) : [];
  return [...inLog, ...placedInFolder(dataDir)];
}

/** The accounts that mirrors and senders of a folder are of. Nothing is made where there are none. */
export function placedInFolder(dataDir: string): readonly AccountId[] {
  return [...idsIn(join(dataDir, 'mirrors.db'), ['mirror']), ...idsIn(join(dataDir, 'senders.db'), placeTables)];
}

const placeTables = ['sender', 'report_place'];

function idsIn(path: string, tables: readonly string[]): readonly AccountId[] {
  if (!existsSync(path)) return [];
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const there = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
    return tables
      .filter(table => there.get(table) !== undefined)
      .flatMap(table => db.prepare(`SELECT DISTINCT account_id FROM ${table}`).all())
      .map(row => integer(row, 'account_id'));
  } finally {
    db.close();
  }
}

async function knownInDatabase(url: string): Promise<readonly AccountId[]> {
  const { connected } = await import('../../postgres/connections.ts');
  const { schemaName: schema } = await import('../../postgres/migrate.ts');
  const { accountsHeld, accountsPlaced } = await import('../../postgres/held-accounts.ts');
  return connected({ url, schema, statementTimeoutMs: statementMsMax }, async session => [
    ...(await accountsHeld(session)).map(({ id }) => id),
    ...(await accountsPlaced(session)),
  ]);
}
