/** `npm run explain`: the plans of the engine over PostgreSQL, as the table of its README. `--help` lists the options. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PostgresServer } from '../../test/support/postgres-server.ts';
import { digits } from '../judge.ts';
import type { Catalog } from './catalog.ts';
import { faultsOf } from './check.ts';
import { type Asked, askAll, prepare } from './explain.ts';
import { accounts, wholeHours } from './log.ts';
import { type Plan, rowsRead, rowsReturned } from './plan.ts';
import { planLogSettings } from './plan-log.ts';

const messagesDefault = 1_500_000;

const usage = `npm run explain -- [options]

  --messages N   messages of both accounts together, 20000 to 20000000 (default ${messagesDefault})
  --dir FOLDER   where the data goes meanwhile (default ${tmpdir()})
  --help         this text

Ends with 1 when a plan reads more than what is asked for.
`;

async function main(): Promise<number> {
  const options = { messages: { type: 'string' }, dir: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { messages: given = String(messagesDefault), dir = tmpdir(), help } = parseArgs({ options }).values;
  if (help) return print(usage);
  const messages = Number(given.replaceAll('_', ''));
  if (!Number.isInteger(messages) || messages < 20_000 || messages > 20_000_000)
    throw new RangeError(`--messages ${given} is not a whole number from 20000 to 20000000`);
  const folder = await mkdtemp(join(dir, 'sentlog-explain-'));
  const settings = ['fsync=off', 'shared_buffers=1GB', 'max_wal_size=8GB', ...planLogSettings];
  const server = await PostgresServer.start(settings, folder);
  try {
    const url = await server.database();
    process.stderr.write(`recording ${messages} messages …\n`);
    const log = await prepare(url, wholeHours(Math.floor(messages / accounts.length), Date.now()));
    await server.query('VACUUM (ANALYZE)', url);
    const { asked, catalog } = await askAll(server, folder, url, log);
    print(table(asked, catalog));
    const faults = asked.flatMap(one => faultsOf(one, catalog));
    for (const fault of faults) process.stderr.write(`${fault}\n`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    await server.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

function table(asked: readonly Asked[], catalog: Catalog): string {
  const rows = asked.flatMap(({ question, plans }) =>
    greatestOf(Map.groupBy(plans, plan => labelOf(plan, catalog))).map(([label, plan]) => [
      plans.length === 1 ? question.title : `${question.title}: ${label}`,
      indexesIn(plan, catalog),
      partitionsRun(plan, catalog),
      `${rowsRead(plan).toFixed(0)} for ${rowsReturned(plan).toFixed(0)}`,
      String(plan.buffers),
      digits(plan.durationMs),
    ]),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  const heads = ['asked for', 'indexes', 'run', 'rows read', 'buffers', 'ms'];
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('');
}

/** Of statements that differ only in their values, the one that looked at the most. */
function greatestOf(plans: ReadonlyMap<string, readonly Plan[]>): readonly (readonly [string, Plan])[] {
  return [...plans].flatMap(([label, alike]) => {
    const greatest = alike.toSorted((a, b) => b.buffers - a.buffers)[0];
    return greatest === undefined ? [] : [[label, greatest] as const];
  });
}

function indexesIn({ steps }: Plan, catalog: Catalog): string {
  const used = steps.flatMap(({ index, loops }) => (index === undefined || loops === 0 ? [] : catalog.wholeOf(index)));
  return [...new Set(used)].map(index => `\`${index}\``).join(', ');
}

/** Of the partitions that the plan has, those that were read at all. */
function partitionsRun({ steps }: Plan, catalog: Catalog): string {
  const reads = steps.filter(({ kind, relation = '' }) => kind.endsWith('Scan') && catalog.isPart(relation));
  const names = (some: typeof reads) => new Set(some.map(({ relation }) => relation)).size;
  return names(reads) === 0 ? '' : `${names(reads.filter(({ loops }) => loops > 0))} of ${names(reads)}`;
}

function labelOf(plan: Plan, catalog: Catalog): string {
  const kinds = plan.steps.flatMap(
    ({ kind, operation }) => operation?.toLowerCase() ?? (kind === 'LockRows' ? 'lock' : []),
  );
  return `${kinds[0] ?? 'read'} ${catalog.tablesIn(plan).join(', ')}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

process.exitCode = await main();
