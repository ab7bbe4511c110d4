import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig, serverSettings } from '../../config.ts';
import { settingOption, sourcesOf } from '../flags.ts';
import { addSimulatorFlags, simulatorTermsIn } from '../simulator-flags.ts';
import { CommandError } from '../terminal.ts';

/** What suits a server whose messages are nobody's, unless it is told otherwise. */
const presets = {
  carrier: 'simulated',
  durability: 'os',
  retention: '30d',
  'segment-age': '1d',
  'rate-limit': '1000000',
  'read-rate-limit': '1000000',
  'page-rate-limit': '1000000',
  'push-networks': '0.0.0.0/0,::/0',
  'log-level': 'warn',
} as const;

export function addEmulate(program: Command): void {
  const { host, port, dataDir, logLevel } = serverSettings;
  const command = program
    .command('emulate')
    .description(
      'Test against a Messenger API that sends nowhere: any key is let in, the name of a destination says what becomes of its messages, and all is forgotten at the end.',
    );
  for (const setting of [host, port, dataDir, logLevel]) command.addOption(settingOption(setting));
  addSimulatorFlags(command);
  command.action(async () => {
    const { env, flags } = sourcesOf(command);
    const own = flags['data-dir'] ?? env[dataDir.env];
    const folder = own ?? mkdtempSync(join(tmpdir(), 'sentlog-emulator-'));
    const config = loadConfig({ env, flags: { ...presets, ...flags, 'data-dir': folder } });
    const { serve, StartError } = await import('../../main.ts');
    try {
      process.exitCode = await serve(config, { isOpenToAll: true, simulator: simulatorTermsIn(command.opts()) });
    } catch (error) {
      throw error instanceof StartError ? new CommandError(error.message, { cause: error }) : error;
    } finally {
      if (own === undefined) rmSync(folder, { recursive: true, force: true });
    }
  });
}
