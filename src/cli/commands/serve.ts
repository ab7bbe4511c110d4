import type { Command } from 'commander';
import { loadConfig, serverSettings } from '../../config.ts';
import { settingOption, sourcesOf } from '../flags.ts';
import { CommandError } from '../terminal.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run the server. Each setting is a flag or a variable of the environment; the flag goes before.');
  for (const setting of Object.values(serverSettings)) command.addOption(settingOption(setting));
  command.action(async () => {
    const config = loadConfig(sourcesOf(command));
    // Only here, so that the other commands need not load a server.
    const { serve, StartError } = await import('../../main.ts');
    try {
      process.exitCode = await serve(config);
    } catch (error) {
      throw error instanceof StartError ? new CommandError(error.message, { cause: error }) : error;
    }
  });
}
