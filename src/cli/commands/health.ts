import { type Command, Option } from 'commander';
import {
  clientSettings,
  flagName,
  loadClientConfig,
  loadMetricsTokens,
  SettingError,
  type Sources,
  serverSettings,
} from '../../config.ts';
import type { Health } from '../../http/document/operation-schemas.ts';
import { jsonOption, settingOption, sourcesOf } from '../flags.ts';
import { bad, doubtful, good, shown } from '../style.ts';
import { CommandError, print } from '../terminal.ts';

export function addHealth(program: Command): void {
  const command = program
    .command('health')
    .description('Ask a running server whether it can read, record and send. Exit code 1 when it cannot. Needs no key.')
    .addOption(settingOption(clientSettings.url))
    .addOption(
      new Option(
        '--metrics-token <value>',
        `with it, also what is amiss (${serverSettings.metricsTokens.env}, of a server of this machine)`,
      ),
    );
  jsonOption(command).action(async () => {
    const sources = { ...sourcesOf(command), env: withoutKey(process.env) };
    const { url } = loadClientConfig(sources);
    const { status, body } = await ask(`${url}/health/ready`, tokenFor(url, sources));
    const isJson = command.opts().json === true || !process.stdout.isTTY;
    await print(isJson ? `${JSON.stringify(body)}\n` : told(body));
    if (status !== 200) process.exitCode = 1;
  });
}

type Part = Readonly<Partial<Record<'name' | 'sender' | 'mirror' | 'reason', string>>>;
/** How many; servers of 0.1.0 tell what they are in the place of that. */
type Amiss = number | readonly Part[];

/** Servers of other versions may tell less. */
type Told = Partial<Pick<Health, 'heldSweep' | 'details'>> & {
  readonly status?: string;
  readonly violations?: readonly { readonly violation: string }[];
  readonly damaged?: Amiss;
  readonly lostAccounts?: number;
  readonly away?: Amiss;
  readonly pausedSenders?: Amiss;
  readonly mirrorsBehind?: Amiss;
};

/** The variable is that of a server beside: it is shown to no other machine, and an unusable one is no reason to fail. */
function tokenFor(url: string, { env, flags }: Sources): string | undefined {
  const isGiven = flags[flagName(serverSettings.metricsTokens)] !== undefined;
  if (isGiven) return loadMetricsTokens({ env: {}, flags })[0];
  if (!loopback.test(new URL(url).hostname)) return undefined;
  try {
    return loadMetricsTokens({ env, flags: {} })[0];
  } catch (error) {
    if (error instanceof SettingError) return undefined;
    throw error;
  }
}

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

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

function told({
  status,
  violations = [],
  damaged,
  lostAccounts,
  away,
  pausedSenders,
  mirrorsBehind,
  heldSweep,
  details,
}: Told): string {
  const held = details?.heldSweep;
  const wrong = [...(status === undefined ? ['not ready'] : []), ...violations.map(({ violation }) => violation)];
  const odd = [
    ...amiss('damaged', damaged, details?.damaged),
    ...amiss(
      'lost accounts',
      lostAccounts,
      details?.lostAccounts?.map(id => ({ name: String(id) })),
    ),
    ...amiss('away', away, details?.away),
    ...amiss('paused senders', pausedSenders, details?.pausedSenders),
    ...amiss('mirrors behind', mirrorsBehind, details?.mirrorsBehind),
    ...(heldSweep === undefined ? [] : [`the clock leapt: a sweep waits until ${heldSweep.until}`]),
    ...(held === undefined ? [] : [`it would drop ${held.past} of ${held.all} messages`]),
  ];
  const lines = [
    ...(status === undefined ? [] : [good(shown(status))]),
    ...wrong.map(line => bad(shown(line))),
    ...odd.map(line => doubtful(shown(line))),
  ];
  return lines.map(line => `${line}\n`).join('');
}

function amiss(what: string, found: Amiss = 0, details: readonly Part[] = []): readonly string[] {
  const [count, parts] = typeof found === 'number' ? [found, details] : [found.length, found];
  if (count === 0) return [];
  if (parts.length === 0) return [`${what}: ${count}`];
  return parts.map(({ name, sender, mirror, reason }) =>
    [what, name ?? sender ?? mirror, reason].filter(Boolean).join(': '),
  );
}
