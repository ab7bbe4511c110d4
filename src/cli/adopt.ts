import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Accounts } from '../accounts/accounts.ts';
import { SqliteAccountRows } from '../accounts/sqlite/account-rows.ts';
import { AccountsLost } from '../accounts/sqlite/accounts-file.ts';
import { loadPlace, serverSettings } from '../config.ts';
import type { AccountId, EpochMs } from '../domain/message.ts';
import { count, settingOption, sourcesOf, wholeNumber } from './flags.ts';
import { printRows } from './table.ts';
import { CommandError, note } from './terminal.ts';

type HeldAccount = { readonly id: AccountId; readonly messages: number; readonly newestSentAt: EpochMs };

export function addAdopt(accounts: Command): void {
  const command = accounts
    .command('adopt')
    .description(
      'Make an account that gets what the log has of one that was lost. Whoever has a key of it reads all of that. ' +
        'No server may run on the folder.',
    )
    .argument('<name>')
    .option('--id <number>', 'which of the lost accounts, where the log has several', wholeNumber)
    .addOption(settingOption(serverSettings.dataDir))
    .addOption(settingOption(serverSettings.store));
  command.action(async (name: string) => {
    const { dataDir, store } = loadPlace(sourcesOf(command));
    const id = count(command.opts(), 'id');
    const adopted = store === undefined ? await inFolder(dataDir, name, id) : await inDatabase(store, name, id);
    note(`made account ${name}: it has the ${adopted.messages} messages of account ${adopted.id}`);
  });
}

async function inFolder(dataDir: string, name: string, asked: AccountId | undefined): Promise<HeldAccount> {
  const { Folder, FolderLock, holdsLog } = await import('../store/embedded/files/folder.ts');
  const { LogFile } = await import('../store/embedded/log/log-file.ts');
  const { accountsHeldIn } = await import('../store/embedded/offline/held-accounts.ts');
  const { isOneMadeLater } = await import('../store/embedded/offline/unclaimed.ts');
  if (!holdsLog(dataDir)) throw new CommandError(`there is no log in ${dataDir}: --data-dir says where it is`);
  const lock = new FolderLock(dataDir);
  try {
    const folder = new Folder(dataDir);
    const held = accountsHeldIn(folder);
    const file = new LogFile(dataDir);
    const accounts = new Accounts(accountRows(dataDir), Date.now);
    try {
      const identity = await accounts.identity();
      const made = await accounts.accounts();
      const there = new Set(made.map(({ id }) => id));
      // As at a start: a log of version 0.1.0 does not name its accounts.
      const isOthers =
        file.accounts === undefined
          ? isOneMadeLater(folder, held, made)
          : file.accounts !== identity && held.some(({ id }) => there.has(id));
      if (isOthers) throw new CommandError(`accounts.db in ${dataDir} is of another log: move it away first`);
      const chosen = await choose(
        held.filter(({ id }) => !there.has(id)),
        asked,
      );
      // In this order: were the account there first and the process gone, it would be one of another log's.
      await accounts.adoptAccount(name, chosen.id, () => file.belongTo(identity));
      return chosen;
    } finally {
      await accounts.close();
    }
  } finally {
    lock.release();
  }
}

/** Where the accounts are lost, they are made anew; what is left of their file is kept for somebody to look at. */
function accountRows(dataDir: string): SqliteAccountRows {
  const path = join(dataDir, 'accounts.db');
  try {
    return new SqliteAccountRows(path, false);
  } catch (error) {
    if (!(error instanceof AccountsLost)) throw error;
  }
  const remains = join(dataDir, 'damaged');
  for (const suffix of ['', '-wal', '-shm']) {
    if (!existsSync(path + suffix)) continue;
    mkdirSync(remains, { recursive: true, mode: 0o700 });
    renameSync(path + suffix, join(remains, `accounts-${Date.now()}.db${suffix}`));
  }
  return new SqliteAccountRows(path);
}

async function inDatabase(url: string, name: string, asked: AccountId | undefined): Promise<HeldAccount> {
  const { connected } = await import('../postgres/connections.ts');
  const { migrate, schemaName: schema } = await import('../postgres/migrate.ts');
  const { accountsHeld } = await import('../postgres/held-accounts.ts');
  const { openAccountRows } = await import('../accounts/postgres/account-rows.ts');
  await migrate({ url, schema }, () => {});
  const held = await connected({ url, schema, statementTimeoutMs: 60_000 }, accountsHeld);
  const accounts = new Accounts(await openAccountRows(url, { mayMake: true, mayLack: true }), Date.now);
  try {
    const there = new Set((await accounts.accounts()).map(({ id }) => id));
    const chosen = await choose(
      held.filter(({ id }) => !there.has(id)),
      asked,
    );
    await accounts.adoptAccount(name, chosen.id);
    return chosen;
  } finally {
    await accounts.close();
  }
}

async function choose(lost: readonly HeldAccount[], asked: AccountId | undefined): Promise<HeldAccount> {
  const [first, ...others] = lost;
  if (first === undefined) throw new CommandError('there is nothing to adopt: every account of the log is there');
  if (asked === undefined && others.length === 0) return first;
  const chosen = lost.find(({ id }) => id === asked);
  if (chosen !== undefined) return chosen;
  await printRows(lost.map(shown), [
    ['ID', row => row.id],
    ['MESSAGES', row => row.messages],
    ['NEWEST SENT AT', row => row.newestSentAt],
  ]);
  throw new CommandError(
    asked === undefined
      ? `the log has messages of ${lost.length} accounts that are not there: choose one of them by --id`
      : `the log has no messages of an account ${asked} that is not there`,
  );
}

function shown({ newestSentAt, ...account }: HeldAccount) {
  return { ...account, newestSentAt: new Date(newestSentAt).toISOString() };
}
