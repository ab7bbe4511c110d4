import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadPlace, loadSecrets, serverSettings } from '../config.ts';
import type { AccountId } from '../domain/message.ts';
import { Secrets } from '../secrets.ts';
import { type ReportPlaceRows, ReportPlaces } from '../senders/report-places.ts';
import type { SenderRows } from '../senders/rows.ts';
import { Senders } from '../senders/senders.ts';
import { openAccounts } from './accounts.ts';
import { openConnections } from './database.ts';
import { settingOption, sourcesOf } from './flags.ts';

type Opened = {
  readonly senders: Senders;
  readonly reportPlaces: ReportPlaces;
  readonly account: (name: string) => Promise<AccountId>;
  readonly names: ReadonlyMap<AccountId, string>;
};

/** Runs a command on the senders, which running servers may have open too. */
export function withSenders(command: Command, work: (opened: Opened) => Promise<void>): void {
  for (const setting of [serverSettings.dataDir, serverSettings.store, serverSettings.secrets])
    command.addOption(settingOption(setting));
  command.action(async () => {
    const sources = sourcesOf(command);
    const { dataDir, store } = loadPlace(sources);
    await using parts = new AsyncDisposableStack();
    // First: they say when it is the wrong folder.
    const accounts = parts.adopt(await openAccounts(dataDir, store), one => one.close());
    const rows = await openRows(dataDir, store);
    const secrets = new Secrets(loadSecrets(sources));
    const senders = parts.adopt(new Senders(rows, secrets, Date.now), one => one.close());
    const reportPlaces = new ReportPlaces(rows, secrets, Date.now);
    const names = new Map((await accounts.accounts()).map(one => [one.id, one.name]));
    await work({ senders, reportPlaces, account: async name => (await accounts.account(name)).id, names });
  });
}

async function openRows(dataDir: string, store: string | undefined): Promise<SenderRows & ReportPlaceRows> {
  if (store === undefined) {
    const { SqliteSenderRows } = await import('../senders/sender-file.ts');
    const { openedMade } = await import('../storage/made-files.ts');
    return openedMade(dataDir, 'senders.db', path => new SqliteSenderRows(path));
  }
  const { PostgresSenderRows } = await import('../senders/sender-table.ts');
  return new PostgresSenderRows(await openConnections(store));
}

/** A key that a command line named would show to whoever lists processes. */
export async function secretIn(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
