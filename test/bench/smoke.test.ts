import { beforeAll, describe, expect, test } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { OptionError, parseOptions } from '../../bench/options.ts';
import { bench, expectFigures, smokeRun } from './smoke-run.ts';

/** Far more than it takes: only a run that hangs gets there. */
const runsWithinMs = 900_000;

/** `npm run test:long` runs each case on every driver. */
describe('a smoke run of the bench', () => {
  let onSentlog = '';
  let onAll = '';

  /** One that all drivers are for: each of them starts once. */
  const cross = cases.filter(({ name }) => name === 'agreement');

  beforeAll(async () => {
    onSentlog = await smokeRun('--driver', 'sentlog');
    onAll = await smokeRun(...cross.flatMap(({ name }) => ['--case', name]));
  }, runsWithinMs);

  test.each(cases.filter(one => one.drivers?.includes('sentlog') ?? true).map(one => [one.name, one] as const))(
    '%s → each figure of sentlog',
    (_name, one) => expectFigures(onSentlog, one, ['sentlog']),
  );

  test.each(cross.map(one => [one.name, one] as const))('%s → each figure of every driver', (_name, one) =>
    expectFigures(onAll, one),
  );

  test('machine, date and the meaning of the figures → at the top', () => {
    expect(onSentlog).toMatch(/A smoke run/);
    expect(onSentlog).toMatch(/Measured on \d{4}-\d\d-\d\d/);
    for (const fact of ['CPU', 'Memory', 'Node']) expect(onSentlog).toMatch(new RegExp(`^- ${fact}: .+`, 'm'));
  });
});

describe('the options of the bench', () => {
  test.each([
    [['--case', 'none'], '--case none is not one of'],
    [['--driver', 'mysql'], '--driver mysql is not one of'],
    [['--rounds', '0'], '--rounds 0 is not a whole number'],
    [['--messages', 'many'], '--messages many is not a whole number'],
    [['--postgres-messages', '5'], '--postgres-messages 5 is not a whole number'],
    [['--smoke', '--postgres-messages', '20000'], 'without --postgres-messages'],
    [['--fast'], '--fast'],
  ])('%j → refused', (args, reason) => {
    const parsing = () => parseOptions(args, ['latest']);
    expect(parsing).toThrow(OptionError);
    expect(parsing).toThrow(reason);
  });

  test('one that is not known → refused before anything runs', async () => {
    const { code, output } = await bench(['--fast']);
    expect(code).toBe(1);
    expect(output).toContain('--fast');
  });
});
