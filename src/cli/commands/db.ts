import type { Command } from 'commander';
import { loadPlace, serverSettings } from '../../config.ts';
import { limits } from '../../limits.ts';
import type { Step } from '../../postgres/migrate.ts';
import { count, settingOption, sourcesOf, wholeNumber } from '../flags.ts';
import { printRows } from '../table.ts';
import { CommandError, note } from '../terminal.ts';

export function addDb(program: Command): void {
  const db = program.command('db').description('The tables of a database.');

  withDatabase(
    db.command('migrate').description('Bring the tables up to date, while servers run on them; `serve` does it too.'),
    async target => {
      const { migrate } = await import('../../postgres/migrate.ts');
      const { distribute } = await import('../../store/postgres/schema/citus.ts');
      const taken = await migrate(target, () => {});
      for (const { number, name } of taken) note(`step ${number}: ${name}`);
      const distributed = await distribute(target, ({ level, message }) => level === 'info' || note(message));
      if (distributed) note('the tables are spread over Citus');
      if (taken.length === 0 && !distributed) note('the tables are up to date');
    },
  );

  withDatabase(db.command('status').description('Show what was done to the tables.'), async target => {
    const { migrationStatus } = await import('../../postgres/migrate.ts');
    const steps = await migrationStatus(target);
    await printRows(steps.map(shown), [
      ['STEP', row => row.step],
      ['NAME', row => row.name],
      ['APPLIED', row => row.appliedAt ?? 'not yet'],
    ]);
    const { spreadAccounts } = await import('../../store/postgres/layout/spreading.ts');
    const spread = await spreadAccounts(target);
    if (spread.length > 0)
      await printRows(spread, [
        ['ACCOUNT', row => row.account],
        ['SLICES', row => row.slices],
        ['OLDER', row => row.olderSlices.join(' ')],
        ['ANNOUNCED', row => row.announcedSlices],
        [
          'WORKERS',
          row =>
            Object.entries(row.workers ?? {})
              .map(([worker, slices]) => `${worker} ${slices}`)
              .join(', '),
        ],
      ]);
    const { packedIn } = await import('../../store/postgres/sealed/packed.ts');
    const packed = await packedIn(target);
    if (packed !== undefined)
      await printRows(
        [{ ...packed, until: new Date(packed.until).toISOString() }],
        [
          ['PACKED UNTIL', row => row.until],
          ['MESSAGES', row => row.messages],
          ['BLOCKS', row => row.blocks],
          ['BYTES', row => row.bytes],
        ],
      );
  });

  const spread = db
    .command('spread')
    .description(
      'Spread an account that is too big for one worker over several, from now on, while servers run. ' +
        'Each page of it asks each slice, so it is for such accounts only.',
    )
    .argument('<account>', 'its name')
    .requiredOption('--slices <count>', `1 to ${limits.accountSlicesMax}; 1 for no more than one`, wholeNumber);
  withDatabase(spread, async target => {
    const [name = ''] = spread.args;
    const slices = count(spread.opts(), 'slices') ?? 1;
    if (slices > limits.accountSlicesMax) throw new CommandError(`--slices is at most ${limits.accountSlicesMax}`);
    note(await spreadByName(target, name, slices));
  });
}

/** Gives a line on what was done. */
async function spreadByName(target: Target, name: string, slices: number): Promise<string> {
  const { openAccountRows } = await import('../../accounts/postgres/account-rows.ts');
  const { spreadAccount } = await import('../../store/postgres/layout/spreading.ts');
  await using parts = new AsyncDisposableStack();
  const rows = parts.adopt(await openAccountRows(target.url, { mayMake: false }), one => one.close());
  const account = await rows.account(name);
  if (account === undefined) throw new CommandError(`there is no account "${name}"`);
  const done = await spreadAccount(target, { account: account.id, slices });
  const over = slices === 1 ? 'one slice' : `${slices} slices`;
  return done ? `what is recorded for ${name} from now on is spread over ${over}` : `${name} is on ${over} already`;
}

type Target = { readonly url: string; readonly schema: string };

function shown({ number, name, appliedAt }: Step) {
  return { step: number, name, ...(appliedAt !== undefined && { appliedAt }) };
}

function withDatabase(command: Command, work: (target: Target) => Promise<void>): void {
  command.addOption(settingOption(serverSettings.store)).action(async () => {
    const { store } = loadPlace(sourcesOf(command));
    if (store === undefined)
      throw new CommandError('a database is needed: --store postgres://…, or the variable SENTLOG_STORE');
    const { schemaName } = await import('../../postgres/migrate.ts');
    await work({ url: store, schema: schemaName });
  });
}
