import { type Command, Option } from 'commander';
import { secretIn, text } from '../flags.ts';
import { withSenders } from '../place/sender-places.ts';
import { printRows } from '../table.ts';
import { note } from '../terminal.ts';

const contentTypes = { json: 'application/json', xml: 'application/xml' } as const;

/** `sentlog reports`: where an account's reports are pushed. */
export function addReports(program: Command): void {
  const reports = program
    .command('reports')
    .description('Where reports on sent messages are pushed when a message names no address of its own.');

  const set = reports
    .command('set')
    .description('Push the reports of an account; what was set before is replaced.')
    .requiredOption('--account <name>', 'account whose messages are reported on')
    .option('--delivery-url <address>', 'where delivery reports go')
    .option('--seen-url <address>', 'where seen reports go')
    .addOption(new Option('--form <form>', 'of delivery reports').choices(['json', 'xml']).default('json'))
    .option('--secret-file <file>', 'file with a secret that all pushes of the account are signed with');
  withSenders(set, async ({ reportPlaces, account }) => {
    const flags = set.opts();
    const [deliveryUrl, seenUrl] = [text(flags, 'deliveryUrl'), text(flags, 'seenUrl')];
    const [form, file] = [text(flags, 'form') === 'xml' ? 'xml' : 'json', text(flags, 'secretFile')] as const;
    await reportPlaces.set({
      account: await account(text(flags, 'account') ?? ''),
      ...(deliveryUrl !== undefined && { deliveryUrl }),
      ...(seenUrl !== undefined && { seenUrl }),
      contentType: contentTypes[form],
      ...(file !== undefined && { secret: await secretIn('--secret-file', file) }),
    });
    note('reports are pushed: a running server takes it up within a second');
  });

  const list = reports.command('list').description('Show where reports are pushed.');
  withSenders(list, async ({ reportPlaces, names }) => {
    const shown = (await reportPlaces.list()).map(({ account, deliveryUrl, seenUrl, contentType, sealedSecret }) => ({
      account: names.get(account),
      deliveryUrl,
      seenUrl,
      contentType,
      signed: sealedSecret !== undefined,
    }));
    await printRows(shown, [
      ['ACCOUNT', row => row.account],
      ['DELIVERY', row => row.deliveryUrl],
      ['SEEN', row => row.seenUrl],
      ['FORM', row => (row.contentType === contentTypes.xml ? 'xml' : 'json')],
      ['SIGNED', row => (row.signed ? 'yes' : 'no')],
    ]);
  });

  const remove = reports
    .command('remove')
    .description('Push the reports of an account no more, but where a message names an address.')
    .requiredOption('--account <name>', 'account whose reports were pushed');
  withSenders(remove, async ({ reportPlaces, account }) => {
    await reportPlaces.remove(await account(text(remove.opts(), 'account') ?? ''));
    note('reports are no longer pushed');
  });
}
