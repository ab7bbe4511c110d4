import { type Command, Option } from 'commander';
import { clientSettings, loadClientConfig, loadMetricsTokens, serverSettings } from '../../config.ts';
import type { Health } from '../../http/document/operation-schemas.ts';
import { jsonOption, settingOption, sourcesOf } from '../flags.ts';
import { shown } from '../table.ts';
import { CommandError, print } from '../terminal.ts';

export function addHealth(program: Command): void {
  const command = program
    .command('health')
    .description('Ask a running server whether it can read and record. Exit code 1 when it cannot. Needs no key.')
    .addOption(settingOption(clientSettings.url))
    .addOption(
      new Option('--metrics-token <value>', `with it, also what is amiss (${serverSettings.metricsTokens.env})`),
    );
  jsonOption(command).action(async () => {
    const sources = { ...sourcesOf(command), env: withoutKey(process.env) };
    const { url } = loadClientConfig(sources);
    const [token] = loadMetricsTokens(sources);
    const { status, body } = await ask(`${url}/health/ready`, token);
    const isJson = command.opts().json === true || !process.stdout.isTTY;
    await print(isJson ? `${JSON.stringify(body)}\n` : told(body));
    if (status !== 200) process.exitCode = 1;
  });
}

/** Servers of other versions may tell less. */
type Told = Partial<Omit<Health, 'status'>> & {
  readonly status?: string;
  readonly violations?: readonly { readonly violation: string }[];
};

/** The key is not looked at, so an unusable one is no reason to fail. */
function withoutKey(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { SENTLOG_KEY: _key, ...others } = env;
  return others;
}

async function ask(url: string, token: string | undefined): Promise<{ readonly status: number; readonly body: Told }> {
  try {
    const proof = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers: { accept: 'application/json', ...proof } });
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

function told({ status, violations = [], damaged = 0, away = 0, pausedSenders = 0, heldSweep, details }: Told): string {
  const amiss = (count: number, what: string, named: readonly string[] | undefined) =>
    count === 0 ? [] : (named?.map(one => `${what}: ${one}`) ?? [`${what}: ${count}`]);
  const because = ({ name, reason }: { readonly name: string; readonly reason: string }) => `${name}: ${reason}`;
  const held = details?.heldSweep;
  const lines = [
    status ?? 'not ready',
    ...violations.map(({ violation }) => violation),
    ...amiss(damaged, 'damaged', details?.damaged.map(because)),
    ...amiss(
      away,
      'away',
      details?.away?.map(({ name }) => name),
    ),
    ...amiss(
      pausedSenders,
      'paused senders',
      details?.pausedSenders?.map(({ sender, reason }) => because({ name: sender, reason })),
    ),
    ...(heldSweep === undefined ? [] : [`the clock leapt: a sweep waits until ${heldSweep.until}`]),
    ...(held === undefined ? [] : [`it would drop ${held.past} of ${held.all} messages`]),
  ];
  return lines.map(line => `${shown(line)}\n`).join('');
}
