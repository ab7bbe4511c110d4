import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../bench/cases/case.ts';
import { cases } from '../../bench/cases.ts';
import type { Figure } from '../../bench/figures.ts';
import { judgedIn, rowOf, shortfalls } from '../../bench/judge.ts';
import { driverNames } from '../../bench/server/messages.ts';
import { cellsOf, wholeRange } from '../../bench/table.ts';
import { type Measurement, measure, type Participant } from '../../bench/trials.ts';
import { headlines, verdict } from '../../bench/verdict.ts';

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
  const measured = (figure: string, driver: Measurement['driver'], value: number, messages = 10): Measurement => ({
    figure,
    driver,
    messages,
    values: [value],
  });
  const short = (figure: Figure, measurements: readonly Measurement[]) => {
    const { sentlog, overPostgres } = judgedIn(rowOf(figure, measurements));
    return [sentlog, overPostgres].flatMap(one =>
      one === undefined ? [] : shortfalls(one).map(({ of, by }) => `${of} ${by}`),
    );
  };
  const rate: Figure = {
    ...figures[0],
    target: { atLeast: 100, timesAtLeast: { driver: 'plain-postgres', times: 4 } },
    postgresTarget: { timesAtLeast: { driver: 'plain-postgres', times: 2 } },
  };
  const time: Figure = {
    name: 'p99',
    title: 'p99',
    unit: 'ms',
    target: { atMost: 10, growthAtMost: 1.5 },
    postgresTarget: { atMost: 15, timesAtMost: { driver: 'plain-postgres', times: 1 } },
  };

  test.each([
    ['at its targets → nothing is short', 100, 25, []],
    ['below the figure → says by how much', 80, 10, ['figure short by 20 %']],
    ['below the ratio → says by how much', 100, 50, ['ratio short by 50 %']],
  ])('%s', (_, sentlog, postgres, expected) =>
    expect(short(rate, [measured('rate', 'sentlog', sentlog), measured('rate', 'plain-postgres', postgres)])).toEqual(
      expected,
    ),
  );

  test('grown too much on the larger log → says by how much', () =>
    expect(short(time, [measured('p99', 'sentlog', 6), measured('p99', 'sentlog', 2, 1)])).toEqual([
      'growth over by 100 %',
    ]));

  test('a comparator on a log of the larger size → the ratio is that of equal logs', () => {
    const ownOnBoth = [measured('rate', 'sentlog', 60), measured('rate', 'sentlog', 100, 1)];
    const against = (messages: number) => short(rate, [...ownOnBoth, measured('rate', 'plain-postgres', 20, messages)]);
    expect(against(10)).toEqual(['figure short by 40 %', 'ratio short by 25 %']);
    expect(against(1)).toEqual(['figure short by 40 %']);
  });

  test('the engine over PostgreSQL → held against its own targets', () => {
    const over = (own: number, plain: number) => [
      measured('p99', 'sentlog-postgres', own),
      measured('p99', 'plain-postgres', plain),
    ];
    expect(short(time, over(15, 15))).toEqual([]);
    expect(short(time, over(18, 12))).toEqual(['figure over by 20 %', 'ratio over by 50 %']);
    expect(short(rate, [measured('rate', 'sentlog-postgres', 15), measured('rate', 'plain-postgres', 10)])).toEqual([
      'ratio short by 25 %',
    ]);
  });

  test.each([
    ['room for it on the machine', 1.9, 'short by 25 %'],
    ['no room for it on the machine', 1.1, 'not judged: room for 1.1'],
  ])('a target where the cores allow, %s → held against it or not', (_, room, expected) => {
    const times: Figure = { name: 'times', title: 'times', unit: '', postgresTarget: { atLeast: 1.6, where: 'room' } };
    const given = [measured('times', 'sentlog-postgres', 1.2), measured('room', 'sentlog-postgres', room)];
    // The comparator's room is no excuse.
    const row = rowOf(times, [...given, measured('room', 'plain-postgres', 1.1)]);
    expect(cellsOf(row, wholeRange)['reached by it']).toBe(expected);
  });
});

describe('what the results come to', () => {
  const result = (name: string, figure: Figure, values: Readonly<Partial<Record<Measurement['driver'], number>>>) => {
    const known = cases.find(other => other.name === name);
    if (known === undefined) throw new Error(`no case is called ${name}`);
    const measurements = driverNames.flatMap(driver => {
      const value = values[driver];
      return value === undefined ? [] : [{ figure: figure.name, driver, messages: 10, values: [value - 1, value + 1] }];
    });
    return { case: { ...known, figures: [figure] }, measurements };
  };

  test('every headline → is a figure of a case', () => {
    const known = cases.flatMap(({ name, figures: all }) => all.map(figure => `${name} ${figure.name}`));
    for (const [name, figure] of headlines) expect(known).toContain(`${name} ${figure}`);
  });

  test('figures that decide → their medians first; what falls short by what it is short of', () => {
    const target = { atLeast: 100, timesAtLeast: { driver: 'plain-postgres', times: 4 } } as const;
    const recorded = result(
      'record-ndjson',
      { ...figures[0], target },
      { sentlog: 50, 'plain-postgres': 25, 'sentlog-postgres': 25 },
    );
    const dropped = result(
      'drop',
      { name: 'duration', title: 'the drop', unit: 'ms', target: { atMost: 50 } },
      { sentlog: 60 },
    );
    expect(verdict([recorded, dropped])).toBe(`## In short

Medians; pages and summaries server side. A ratio below 1 is less time, or fewer messages.

| what | reach | sentlog | reached | sentlog : PostgreSQL | sentlog over PostgreSQL | over PostgreSQL : PostgreSQL |
| --- | --- | --- | --- | --- | --- | --- |
| recording in batches of 1,000 | ≥ 100/s, ≥ 4 × PostgreSQL | 50/s | short by 50 %, short by 50 % as a ratio | 2 | 25/s | 1 |
| dropping the oldest part of the log | ≤ 50 ms | 60 ms | over by 20 % |  |  |  |

Targets reached: 0 of 2.

### Short of its target: the figure itself (2)

- record-ndjson, messages: short by 50 %
- drop, the drop: over by 20 %

### Short of its target: the ratio to the comparator (1)

- record-ndjson, messages: short by 50 %`);
  });
});
