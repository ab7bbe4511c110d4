import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { BreakdownField, BreakdownRow, PriceSum, Summary } from '../../client/index.ts';
import { breakdownFields } from '../../domain/breakdown.ts';
import type { StatusGroupName } from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { comparisons } from '../../wire/query/query-schemas.ts';
import { clientOf, clientOptions } from '../client.ts';
import { count, filterOf, filterOptions, jsonOption, text, texts, wholeNumber } from '../flags.ts';
import { bad, type Cell, faint, inGroupColour } from '../style.ts';
import { type Column, tableText } from '../table.ts';
import { note, print } from '../terminal.ts';

type Comparison = (typeof comparisons)[number];

export function addSummary(program: Command): void {
  const command = program
    .command('summary')
    .description('Count messages of a running server: what became of them, how long it took, what it cost.')
    .addOption(
      new Option('--by <field>', 'broken down by this; twice for two, such as error and campaignReferenceId')
        .choices(breakdownFields)
        .argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), fieldNamed(value)]),
    )
    .option('--first <number>', `rows of the breakdown (default ${limits.breakdownRowsShownDefault})`, wholeNumber)
    .addOption(new Option('--compare <range>', 'the same figures of another range beside').choices(comparisons))
    .option('--time-zone <name>', 'by whose clock a day or a week before is, such as Europe/Zagreb (default UTC)');
  clientOptions(jsonOption(filterOptions(command))).action(async () => {
    const flags = command.opts();
    const by = texts(flags, 'by').map(fieldNamed);
    const compare = comparisons.find(one => one === flags.compare);
    const options = {
      buckets: 1,
      by: by.length === 0 ? undefined : by,
      first: count(flags, 'first'),
      compare,
      timeZone: text(flags, 'timeZone'),
    };
    const summary = await clientOf(command).summary(filterOf(flags), options);
    if (flags.json === true || !process.stdout.isTTY) await print(`${JSON.stringify(summary)}\n`);
    else await print(await page(summary, compare));
    const uncounted = 'could be counted: what is missing is unknown, and not 0';
    if (!summary.complete) note(`not all ${uncounted}`);
    if (summary.compared?.complete === false) note(`${compare}: not all ${uncounted}`);
  });
}

function fieldNamed(value: string): BreakdownField {
  const field = breakdownFields.find(one => one === value);
  if (field === undefined) throw new InvalidArgumentError(`Allowed choices are ${breakdownFields.join(', ')}.`);
  return field;
}

type Figure = { readonly name: string; readonly valueIn: (summary: Summary) => Cell; readonly group?: StatusGroupName };

const figures: readonly Figure[] = [
  { name: 'messages', valueIn: ({ total }) => total },
  ...(['DELIVERED', 'PENDING', 'UNDELIVERABLE', 'EXPIRED', 'REJECTED', 'ACCEPTED'] as const).map(
    (group): Figure => ({ name: group.toLowerCase(), valueIn: ({ groups }) => groups?.[group], group }),
  ),
  { name: 'delivered within, median', valueIn: ({ deliveryMs }) => milliseconds(deliveryMs?.p50) },
  { name: 'delivered within, 95 %', valueIn: ({ deliveryMs }) => milliseconds(deliveryMs?.p95) },
  { name: 'cost', valueIn: ({ prices }) => cost(prices) },
];

async function page(summary: Summary, compare: Comparison | undefined): Promise<string> {
  const { compared, breakdown } = summary;
  const figuresOf = (name: string, whole: Summary): Column<Figure> => [
    name,
    ({ valueIn }) => valueIn(whole),
    (text, { group }) => (group === undefined || text === '0' ? text : inGroupColour(text, group)),
  ];
  // The ranges stand above: as a heading, one would take the room of the figures beside it.
  const ranges = [['', summary] as const, ...(compared === undefined ? [] : [[`${compare}: `, compared] as const])];
  const told = ranges.map(([name, { from, to }]) => `${faint(`${name}${from} – ${to}`)}\n`).join('');
  const table = await tableText(figures, [
    ['', ({ name }) => name],
    figuresOf(compared === undefined ? '' : 'asked for', summary),
    ...(compared === undefined ? [] : [figuresOf(String(compare), compared)]),
  ]);
  const all = told + table;
  if (breakdown === undefined) return all;
  const before = compared?.breakdown?.rows;
  const isCompared = before !== undefined;
  const broken = await tableText(
    breakdown.rows.map((row, i) => ({ row, past: before?.[i] })),
    [
      ...breakdown.by.map(field => [heading(field), ({ row }: Row) => row[field] ?? '-'] as const),
      ['MESSAGES', ({ row }: Row) => row.messages],
      ...(isCompared ? [['MESSAGES THEN', ({ past }: Row) => past?.messages] as const] : []),
      ['FAILED', ({ row }: Row) => row.failed, someFailed],
      ...(isCompared ? [['FAILED THEN', ({ past }: Row) => past?.failed, someFailed] as const] : []),
      ['MEDIAN', ({ row }: Row) => milliseconds(row.deliveryMs.p50)],
      ['COST', ({ row }: Row) => cost(row.prices)],
    ],
  );
  return `${all}\n${broken}${breakdown.more > 0 ? `and ${breakdown.more} more\n` : ''}`;
}

type Row = { readonly row: BreakdownRow; readonly past: BreakdownRow | undefined };

const someFailed = (text: string) => (text === '0' ? text : bad(text));
const heading = (field: BreakdownField) => field.replace(/[A-Z]/g, letter => ` ${letter}`).toUpperCase();
const milliseconds = (ms: number | undefined): Cell =>
  ms === undefined ? undefined : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
const cost = (prices: readonly PriceSum[] | undefined): Cell =>
  prices?.map(({ currency, sum }) => `${sum === undefined ? 'unknown' : sum} ${currency}`).join(', ');
