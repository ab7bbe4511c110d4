import type { Command } from 'commander';
import { loadPlace, serverSettings } from '../config.ts';
import type { Step } from '../postgres/migrate.ts';
import { settingOption, sourcesOf } from './flags.ts';
import { printRows } from './table.ts';
import { CommandError, note } from './terminal.ts';

export function addDb(program: Command): void {
  const db = program.command('db').description('The tables of a database.');

  withDatabase(
    db.command('migrate').description('Bring the tables up to date, while servers run on them; `serve` does it too.'),
    async target => {
      const { migrate } = await import('../postgres/migrate.ts');
      const { distribute } = await import('../store/postgres/citus.ts');
      const taken = await migrate(target, () => {});
      for (const { number, name } of taken) note(`step ${number}: ${name}`);
      const distributed = await distribute(target, () => {});
      if (distributed) note('the tables are spread over Citus');
      if (taken.length === 0 && !distributed) note('the tables are up to date');
    },
  );

  withDatabase(db.command('status').description('Show what was done to the tables.'), async target => {
    const { migrationStatus } = await import('../postgres/migrate.ts');
    const steps = await migrationStatus(target);
    await printRows(steps.map(shown), [
      ['STEP', row => row.step],
      ['NAME', row => row.name],
      ['APPLIED', row => row.appliedAt ?? 'not yet'],
    ]);
  });
}

function shown({ number, name, appliedAt }: Step) {
  return { step: number, name, ...(appliedAt !== undefined && { appliedAt }) };
}

function withDatabase(command: Command, work: (target: { url: string; schema: string }) => Promise<void>): void {
  command.addOption(settingOption(serverSettings.store)).action(async () => {
    const { store } = loadPlace(sourcesOf(command));
    if (store === undefined)
      throw new CommandError('a database is needed: --store postgres://…, or the variable SENTLOG_STORE');
    const { schemaName } = await import('../postgres/migrate.ts');
    await work({ url: store, schema: schemaName });
  });
}
