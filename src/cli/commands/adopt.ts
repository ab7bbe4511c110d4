import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Accounts } from '../../accounts/accounts.ts';
import type { Account } from '../../accounts/rows.ts';
import { SqliteAccountRows } from '../../accounts/sqlite/account-rows.ts';
import { AccountsLost } from '../../accounts/sqlite/accounts-file.ts';
import { loadPlace, serverSettings } from '../../config.ts';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import type { LogFile } from '../../store/embedded/log/log-file.ts';
import type { Doubt } from '../../store/embedded/offline/unclaimed.ts';
import { count, settingOption, sourcesOf, wholeNumber } from '../flags.ts';
import { placedInFolder } from '../place/known-accounts.ts';
import { printRows } from '../table.ts';
import { CommandError, note } from '../terminal.ts';

type Flags = { readonly all?: boolean; readonly despiteClock?: boolean };
/** One that mirrors or senders alone are of has no messages. */
type HeldAccount = { readonly id: AccountId; readonly messages: number; readonly newestSentAt?: EpochMs };

export function addAdopt(accounts: Command): void {
  const command = accounts
    .command('adopt')
    .description(
      'Make an account that gets what the log has of one that was lost. Whoever has a key of it reads all of that. ' +
        'No server may run on the folder. With --all and no name: the accounts of the folder are those of its log, which does ' +
        'not say so since version 0.1.0 wrote it.',
    )
    .argument('[name]')
    .option('--id <number>', 'which of the lost accounts, where the log has several', wholeNumber)
    .option('--all', 'all accounts of the folder get what the log has by their ids')
    .option('--despite-clock', 'with --all: also where the log has messages of an account from before it was made')
    .addOption(settingOption(serverSettings.dataDir))
    .addOption(settingOption(serverSettings.store));
  command.action(async (name: string | undefined, { all = false, despiteClock = false }: Flags) => {
    const { dataDir, store } = loadPlace(sourcesOf(command));
    const id = count(command.opts(), 'id');
    if (all) {
      if (name !== undefined || id !== undefined)
        throw new CommandError('--all stands alone: it takes no name and no --id');
      if (store !== undefined)
        throw new CommandError('--all is for a data folder: a database always says whose its log is');
      return allInFolder(dataDir, despiteClock);
    }
    if (despiteClock) throw new CommandError('--despite-clock goes with --all');
    if (name === undefined) throw new CommandError('a name for the account is missing');
    const adopted = store === undefined ? await inFolder(dataDir, name, id) : await inDatabase(store, name, id);
    note(`made account ${name}: it has the ${adopted.messages} messages of account ${adopted.id}`);
  });
}

async function inFolder(dataDir: string, name: string, asked: AccountId | undefined): Promise<HeldAccount> {
  return withLog(dataDir, accountRows, async ({ held, made, file, accounts, identity, doubt }) => {
    const there = new Set(made.map(({ id }) => id));
    const overlaps = held.some(({ id }) => there.has(id));
    // As at a start: a log of version 0.1.0 does not name its accounts.
    const doubted = overlaps && file.accounts === undefined ? doubt() : undefined;
    if (doubted === 'others' || doubted === 'later' || (overlaps && (file.accounts ?? identity) !== identity))
      throw new CommandError(`accounts.db in ${dataDir} is of another log: move it away first`);
    if (doubted === 'unproven')
      throw new CommandError(
        'the log does not say whether it belongs to the accounts beside it: say so by `sentlog accounts adopt --all` first, ' +
          'or move accounts.db away',
      );
    const known = withPlaced(held, placedInFolder(dataDir));
    const chosen = await choose(
      known.filter(({ id }) => !there.has(id)),
      asked,
    );
    // In this order: were the account there first and the process gone, it would be one of another log's.
    await accounts.adoptAccount(name, chosen.id, () => file.belongTo(identity));
    return chosen;
  });
}

/** Says of a log that names no accounts that it is of those beside it. */
async function allInFolder(dataDir: string, despiteClock: boolean): Promise<void> {
  const { laterLog } = await import('../../store/embedded/log/log-file.ts');
  const open = () => new SqliteAccountRows(join(dataDir, 'accounts.db'), false);
  await withLog(dataDir, open, async ({ held, made, file, identity, doubt }) => {
    if (file.accounts === identity)
      throw new CommandError('there is nothing to adopt: the log says that it is of these accounts');
    const doubted = doubt();
    if (file.accounts !== undefined || doubted === 'others')
      throw new CommandError(`accounts.db in ${dataDir} is of another log: restore the one that is of this`);
    if (doubted === 'later' && !despiteClock) throw new CommandError(laterLog(dataDir));
    const names = new Map(made.map(({ id, name }) => [id, name]));
    await printRows(
      held.map(one => ({ name: names.get(one.id) ?? '', ...shown(one) })),
      [['NAME', row => row.name], ...heldColumns],
    );
    file.belongTo(identity);
    const own = held.filter(({ id }) => names.has(id));
    note(`the log is of the accounts in ${dataDir}: ${own.length} of them have messages in it`);
  });
}

type FoundLog = {
  readonly held: readonly HeldAccount[];
  readonly made: readonly Account[];
  readonly file: LogFile;
  readonly accounts: Accounts;
  readonly identity: string;
  /** Why a log that names no accounts is not known to be of these. */
  readonly doubt: () => Doubt | undefined;
};

/** The log of a folder that no server runs on, and the accounts beside it. */
async function withLog<T>(
  dataDir: string,
  open: (dataDir: string) => SqliteAccountRows,
  work: (log: FoundLog) => Promise<T>,
) {
  const { Folder, holdsLog } = await import('../../store/embedded/files/folder.ts');
  const { FolderLock } = await import('../../store/embedded/files/folder-lock.ts');
  const { LogFile } = await import('../../store/embedded/log/log-file.ts');
  const { accountsHeldIn } = await import('../../store/embedded/offline/held-accounts.ts');
  const { doubtOf } = await import('../../store/embedded/offline/unclaimed.ts');
  if (!holdsLog(dataDir)) throw new CommandError(`there is no log in ${dataDir}: --data-dir says where it is`);
  const lock = new FolderLock(dataDir);
  try {
    const folder = new Folder(dataDir);
    const held = accountsHeldIn(folder);
    const file = new LogFile(dataDir);
    const rows = open(dataDir);
    const accounts = new Accounts(rows, Date.now);
    try {
      const [identity, made] = [await accounts.identity(), await accounts.accounts()];
      const doubt = () => doubtOf(folder, held, { made, notedSeed: rows.notedLog() });
      return await work({ held, made, file, accounts, identity, doubt });
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
  const { connected } = await import('../../postgres/connections.ts');
  const { migrate, schemaName: schema } = await import('../../postgres/migrate.ts');
  const { accountsHeld, accountsPlaced } = await import('../../postgres/held-accounts.ts');
  const { openAccountRows } = await import('../../accounts/postgres/account-rows.ts');
  await migrate({ url, schema }, () => {});
  const held = await connected({ url, schema, statementTimeoutMs: 60_000 }, async session =>
    withPlaced(await accountsHeld(session), await accountsPlaced(session)),
  );
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

/** Those too that only mirrors or senders are of. */
function withPlaced(held: readonly HeldAccount[], placed: readonly AccountId[]): readonly HeldAccount[] {
  const ids = new Set(held.map(({ id }) => id));
  return [...held, ...[...new Set(placed)].filter(id => !ids.has(id)).map(id => ({ id, messages: 0 }))];
}

async function choose(lost: readonly HeldAccount[], asked: AccountId | undefined): Promise<HeldAccount> {
  const [first, ...others] = lost;
  if (first === undefined) throw new CommandError('there is nothing to adopt: every account of the log is there');
  if (asked === undefined && others.length === 0) return first;
  const chosen = lost.find(({ id }) => id === asked);
  if (chosen !== undefined) return chosen;
  await printRows(lost.map(shown), heldColumns);
  throw new CommandError(
    asked === undefined
      ? `the log has messages of ${lost.length} accounts that are not there: choose one of them by --id`
      : `the log has no messages of an account ${asked} that is not there`,
  );
}

type Shown = ReturnType<typeof shown>;

const heldColumns: readonly (readonly [string, (row: Shown) => string | number])[] = [
  ['ID', row => row.id],
  ['MESSAGES', row => row.messages],
  ['NEWEST SENT AT', row => row.newestSentAt],
];

function shown({ newestSentAt, ...account }: HeldAccount) {
  return { ...account, newestSentAt: newestSentAt === undefined ? '' : new Date(newestSentAt).toISOString() };
}
