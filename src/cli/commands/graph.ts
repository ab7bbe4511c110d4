import { type Command, InvalidArgumentError } from 'commander';
import { secretIn, text } from '../flags.ts';
import { addSimulatorFlags, simulatorTermsIn } from '../simulator-flags.ts';
import { CommandError, note, print } from '../terminal.ts';

/** A simulated Meta for any program that is written for Graph. */
export function addGraph(program: Command): void {
  const command = program
    .command('graph')
    .description(
      'Play Meta: a Graph API that sends nowhere, and the webhooks that come of it. The name of a destination says what becomes of its messages.',
    )
    .option('--host <address>', 'to listen on (default 127.0.0.1)')
    .option('--port <number>', 'to listen on; 0 takes a free one (default 8090)')
    .option('--webhook <url>', 'where events go; nowhere when not given')
    .option(
      '--app-secret-file <file>',
      'secret that webhooks are signed with and proofs are checked with (default "secret")',
    )
    .option(
      '--token <token=page>',
      'a token and its page; may be given several times; any token is good when none is',
      collectToken,
    )
    .option('--require-proof', 'refuse calls without appsecret_proof');
  addSimulatorFlags(command);
  command.action(async () => {
    const flags = command.opts();
    const { openGraph } = await import('../../simulator/open.ts');
    const secretFile = text(flags, 'appSecretFile');
    const webhookUrl = text(flags, 'webhook');
    if (webhookUrl !== undefined && !/^https?:$/.test(URL.parse(webhookUrl)?.protocol ?? ''))
      throw new CommandError(`--webhook: ${webhookUrl} is not an http or https address`);
    const host = text(flags, 'host') ?? '127.0.0.1';
    const port = portOf(text(flags, 'port') ?? '8090');
    const tokens: unknown = flags.token;
    const running = await openGraph({
      host,
      port,
      ...(webhookUrl !== undefined && { webhookUrl }),
      access: {
        appSecret: secretFile === undefined ? 'secret' : await secretIn('--app-secret-file', secretFile),
        requiresProof: flags.requireProof === true,
        ...(tokens instanceof Map && { tokens: Object.fromEntries(tokens) }),
      },
      simulator: simulatorTermsIn(flags),
      note: reason => note(`sentlog: ${reason}`),
    }).catch(error => {
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      const flag = error.syscall === 'getaddrinfo' ? '--host' : '--host, --port';
      throw new CommandError(`${flag}: cannot listen on port ${port} of ${host}: ${error.message}`, { cause: error });
    });
    await print(`the simulated Graph API listens on ${running.url}\n`);
    await new Promise(resolve => process.once('SIGTERM', resolve).once('SIGINT', resolve));
    await running.close();
  });
}

function collectToken(value: string, before: unknown): ReadonlyMap<string, string> {
  const [, token, page] = /^([^=\s]+)=([^=\s]+)$/.exec(value) ?? [];
  if (token === undefined || page === undefined) throw new InvalidArgumentError('It is not token=page.');
  return new Map([...(before instanceof Map ? before : []), [token, page]]);
}

function portOf(value: string): number {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) throw new CommandError(`--port: ${value} is not a port`);
  return port;
}
