import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Accounts, firstAccount } from '../../accounts/accounts.ts';
import { type Scope, scopes } from '../../accounts/authenticator.ts';
import type { Account, KeyInfo, UserInfo } from '../../accounts/rows.ts';
import { loadLogTerms, loadPlace, serverSettings } from '../../config.ts';
import type { AccountId, Binding } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { present } from '../../wire/present.ts';
import {
  collect,
  count,
  durationFlag,
  settingOption,
  shownDuration,
  sourcesOf,
  text,
  texts,
  wholeNumber,
} from '../flags.ts';
import { newPassword } from '../password.ts';
import { lostAccounts } from '../place/known-accounts.ts';
import { openAccounts } from '../place/place.ts';
import { type Column, printRows } from '../table.ts';
import { CommandError, note, print } from '../terminal.ts';
import { addAdopt } from './adopt.ts';

const date = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

export function addAccounts(program: Command): void {
  const accounts = program.command('accounts').description('The accounts of a data folder or a database.');

  const create = accounts
    .command('create')
    .description('Make an account.')
    .argument('<name>')
    .option('--requests-per-minute <number>', 'to the log; else the setting of the server holds', wholeNumber);
  const make = async (data: Accounts, name: string) => {
    // The account that a first start makes, which documents speak of, is there whichever comes first.
    const { account, hasBegun } = await data.createBesideFirst(name, count(create.opts(), 'requestsPerMinute'));
    if (hasBegun && name !== firstAccount) note(`made account ${firstAccount}, which a new log begins with`);
    note(`made account ${account.name}`);
  };
  withAccounts(create, make, { mayMake: true });

  const set = accounts
    .command('set')
    .description('Change an account.')
    .argument('<name>')
    .addOption(
      new Option('--requests-per-minute <number>', 'to the log; "default" for the setting of the server').argParser(
        value => (value === 'default' ? value : wholeNumber(value)),
      ),
    )
    .addOption(
      new Option(
        '--retention <duration>',
        'how long its messages are kept: 90d; "default" for the setting of the server. What is past then is gone',
      ).argParser(value => (value === 'default' ? value : durationFlag(value))),
    );
  withAccounts(set, async (data, name, place) => change(data, name, set.opts(), place));

  const columns: readonly Column<ReturnType<typeof shownAccount>>[] = [
    ['ID', row => row.id],
    ['NAME', row => row.name],
    ['REQUESTS A MINUTE', row => row.requestsPerMinute ?? 'default'],
    ['KEEPS', row => (row.retentionMs === undefined ? 'default' : shownDuration(row.retentionMs))],
    ['CREATED', row => row.createdAt],
  ];
  const list = accounts.command('list').description('Show the accounts.');
  list.option('--names', 'their names alone, one a line');
  addAdopt(accounts);
  withAccounts(list, async (data, _name, { dataDir, store }) => {
    const all = await data.accounts();
    if (list.opts().names !== true) {
      await printRows(all.map(shownAccount), columns);
      return noteLost(await lostAccounts(dataDir, store, data));
    }
    await print(all.map(({ name }) => `${name}\n`).join(''));
  });
}

function noteLost(lost: readonly AccountId[]): void {
  if (lost.length === 0) return;
  note(
    `${lost.length} more ${lost.length === 1 ? 'account is' : 'accounts are'} known to the log and not there, and nobody can ` +
      'read what they have: restore the accounts from a newer backup, or `sentlog accounts adopt NAME --id ID`. ' +
      `By id: ${lost.slice(0, limits.lostAccountsNamedMax).join(', ')}${lost.length > limits.lostAccountsNamedMax ? ', …' : ''}`,
  );
}

type Place = ReturnType<typeof loadPlace> & ReturnType<typeof loadLogTerms>;

/** What is kept so long may lie in more parts than a log can have. */
function refuseTooManyParts({ store, partitionMs, segmentAgeMs }: Place, retentionMs: number): void {
  const { partitionMs: partition, segmentAgeMs: segmentAge } = serverSettings;
  const [setting, partMs, partsMax, parts] =
    store === undefined
      ? ([segmentAge, segmentAgeMs, limits.segmentsMax, 'segments'] as const)
      : ([partition, partitionMs ?? limits.partitionMs, limits.partitionsMax, 'partitions'] as const);
  const count = Math.ceil(retentionMs / partMs);
  if (count > partsMax)
    throw new CommandError(
      `${setting.env} is too short for this retention: the log would have ${count} ${parts}, and can have ${partsMax}; ` +
        'set it longer, for the servers and for this command',
    );
}

async function change(
  data: Accounts,
  name: string,
  flags: Readonly<Record<string, unknown>>,
  place: Place,
): Promise<void> {
  const [limits, keeps] = [flags.requestsPerMinute !== undefined, flags.retention !== undefined];
  if (!limits && !keeps) throw new CommandError('nothing to change: --requests-per-minute or --retention says what');
  const [requestsPerMinute, retentionMs] = [count(flags, 'requestsPerMinute'), count(flags, 'retention')];
  // First, since it may be refused.
  if (retentionMs !== undefined) refuseTooManyParts(place, retentionMs);
  if (keeps) await data.setRetention(name, retentionMs);
  if (limits) await data.setRequestsPerMinute(name, requestsPerMinute);
  const limit =
    requestsPerMinute === undefined
      ? 'as many requests a minute as the server is set to'
      : `${requestsPerMinute} requests a minute`;
  const keep =
    retentionMs === undefined
      ? 'messages are kept as long as the server is set to'
      : `messages are kept for ${shownDuration(retentionMs)}`;
  note(`account ${name}: ${[...(limits ? [limit] : []), ...(keeps ? [keep] : [])].join(', ')}`);
}

const keyIdHelp = 'as `keys list` shows it';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('The API keys of a data folder or a database.');

  const create = bindingOptions(scopeOption(keys.command('create')))
    .description('Make a key, and print it: it cannot be shown again.')
    .requiredOption('--account <name>', 'account the key is for')
    .option('--expires <duration>', 'time after which it is refused: 30d; never when not given', durationFlag);
  withAccounts(create, async data => {
    const flags = create.opts();
    const expiresMs = count(flags, 'expires');
    const { key, info } = await data.createKey({
      account: text(flags, 'account') ?? '',
      scopes: scopesOf(flags.scope),
      binding: bindingOf(flags),
      ...(expiresMs !== undefined && { expiresAt: Date.now() + expiresMs }),
    });
    await print(`${key}\n`);
    const until = info.expiresAt === undefined ? '' : `, until ${date(info.expiresAt)}`;
    note(`made key ${info.id} of account ${info.account}: ${info.scopes.join(' ')}${until}`);
  });

  const columns: readonly Column<ReturnType<typeof shownKey>>[] = [
    ['ID', row => row.id],
    ['ACCOUNT', row => row.account],
    ['STATE', row => row.state],
    ['SCOPES', row => row.scopes.join(' ')],
    ['APPLICATION', row => row.applicationId],
    ['ENTITY', row => row.entityId],
    ['CREATED', row => row.createdAt],
    ['EXPIRES', row => row.expiresAt],
    ['LAST USED', row => row.lastUsedAt],
  ];
  const list = keys.command('list').description('Show the keys, without their secrets.');
  list.option('--account <name>', 'only of this account');
  withAccounts(list, async data => printRows((await data.keys(text(list.opts(), 'account'))).map(shownKey), columns));

  const bind = bindingOptions(keys.command('bind'))
    .description('Bind a key that is there to an application, an entity, or both, instead of what it was bound to.')
    .argument('<id>', keyIdHelp);
  withAccounts(bind, async (data, id) => {
    const binding = bindingOf(bind.opts());
    if (Object.keys(binding).length === 0)
      throw new CommandError('nothing to bind it to: --application or --entity says what; `keys unbind` frees it');
    const { applicationId, entityId, id: bound } = shownKey(await data.bindKey(id, binding));
    const to = [applicationId && `application ${applicationId}`, entityId && `entity ${entityId}`].filter(Boolean);
    note(`bound key ${bound} to ${to.join(' and ')}`);
  });

  const unbind = keys
    .command('unbind')
    .description('Let a key see and write all of its account.')
    .argument('<id>', keyIdHelp);
  withAccounts(unbind, async (data, id) => note(`key ${(await data.bindKey(id, {})).id} is bound to nothing`));

  const revoke = keys.command('revoke').description('Refuse a key from now on.').argument('<id>', keyIdHelp);
  withAccounts(revoke, async (data, id) => note(`revoked key ${(await data.revokeKey(id)).id}`));
}

export function addUsers(program: Command): void {
  const users = program
    .command('users')
    .description('The users of a data folder or a database, who prove themselves by a password.');

  const create = scopeOption(users.command('create'))
    .description('Make a user. The password is asked for on a terminal; elsewhere one is made up and printed.')
    .argument('<name>')
    .requiredOption('--account <name>', 'account the user is for')
    .option('--password-stdin', 'take the first line of standard input as the password');
  withAccounts(create, async (data, name) => {
    const flags = create.opts();
    const given = await newPassword(flags.passwordStdin === true);
    const { password } = await data.createUser({
      account: text(flags, 'account') ?? '',
      name,
      scopes: scopesOf(flags.scope),
      ...(given !== undefined && { password: given }),
    });
    if (given === undefined) await print(`${password}\n`);
    note(`made user ${name}`);
  });

  const columns: readonly Column<ReturnType<typeof shownUser>>[] = [
    ['NAME', row => row.name],
    ['ACCOUNT', row => row.account],
    ['SCOPES', row => row.scopes.join(' ')],
    ['CREATED', row => row.createdAt],
    ['LAST USED', row => row.lastUsedAt],
  ];
  const list = users.command('list').description('Show the users.');
  list.option('--account <name>', 'only of this account');
  withAccounts(list, async data => printRows((await data.users(text(list.opts(), 'account'))).map(shownUser), columns));

  const remove = users.command('remove').description('Remove a user and end their sessions.').argument('<name>');
  withAccounts(remove, async (data, name) => {
    await data.removeUser(name);
    note(`removed user ${name}`);
  });
}

/** Runs a command on the accounts of a folder or a database, which running servers may have open too. */
function withAccounts(
  command: Command,
  work: (accounts: Accounts, argument: string, place: Place) => Promise<void>,
  { mayMake = false } = {},
): void {
  command.addOption(settingOption(serverSettings.dataDir)).addOption(settingOption(serverSettings.store));
  command.action(async () => {
    const sources = sourcesOf(command);
    // Flags of these names say what becomes of an account, not of the server.
    const place = { ...loadPlace(sources), ...loadLogTerms({ ...sources, flags: {} }) };
    const accounts = await openAccounts(place.dataDir, place.store, mayMake);
    try {
      await work(accounts, command.args[0] ?? '', place);
    } finally {
      await accounts.close();
    }
  });
}

function bindingOptions(command: Command): Command {
  return command
    .option('--application <id>', 'application whose messages alone it sees and writes')
    .option('--entity <id>', 'entity whose messages alone it sees and writes');
}

function bindingOf(flags: Readonly<Record<string, unknown>>): Binding {
  return present({ applicationId: text(flags, 'application'), entityId: text(flags, 'entity') });
}

function scopeOption(command: Command): Command {
  const parse = (value: string, before: readonly string[] | undefined) => {
    if (!scopes.some(scope => scope === value))
      throw new InvalidArgumentError(`It is not one of ${scopes.join(', ')}.`);
    return collect(value, before);
  };
  const description = `what it may do; may be given several times (default messenger:manage, which includes the others)`;
  return command.addOption(new Option('--scope <scope>', description).choices(scopes).argParser(parse));
}

function scopesOf(value: unknown): readonly Scope[] {
  return scopes.filter(scope => texts({ value }, 'value').includes(scope));
}

function shownAccount({ createdAt, ...account }: Account) {
  return { ...account, createdAt: date(createdAt) };
}

function shownKey(key: KeyInfo) {
  const { id, account, scopes, binding, createdAt, expiresAt, revokedAt, uses, lastUsedAt } = key;
  const ended = expiresAt !== undefined && expiresAt <= Date.now() ? 'expired' : 'active';
  return {
    id,
    account,
    state: revokedAt === undefined ? ended : 'revoked',
    scopes,
    ...binding,
    createdAt: date(createdAt),
    expiresAt: date(expiresAt),
    revokedAt: date(revokedAt),
    uses,
    lastUsedAt: date(lastUsedAt),
  };
}

function shownUser({ createdAt, lastUsedAt, ...user }: UserInfo) {
  return { ...user, createdAt: date(createdAt), lastUsedAt: date(lastUsedAt) };
}
