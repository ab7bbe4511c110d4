import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Accounts } from '../../accounts/accounts.ts';
import type { AccountRows } from '../../accounts/rows.ts';
import { SqliteAccountRows } from '../../accounts/sqlite/account-rows.ts';
import { loadPlace, loadSecrets, serverSettings } from '../../config.ts';
import type { Connections } from '../../postgres/connections.ts';
import { Secrets } from '../../secrets.ts';
import { type MadeName, openedMade } from '../../storage/made-files.ts';
import { holdsLog } from '../../store/embedded/files/folder.ts';
import { settingOption, sourcesOf } from '../flags.ts';
import { CommandError } from '../terminal.ts';

const statementMsMax = 30_000;

/** The folder or the database that a command works on, which running servers may have open too. */
export type Place = {
  readonly accounts: Accounts;
  readonly secrets: Secrets;
  /** Closed when the command is over. */
  readonly parts: AsyncDisposableStack;
  /** Opens rows that are kept in a file of the folder, or in tables of the database. */
  readonly open: <Rows>(kept: Kept<Rows>) => Promise<Rows>;
};

/** Loaded only where they are: commands on a folder need no client of PostgreSQL. */
export type Kept<Rows> = {
  readonly file: MadeName;
  readonly inFile: () => Promise<(path: string) => Rows>;
  readonly inTables: () => Promise<(connections: Connections) => Rows>;
};

/** Runs a command on a place, by the settings that name it. */
export function withPlace(command: Command, work: (place: Place, argument: string) => Promise<void>): void {
  for (const setting of [serverSettings.dataDir, serverSettings.store, serverSettings.secrets])
    command.addOption(settingOption(setting));
  command.action(async () => {
    const sources = sourcesOf(command);
    const { dataDir, store } = loadPlace(sources);
    await using parts = new AsyncDisposableStack();
    // First: they say when it is the wrong folder.
    const accounts = parts.adopt(await openAccounts(dataDir, store), one => one.close());
    const open: Place['open'] = async ({ file, inFile, inTables }) =>
      store === undefined
        ? openedMade(dataDir, file, await inFile())
        : (await inTables())(await openConnections(store));
    await work({ accounts, secrets: new Secrets(loadSecrets(sources)), parts, open }, command.args[0] ?? '');
  });
}

/** The accounts of a folder, or of a database where one is given. */
export async function openAccounts(dataDir: string, store: string | undefined, mayMake = false): Promise<Accounts> {
  const rows = store === undefined ? fileRows(dataDir, mayMake) : await databaseRows(store, mayMake);
  return new Accounts(rows, Date.now);
}

function fileRows(dataDir: string, mayMake: boolean): AccountRows {
  const file = join(dataDir, 'accounts.db');
  // A command in the wrong folder must not leave a new log behind there.
  // A folder that may not be looked into is told as that, and not as empty.
  const isLog = holdsLog(dataDir);
  if (!mayMake && !isLog && statSync(file, { throwIfNoEntry: false }) === undefined)
    throw new CommandError(`there are no accounts in ${dataDir}: --data-dir says where they are`);
  return new SqliteAccountRows(file, !isLog);
}

async function databaseRows(url: string, mayMake: boolean): Promise<AccountRows> {
  // Only here, so that the commands on a folder need not load the client of PostgreSQL.
  const { openAccountRows } = await import('../../accounts/postgres/account-rows.ts');
  return openAccountRows(url, { mayMake });
}

async function openConnections(url: string): Promise<Connections> {
  const { Connections } = await import('../../postgres/connections.ts');
  const { schemaName } = await import('../../postgres/migrate.ts');
  return new Connections({ url, schema: schemaName, max: 1, statementTimeoutMs: statementMsMax, note: () => {} });
}
