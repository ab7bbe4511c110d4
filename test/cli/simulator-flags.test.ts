import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addSimulatorFlags, simulatorTermsIn } from '../../src/cli/simulator-flags.ts';
import { defaultTerms } from '../../src/simulator/terms.ts';

function termsOf(...args: readonly string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSimulatorFlags(command);
  return simulatorTermsIn(command.parse(args, { from: 'user' }).opts());
}

it('flags of a Meta that is played → its terms; none → the defaults', () => {
  expect(termsOf()).toEqual(defaultTerms);
  expect(
    termsOf(
      ...['--mix', 'seen=8, blocked=1.5,lost=0', '--seed', '7', '--answer-time', '5ms', '--echo-time', '1s'],
      ...['--delivery-time', '2s', '--seen-time', '1m', '--lost', '0.05', '--duplicates', '1', '--reorder', '0.5'],
      ...['--throttle', '0.25'],
    ),
  ).toEqual({
    seed: 7,
    answerMs: 5,
    echoMs: 1000,
    deliveredMs: 2000,
    seenMs: 60_000,
    lostShare: 0.05,
    duplicateShare: 1,
    reorderShare: 0.5,
    throttledShare: 0.25,
    mix: { seen: 8, blocked: 1.5, lost: 0 },
  });
});

it('what is no share, duration or mix → refused in words', () => {
  for (const share of ['', '-0.1', '1.1', 'x']) expect(() => termsOf(`--lost=${share}`)).toThrow('from 0 to 1');
  for (const mix of ['', 'seen', 'nobody=1', 'seen=-1', 'seen=1;blocked=1'])
    expect(() => termsOf(`--mix=${mix}`), mix).toThrow('names of destinations');
  expect(() => termsOf('--mix=seen=0')).toThrow('more than 0');
  expect(() => termsOf('--seen-time=soon')).toThrow();
});
