import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { defaultTerms } from '../simulator/terms.ts';
import { count, durationFlag, text, wholeNumber } from './flags.ts';
import { CommandError, note, print } from './terminal.ts';

const shareFlags = {
  lost: 'messages whose answer is lost although they are sent',
  duplicates: 'receipts that come twice',
  reorder: 'receipts that come late',
  throttle: 'calls that are throttled',
} as const;

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
    .option('--require-proof', 'refuse calls without appsecret_proof')
    .option('--seed <number>', 'of all that is left to chance', wholeNumber)
    .option('--answer-time <duration>', 'before an answer', durationFlag)
    .option('--echo-time <duration>', 'from a message to its echo', durationFlag)
    .option('--delivery-time <duration>', 'from a message to the receipt of its delivery', durationFlag)
    .option('--seen-time <duration>', 'from a message to its being seen', durationFlag);
  for (const [name, description] of Object.entries(shareFlags))
    command.option(`--${name} <share>`, `${description}, from 0 to 1`, share);
  command.action(async () => {
    const flags = command.opts();
    const { openGraph } = await import('../simulator/open.ts');
    const secretFile = text(flags, 'appSecretFile');
    const webhookUrl = text(flags, 'webhook');
    if (webhookUrl !== undefined && !URL.canParse(webhookUrl))
      throw new CommandError(`${webhookUrl} is not an address`);
    const tokens: unknown = flags.token;
    const running = await openGraph({
      host: text(flags, 'host') ?? '127.0.0.1',
      port: portOf(text(flags, 'port') ?? '8090'),
      ...(webhookUrl !== undefined && { webhookUrl }),
      access: {
        appSecret: secretFile === undefined ? 'secret' : readFileSync(secretFile, 'utf8').trim(),
        requiresProof: flags.requireProof === true,
        ...(tokens instanceof Map && { tokens: Object.fromEntries(tokens) }),
      },
      simulator: {
        ...defaultTerms,
        seed: count(flags, 'seed') ?? defaultTerms.seed,
        answerMs: count(flags, 'answerTime') ?? defaultTerms.answerMs,
        echoMs: count(flags, 'echoTime') ?? defaultTerms.echoMs,
        deliveredMs: count(flags, 'deliveryTime') ?? defaultTerms.deliveredMs,
        seenMs: count(flags, 'seenTime') ?? defaultTerms.seenMs,
        lostShare: count(flags, 'lost') ?? 0,
        duplicateShare: count(flags, 'duplicates') ?? 0,
        reorderShare: count(flags, 'reorder') ?? 0,
        throttledShare: count(flags, 'throttle') ?? 0,
      },
      note: reason => note(`sentlog: ${reason}`),
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

function share(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number >= 0 && number <= 1)) throw new InvalidArgumentError('It is not from 0 to 1.');
  return number;
}

function portOf(value: string): number {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) throw new CommandError(`--port: ${value} is not a port`);
  return port;
}
