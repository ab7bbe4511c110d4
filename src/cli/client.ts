import type { Command } from 'commander';
import { type RetryOptions, SentlogClient } from '../client/index.ts';
import { clientSettings, loadClientConfig } from '../config.ts';
import { settingOption, sourcesOf } from './flags.ts';
import { CommandError, note } from './terminal.ts';

/** The flags of the commands that talk to a running server. */
export function clientOptions(command: Command): Command {
  return command.addOption(settingOption(clientSettings.url)).addOption(settingOption(clientSettings.key));
}

const attemptsMaxDefault = 8;

/** A call that does not get through is tried again, `attemptsMax` times in a row. */
export function clientOf(command: Command, attemptsMax = attemptsMaxDefault): SentlogClient {
  const { url, key } = loadClientConfig(sourcesOf(command));
  if (key === undefined) throw new CommandError('a key is needed: --key, or the variable SENTLOG_KEY');
  const retry: RetryOptions = {
    attemptsMax,
    onRetry: (error, pauseMs) => note(`${error.message}; trying again in ${(pauseMs / 1000).toFixed(1)} s`),
  };
  return new SentlogClient({ baseUrl: url, authorization: { app: key }, retry });
}
