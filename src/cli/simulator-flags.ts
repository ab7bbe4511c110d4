import { type Command, InvalidArgumentError } from 'commander';
import { behaviours } from '../simulator/destinations.ts';
import { defaultTerms, type SimulatorTerms } from '../simulator/terms.ts';
import { count, durationFlag, wholeNumber } from './flags.ts';

const shareFlags = {
  lost: 'messages whose answer is lost although they are sent',
  duplicates: 'receipts that come twice',
  reorder: 'receipts that come late',
  throttle: 'calls that are throttled',
} as const;

/** The flags of how a simulated Meta behaves. */
export function addSimulatorFlags(command: Command): void {
  command
    .option('--mix <name=weight,…>', 'what becomes of messages whose destination has no name of its own', mix)
    .option('--seed <number>', 'of all that is left to chance', wholeNumber)
    .option('--answer-time <duration>', 'before an answer', durationFlag)
    .option('--echo-time <duration>', 'from a message to its echo', durationFlag)
    .option('--delivery-time <duration>', 'from a message to the receipt of its delivery', durationFlag)
    .option('--seen-time <duration>', 'from a message to its being seen', durationFlag);
  for (const [name, description] of Object.entries(shareFlags))
    command.option(`--${name} <share>`, `${description}, from 0 to 1`, share);
}

export function simulatorTermsIn(flags: Readonly<Record<string, unknown>>): SimulatorTerms {
  const mixed = flags.mix;
  return {
    seed: count(flags, 'seed') ?? defaultTerms.seed,
    answerMs: count(flags, 'answerTime') ?? defaultTerms.answerMs,
    echoMs: count(flags, 'echoTime') ?? defaultTerms.echoMs,
    deliveredMs: count(flags, 'deliveryTime') ?? defaultTerms.deliveredMs,
    seenMs: count(flags, 'seenTime') ?? defaultTerms.seenMs,
    lostShare: count(flags, 'lost') ?? defaultTerms.lostShare,
    duplicateShare: count(flags, 'duplicates') ?? defaultTerms.duplicateShare,
    reorderShare: count(flags, 'reorder') ?? defaultTerms.reorderShare,
    throttledShare: count(flags, 'throttle') ?? defaultTerms.throttledShare,
    mix: mixed instanceof Map ? Object.fromEntries(mixed) : defaultTerms.mix,
  };
}

function share(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number >= 0 && number <= 1)) throw new InvalidArgumentError('It is not from 0 to 1.');
  return number;
}

function mix(value: string): ReadonlyMap<string, number> {
  const names: readonly string[] = behaviours.map(one => one.name);
  const weights = value.split(',').map(part => {
    const [, name = '', weight = ''] = /^([\w-]+)=(\d{1,6}(?:\.\d{1,6})?)$/.exec(part.trim()) ?? [];
    if (!names.includes(name))
      throw new InvalidArgumentError(`It is not name=weight,… with names of destinations: ${names.join(', ')}.`);
    return [name, Number(weight)] as const;
  });
  if (!weights.some(([, weight]) => weight > 0)) throw new InvalidArgumentError('One weight is more than 0.');
  return new Map(weights);
}
