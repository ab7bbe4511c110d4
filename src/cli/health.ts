import type { Command } from 'commander';
import { clientSettings, loadClientConfig } from '../config.ts';
import { jsonOption, settingOption, sourcesOf } from './flags.ts';
import { shown } from './table.ts';
import { CommandError, print } from './terminal.ts';

export function addHealth(program: Command): void {
  const command = program
    .command('health')
    .description('Ask a running server whether it can read and record. Exit code 1 when it cannot. Needs no key.')
    .addOption(settingOption(clientSettings.url));
  jsonOption(command).action(async () => {
    const { url } = loadClientConfig({ ...sourcesOf(command), env: withoutKey(process.env) });
    const { status, body } = await ask(`${url}/health/ready`);
    const isJson = command.opts().json === true || !process.stdout.isTTY;
    await print(isJson ? `${JSON.stringify(body)}\n` : told(body));
    if (status !== 200) process.exitCode = 1;
  });
}

type Health = {
  readonly status?: string;
  readonly damaged?: readonly { readonly name: string; readonly reason: string }[];
  readonly violations?: readonly { readonly violation: string }[];
};

/** The key is not looked at, so an unusable one is no reason to fail. */
function withoutKey(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { SENTLOG_KEY: _key, ...others } = env;
  return others;
}

async function ask(url: string): Promise<{ readonly status: number; readonly body: Health }> {
  try {
    const response = await fetch(url, { headers: { accept: 'application/json' } });
    const body: unknown = await response.json();
    if (typeof body !== 'object' || body === null) throw new SyntaxError('not an object');
    return { status: response.status, body };
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new CommandError(`${url} does not answer as a sentlog server does`, { cause: error });
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandError(`no answer from ${url}: ${cause}`, { cause: error });
  }
}

function told({ status, damaged = [], violations = [] }: Health): string {
  const lines = [
    status ?? 'not ready',
    ...violations.map(({ violation }) => violation),
    ...damaged.map(({ name, reason }) => `damaged: ${name}: ${reason}`),
  ];
  return lines.map(line => `${shown(line)}\n`).join('');
}
