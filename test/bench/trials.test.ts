import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../bench/cases/case.ts';
import { rowOf, shortfalls } from '../../bench/judge.ts';
import { measure, type Participant } from '../../bench/trials.ts';

const figures = [{ name: 'rate', title: 'messages', unit: '/s' }] as const;
const one = { name: 'record', figures };

const participant = (driver: Participant['driver'], run: (round: number) => Outcome): Participant => ({
  driver,
  messages: 10,
  run: async round => run(round),
});

describe('measuring a case', () => {
  test('several rounds → every value, in an order that turns round', async () => {
    const order: string[] = [];
    const noting = (driver: Participant['driver']) =>
      participant(driver, round => {
        order.push(driver);
        return { figures: { rate: round + 1 } };
      });
    const measurements = await measure(one, [noting('sentlog'), noting('plain-sqlite')], 3);
    expect(measurements.map(measurement => measurement.values)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(order).toEqual(['sentlog', 'plain-sqlite', 'plain-sqlite', 'sentlog', 'sentlog', 'plain-sqlite']);
  });

  test.each([
    ['missing', {}],
    ['not a number', { rate: Number.NaN }],
    ['without end', { rate: Number.POSITIVE_INFINITY }],
  ])('a figure that is %s → fails', async (_, given) => {
    const measuring = measure(one, [participant('sentlog', () => ({ figures: given }))], 1);
    await expect(measuring).rejects.toThrow('record on sentlog gave no figure for rate');
  });

  test.each([
    ['another answer', { '/a': 'x', '/b': 'z' }],
    ['an answer less', { '/a': 'x' }],
  ])('a driver that gives %s → fails', async (_, answers) => {
    const answering = (driver: Participant['driver'], given: Record<string, string>) =>
      participant(driver, () => ({ figures: { rate: 1 }, answers: given }));
    const participants = [answering('sentlog', { '/a': 'x', '/b': 'y' }), answering('plain-postgres', answers)];
    await expect(measure(one, participants, 1)).rejects.toThrow(
      'record: sentlog and plain-postgres answer /b differently',
    );
  });
});

describe('judging a figure', () => {
  const target = { atLeast: 100, timesAtLeast: { driver: 'plain-postgres', times: 4 } } as const;
  const judge = (sentlog: number, postgres: number) =>
    shortfalls(
      rowOf({ ...figures[0], target }, [
        { figure: 'rate', driver: 'sentlog', messages: 10, values: [sentlog] },
        { figure: 'rate', driver: 'plain-postgres', messages: 10, values: [postgres] },
      ]),
    );

  test('at its targets → nothing is short', () => expect(judge(100, 25)).toEqual([]));
  test('below the figure → says by how much', () => expect(judge(80, 10)).toEqual(['short by 20 %']));
  test('below the ratio → says by how much', () => expect(judge(100, 50)).toEqual(['short by 50 % as a ratio']));

  test('grown too much on the larger log → says by how much', () => {
    const figure = { name: 'p99', title: 'p99', unit: 'ms', target: { atMost: 10, growthAtMost: 1.5 } } as const;
    const row = rowOf(figure, [
      { figure: 'p99', driver: 'sentlog', messages: 10, values: [6] },
      { figure: 'p99', driver: 'sentlog', messages: 1, values: [2] },
    ]);
    expect(shortfalls(row)).toEqual(['over by 100 % in growth']);
  });
});
