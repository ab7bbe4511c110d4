import type { Command } from 'commander';
import { loadPlace, serverSettings } from '../../config.ts';
import { settingOption, sourcesOf } from '../flags.ts';
import { CommandError, note } from '../terminal.ts';

export function addRepair(program: Command): void {
  const command = program
    .command('repair')
    .description(
      'Bring back what servers set aside as damaged: every row that can still be read. No server may run on the folder.',
    )
    .addOption(settingOption(serverSettings.dataDir));
  command.action(async () => {
    const { dataDir, store } = loadPlace(sourcesOf(command));
    if (store !== undefined) throw new CommandError('there is nothing to repair in a database: only a data folder is');
    const { repair } = await import('../../store/embedded/offline/repair.ts');
    const repaired = repair(dataDir);
    if (repaired.length === 0) note('nothing of this log is set aside');
    for (const { name, messages, reports, again, lostMessages, lostReports } of repaired)
      note(
        `${name}: ${messages} messages and ${reports} reports are back; ${again} messages were recorded again since, ` +
          `${lostMessages} messages and ${lostReports} reports are lost`,
      );
  });
}
