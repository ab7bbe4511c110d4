import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import type { LogShape } from './dataset/shape.ts';
import { type DriverName, driverNames } from './server/messages.ts';
import { fullSizes, type Sizes, smokeSizes } from './sizes.ts';

const messagesDefault = 5_000_000;
const messagesMin = 10_000;
/** Ids have room for no more. */
const messagesMax = 200_000_000;
const roundsDefault = 3;
const smokeRounds = 1;
const roundsMax = 9;

export const usage = `npm run bench -- [options]

  --smoke                 tiny sizes, seconds: shows that every case runs on every driver
  --case NAME             only this case; may be repeated
  --driver NAME           only this driver; may be repeated (${driverNames.join(', ')})
  --messages N            messages that sentlog records in a row (default ${messagesDefault}); every other size follows
  --postgres-messages N   messages of the log that drivers over PostgreSQL are measured on (default: a fifth of those)
  --rounds N              trials of each case on each driver, 1 to ${roundsMax} (default ${roundsDefault})
  --spread NAME           arrival: recorded in about the order of sentAt (default); shuffled: in no order
  --output FILE           writes the table there as well
  --dir FOLDER            where the data goes while the bench runs (default ${tmpdir()})
  --list                  names the cases
  --help                  this text
`;

export type Options = {
  readonly smoke: boolean;
  readonly caseNames: readonly string[];
  readonly drivers: readonly DriverName[];
  readonly sizes: Sizes;
  readonly rounds: number;
  readonly spread: LogShape['spread'];
  readonly output?: string;
  readonly folder: string;
  readonly show?: 'help' | 'list';
};

/** An option that is not known or has no such value; `message` is one line for who typed it. */
export class OptionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OptionError';
  }
}

export function parseOptions(args: readonly string[], caseNames: readonly string[]): Options {
  const values = parse(args);
  const smoke = values.smoke ?? false;
  for (const size of ['messages', 'postgres-messages'] as const)
    if (smoke && values[size] !== undefined) throw new OptionError(`--smoke has sizes of its own, without --${size}`);
  const show = values.help ? 'help' : values.list ? 'list' : undefined;
  return {
    smoke,
    caseNames: chosen('--case', values.case, caseNames),
    drivers: chosen('--driver', values.driver, driverNames),
    sizes: smoke ? smokeSizes : sizesOf(values.messages, values['postgres-messages']),
    rounds: count('--rounds', values.rounds ?? String(smoke ? smokeRounds : roundsDefault), 1, roundsMax),
    spread: chosen('--spread', [values.spread ?? 'arrival'], ['arrival', 'shuffled'] as const)[0] ?? 'arrival',
    folder: values.dir ?? tmpdir(),
    ...(values.output !== undefined && { output: values.output }),
    ...(show !== undefined && { show }),
  };
}

function sizesOf(messages = String(messagesDefault), postgresMessages: string | undefined): Sizes {
  const all = count('--messages', messages, messagesMin, messagesMax);
  if (postgresMessages === undefined) return fullSizes(all);
  return fullSizes(all, count('--postgres-messages', postgresMessages, messagesMin, messagesMax));
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        smoke: { type: 'boolean' },
        case: { type: 'string', multiple: true },
        driver: { type: 'string', multiple: true },
        messages: { type: 'string' },
        'postgres-messages': { type: 'string' },
        rounds: { type: 'string' },
        spread: { type: 'string' },
        output: { type: 'string' },
        dir: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** In the order of `all`; all of them when none was named. */
function chosen<T extends string>(option: string, named: readonly string[] = [], all: readonly T[]): readonly T[] {
  const unknown = named.find(name => !all.some(one => one === name));
  if (unknown !== undefined) throw new OptionError(`${option} ${unknown} is not one of ${all.join(', ')}`);
  return named.length === 0 ? all : all.filter(one => named.includes(one));
}

function count(option: string, text: string, min: number, max: number): number {
  const value = Number(text.replaceAll('_', ''));
  if (!Number.isInteger(value) || value < min || value > max)
    throw new OptionError(`${option} ${text} is not a whole number from ${min} to ${max}`);
  return value;
}
