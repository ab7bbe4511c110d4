import type { Command } from 'commander';
import { loadPlace, serverSettings } from '../../config.ts';
import { backUp, type Copied, restore } from '../backup/backup-folder.ts';
import { settingOption, sourcesOf } from '../flags.ts';
import { CommandError, note, shellWord } from '../terminal.ts';

const useDatabase =
  'this log is in a database: pg_dump, pg_basebackup or the snapshots of who runs it back it up, as any other';

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .description(
      'Copy the log, its accounts and all else of a data folder, while its server runs on it. Secrets are in the copy as they are in the folder: sealed by SENTLOG_SECRET, which is not.',
    )
    .argument('<dir>', 'a folder that is not there yet, or empty')
    .addOption(settingOption(serverSettings.dataDir));
  command.action(async (to: string) => {
    const { dataDir, store } = loadPlace(sourcesOf(command));
    if (store !== undefined) throw new CommandError(useDatabase);
    note(
      `${told(await backUp(dataDir, to))} are in ${to}; \`sentlog restore ${shellWord(to)}\` makes a data folder of it`,
    );
  });
}

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .description(
      'Make a data folder of a backup, once each of its files has been compared with what it held. Messages that were on their way to be sent then are not sent from it, since they may have been since: the log has them as EXPIRED_DLR_UNKNOWN.',
    )
    .argument('<dir>', 'what `sentlog backup` made')
    .option('--despite-damage', 'restore a backup whose files are not what they were when it was made')
    .option('--with-outbox', 'send them: only where no server went on from there, or they are sent twice')
    .addOption(settingOption(serverSettings.dataDir));
  command.action(async (from: string) => {
    const { dataDir, store } = loadPlace(sourcesOf(command));
    if (store !== undefined) throw new CommandError(useDatabase);
    const { withOutbox, despiteDamage } = command.opts();
    const restored = await restore(from, dataDir, {
      sends: withOutbox === true,
      despiteDamage: despiteDamage === true,
    });
    for (const line of restored.notes) note(line);
    const asOf = restored.madeAt === undefined ? '' : `, as of ${restored.madeAt},`;
    note(`${told(restored)}${asOf} are in ${dataDir}: \`sentlog serve\` starts on it`);
  });
}

function told({ segments, bytes }: Copied): string {
  return `${segments} ${segments === 1 ? 'segment' : 'segments'} (${(bytes / 1024 / 1024).toFixed(1)} MiB)`;
}
