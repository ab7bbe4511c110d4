import type { Command } from 'commander';
import type { Account } from '../accounts/rows.ts';
import { loadPlace, loadSecrets, serverSettings } from '../config.ts';
import { Mirrors } from '../mirror/mirrors.ts';
import type { MirrorRows } from '../mirror/rows.ts';
import { Secrets } from '../secrets.ts';
import { openAccounts } from './accounts.ts';
import { openConnections } from './database.ts';
import { settingOption, sourcesOf } from './flags.ts';

export const named = (command: Command) => command.argument('<name>', 'as `mirrors list` shows it');

type Opened = {
  readonly mirrors: Mirrors;
  readonly rows: MirrorRows;
  readonly accounts: {
    readonly account: (name: string) => Promise<Account>;
    readonly names: () => Promise<ReadonlyMap<number, string>>;
  };
};

/** Runs a command on the mirrors of a folder or a database, which running servers may have open too. */
export function withMirrors(command: Command, work: (opened: Opened, argument: string) => Promise<void>): void {
  for (const setting of [serverSettings.dataDir, serverSettings.store, serverSettings.secrets])
    command.addOption(settingOption(setting));
  command.action(async () => {
    const sources = sourcesOf(command);
    const { dataDir, store } = loadPlace(sources);
    await using parts = new AsyncDisposableStack();
    // First: they say when it is the wrong folder.
    const accounts = parts.adopt(await openAccounts(dataDir, store), one => one.close());
    const rows = store === undefined ? await fileRows(dataDir) : await databaseRows(store);
    const mirrors = parts.adopt(new Mirrors(rows, new Secrets(loadSecrets(sources)), Date.now), one => one.close());
    const names = async () => new Map((await accounts.accounts()).map(one => [one.id, one.name]));
    await work({ mirrors, rows, accounts: { account: name => accounts.account(name), names } }, command.args[0] ?? '');
  });
}

async function fileRows(dataDir: string): Promise<MirrorRows> {
  const { SqliteMirrorRows } = await import('../mirror/sqlite/mirror-rows.ts');
  const { openedMade } = await import('../storage/made-files.ts');
  return openedMade(dataDir, 'mirrors.db', path => new SqliteMirrorRows(path));
}

async function databaseRows(url: string): Promise<MirrorRows> {
  const { PostgresMirrorRows } = await import('../mirror/postgres/mirror-rows.ts');
  return new PostgresMirrorRows(await openConnections(url));
}
