import { join } from 'node:path';
import type { Command } from 'commander';
import { Accounts } from '../../accounts/accounts.ts';
import type { CopiedAccounts } from '../../accounts/copy-accounts.ts';
import { loadLogTerms, serverSettings } from '../../config.ts';
import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { BadValue, databaseUrl } from '../../setting-kinds.ts';
import type { SegmentCheck } from '../../store/copy-log.ts';
import type { FolderLog } from '../../store/embedded/offline/folder-log.ts';
import type { StoreObserver } from '../../store/store.ts';
import { settingOption, sourcesOf, text } from '../flags.ts';
import { CopyProgress } from '../progress.ts';
import { type Column, printRows } from '../table.ts';
import { CommandError, note } from '../terminal.ts';

export function addCopy(program: Command): void {
  const command = program
    .command('copy')
    .description(
      'Copy a data folder, on which no server runs, into PostgreSQL: accounts, keys, users and the log. ' +
        'Both sides are compared at the end. Started again, it goes on where it was.',
    )
    .requiredOption('--from <folder>', 'data folder to copy')
    .requiredOption('--to <address>', 'postgres://user@host/database to copy to; PGPASSWORD may hold the password')
    .addOption(settingOption(serverSettings.retentionMs))
    .addOption(settingOption(serverSettings.partitionMs));
  command.action(async () => {
    const flags = command.opts();
    const to = addressIn(text(flags, 'to') ?? '');
    const faults = await copyFolder(text(flags, 'from') ?? '', to, loadLogTerms(sourcesOf(command)));
    for (const fault of faults) note(fault);
    if (faults.length > 0) process.exitCode = 1;
  });
}

/** A reason why it is no address leaves the address out: it may hold a password. */
function addressIn(value: string): string {
  try {
    const url = databaseUrl.parse(value);
    if (url !== undefined) return url;
    throw new BadValue('is empty');
  } catch (error) {
    throw error instanceof BadValue ? new CommandError(`--to ${error.message}`) : error;
  }
}

type Terms = ReturnType<typeof loadLogTerms>;

/** Gives what is not in the target as it is in the folder, a line each. */
async function copyFolder(dataDir: string, url: string, terms: Terms): Promise<readonly string[]> {
  // Only here, so that the other commands need not load both engines.
  const { FolderLog } = await import('../../store/embedded/offline/folder-log.ts');
  const { CopyTarget } = await import('../../store/postgres/copy/copy-target.ts');
  const { checkCopy, copyLog } = await import('../../store/copy-log.ts');
  const { schemaName: schema } = await import('../../postgres/migrate.ts');
  await using parts = new AsyncDisposableStack();
  const { holdsLog } = await import('../../store/embedded/files/folder.ts');
  if (!holdsLog(dataDir)) throw new CommandError(`there is no log in ${dataDir}: --from says where it is`);
  const log = parts.adopt(new FolderLog(dataDir), one => one.close());
  await refuseOthers(dataDir, log);
  const options = { url, schema, partitionMs: terms.partitionMs ?? limits.partitionMs, observer };
  const target = parts.adopt(await CopyTarget.open(options), one => one.close());
  const { accountOf, differences } = await copyAccountsOf(dataDir, { url, schema });
  const retentions = await retentionsIn(dataDir);
  const sentSince = (id: AccountId) => Date.now() - (retentions.get(id) ?? terms.retentionMs);
  const copy = { log, target, accountOf: (id: AccountId) => accountOf.get(id), sentSince };

  const progress = parts.adopt(new CopyProgress(messagesIn(log.segments)), one => one.stop());
  for await (const step of copyLog(copy)) progress.add(step);
  progress.copied();
  const checks: SegmentCheck[] = [];
  for await (const part of checkCopy(copy))
    if ('name' in part) checks.push(part);
    else progress.read(part.rows);
  progress.stop();

  await printRows(checks.map(shownCheck), columns);
  for (const { name, lostMessages, lostReports } of log.segments)
    if (lostMessages + lostReports > 0)
      note(`${name} lost ${lostMessages} messages and ${lostReports} reports to damage, which are left out`);
  for (const name of log.setAside) note(`${name} was set aside as damaged by a server, and is left out`);
  const { withoutAccount } = progress;
  return [
    ...differences,
    ...(withoutAccount > 0
      ? [`${withoutAccount} messages are of accounts that ${dataDir} does not have: left out`]
      : []),
    ...checks.flatMap(differenceOf),
    ...log.damaged.map(
      ({ name, reason }) => `${name} is damaged (${reason}): left out, and its reports on messages of others too`,
    ),
  ];
}

/** The accounts must be there, and be those that the log belongs to. */
async function refuseOthers(dataDir: string, log: FolderLog): Promise<void> {
  const { SqliteAccountRows } = await import('../../accounts/sqlite/account-rows.ts');
  const { Folder } = await import('../../store/embedded/files/folder.ts');
  const { refuseUnproven } = await import('../../store/embedded/offline/unclaimed.ts');
  const rows = new SqliteAccountRows(join(dataDir, 'accounts.db'), false);
  const accounts = new Accounts(rows, Date.now);
  try {
    if (log.file?.accounts !== undefined) log.file.claim(await accounts.identity());
    else refuseUnproven(new Folder(dataDir), { made: await accounts.accounts(), notedSeed: rows.notedLog() });
  } finally {
    await accounts.close();
  }
}

/** Of the accounts that keep theirs for a time of their own. */
async function retentionsIn(dataDir: string): Promise<ReadonlyMap<AccountId, number>> {
  const { SqliteAccountRows } = await import('../../accounts/sqlite/account-rows.ts');
  const rows = new SqliteAccountRows(join(dataDir, 'accounts.db'), false);
  try {
    return await rows.retentions();
  } finally {
    await rows.close();
  }
}

async function copyAccountsOf(dataDir: string, database: { url: string; schema: string }): Promise<CopiedAccounts> {
  const path = join(dataDir, 'accounts.db');
  const { Connections } = await import('../../postgres/connections.ts');
  const { copyAccounts } = await import('../../accounts/copy-accounts.ts');
  const { SqliteAccountRows } = await import('../../accounts/sqlite/account-rows.ts');
  const { SqliteCredentialRows } = await import('../../accounts/sqlite/credential-rows.ts');
  const { PostgresAccountRows } = await import('../../accounts/postgres/account-rows.ts');
  const { PostgresCredentialRows } = await import('../../accounts/postgres/credential-rows.ts');
  await using parts = new AsyncDisposableStack();
  const options = { ...database, statementTimeoutMs: 10_000, max: 1, note: observer.note };
  const connections = parts.adopt(new Connections(options), one => one.close());
  const from = {
    rows: parts.adopt(new SqliteAccountRows(path), one => one.close()),
    credentials: parts.adopt(new SqliteCredentialRows(path), one => one.close()),
  };
  const to = { rows: new PostgresAccountRows(connections), credentials: new PostgresCredentialRows(connections) };
  return await copyAccounts(from, to);
}

const observer: StoreObserver = {
  committed: () => {},
  damaged: () => {},
  note: ({ message, level }) => (level === 'info' ? undefined : note(message)),
};

const columns: readonly Column<ReturnType<typeof shownCheck>>[] = [
  ['SEGMENT', row => row.segment],
  ['MESSAGES', row => row.messages],
  ['REPORTS', row => row.reports],
  ['COPY', row => row.copy],
  ['SHA-256', row => row.sha256],
];

function shownCheck(check: SegmentCheck) {
  const { name, messages, reports, expected } = check;
  return { segment: name, messages, reports, copy: isSame(check) ? 'same' : 'differs', sha256: expected };
}

function isSame({ expected, found, missing, different }: SegmentCheck): boolean {
  return expected === found && missing + different === 0;
}

function differenceOf(check: SegmentCheck): readonly string[] {
  if (isSame(check)) return [];
  const { name, missing, different, messages, examples } = check;
  const more = missing + different > examples.length ? ', …' : '';
  const ids = `${examples.join(', ')}${more}`;
  return [`${name} differs: of ${messages} messages ${missing} are missing and ${different} are other ones (${ids})`];
}

function messagesIn(segments: readonly { readonly messages: number }[]): number {
  return segments.reduce((sum, one) => sum + one.messages, 0);
}
