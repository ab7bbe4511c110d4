import type { Command } from 'commander';
import { loadGraphPlace, serverSettings } from '../../config.ts';
import type { SenderPage } from '../../senders/rows.ts';
import { secretIn, settingOption, sourcesOf, text } from '../flags.ts';
import { withSenders } from '../place/sender-places.ts';
import { shown } from '../style.ts';
import { printRows } from '../table.ts';
import { CommandError, note } from '../terminal.ts';

export function addSenders(program: Command): void {
  const senders = program
    .command('senders')
    .description(
      'The Facebook pages that accounts send over. Tokens and secrets are kept encrypted under SENTLOG_SECRET.',
    );
  addAdd(senders);
  addList(senders);
  addRemove(senders);
  addCheck(senders);
}

function addAdd(senders: Command): void {
  const add = senders
    .command('add')
    .description(
      'Let an account send over a page or watch it, or change how: what is not given stays as it was, and the app secret ' +
        'before stays good for webhooks.',
    )
    .requiredOption('--account <name>', 'account that sends')
    .requiredOption('--page <id>', 'id of the page: the sender of its messages')
    .option('--token-file <file>', 'file with the page access token (pages_messaging)')
    .option('--watch', 'log what others send over the page as well; without a token nothing is sent over it')
    .option('--no-watch', 'end watching: what others send over the page from now on is not logged')
    .requiredOption('--app-secret-file <file>', 'file with the secret of the app')
    .option('--name <name>', 'of the page, to be shown')
    .option('--price <number>', 'of a message that was sent, for the log')
    .option('--currency <code>', 'of the price: EUR');
  withSenders(add, async ({ senders, account }) => {
    const flags = add.opts();
    const [page, name] = [text(flags, 'page') ?? '', text(flags, 'name')];
    const [price, currency] = [text(flags, 'price'), text(flags, 'currency')];
    if ((price === undefined) !== (currency === undefined))
      throw new CommandError('give --price and --currency together');
    const tokenFile = text(flags, 'tokenFile');
    const added = await senders.add({
      account: await account(text(flags, 'account') ?? ''),
      page,
      ...(tokenFile !== undefined && { token: await secretIn('--token-file', tokenFile) }),
      ...(typeof flags.watch === 'boolean' && { isWatched: flags.watch }),
      appSecret: await secretIn('--app-secret-file', text(flags, 'appSecretFile') ?? ''),
      ...(name !== undefined && { name }),
      ...(price !== undefined && currency !== undefined && { price: { pricePerMessage: numberIn(price), currency } }),
    });
    const does = [...(added.isWatched ? ['is watched'] : []), ...(added.sealedToken ? ['can be sent over'] : [])];
    note(`page ${page} ${does.join(', and ')}: a running server takes it up within a second`);
  });
}

function addList(senders: Command): void {
  const list = senders.command('list').description('Show the senders, without tokens and secrets.');
  withSenders(list, async ({ senders, names }) => {
    const shown = (await senders.list()).map(({ page, account, name, price, changedAt, sealedToken, isWatched }) => ({
      page,
      account: names.get(account),
      name,
      price,
      does: [...(sealedToken === undefined ? [] : ['sends']), ...(isWatched ? ['watched'] : [])].join(', '),
      changedAt: new Date(changedAt).toISOString(),
    }));
    await printRows(shown, [
      ['PAGE', row => row.page],
      ['ACCOUNT', row => row.account],
      ['DOES', row => row.does],
      ['PRICE', row => (row.price === undefined ? undefined : `${row.price.pricePerMessage} ${row.price.currency}`)],
      // A line is cut at the end of the terminal: a long name takes nothing else along than when it was changed.
      ['NAME', row => row.name],
      ['CHANGED', row => row.changedAt],
    ]);
  });
}

function addRemove(senders: Command): void {
  const remove = senders
    .command('remove')
    .description(
      'Let an account no longer send over a page; messages that wait for it fail, scheduled ones when they are due.',
    )
    .requiredOption('--account <name>', 'account that sent')
    .requiredOption('--page <id>', 'id of the page');
  withSenders(remove, async ({ senders, account }) => {
    const page = text(remove.opts(), 'page') ?? '';
    await senders.remove(await account(text(remove.opts(), 'account') ?? ''), page);
    note(`removed sender ${page}`);
  });
}

function addCheck(senders: Command): void {
  const check = senders.command('check').description('Ask Meta whether each page can be used with its token.');
  check.addOption(settingOption(serverSettings.graphUrl)).addOption(settingOption(serverSettings.graphVersion));
  withSenders(check, async ({ senders }) => {
    const { checkPage } = await import('../../sender/graph-carrier.ts');
    const place = loadGraphPlace(sourcesOf(check));
    let failures = 0;
    for (const one of await senders.list()) {
      if (one.sealedToken === undefined) {
        note(`${shownName(one)}: watched, without a token`);
        continue;
      }
      const failure = await checkPage(place, one.page, senders.keys(one));
      if (failure !== undefined) failures++;
      note(`${shownName(one)}: ${failure ?? 'can be used'}`);
    }
    if (failures > 0) throw new CommandError(`${failures} of the senders cannot be used`);
  });
}

function shownName({ page, name }: SenderPage): string {
  return name === undefined ? page : `${page} (${shown(name)})`;
}

function numberIn(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) throw new CommandError(`--price: ${value} is not a number`);
  return number;
}
