/** `npm run bench`: measures sentlog beside its comparators and prints the table. `--help` lists the options. */
import { writeFile } from 'node:fs/promises';
import { Bench, type CaseResult } from './bench.ts';
import { cases } from './cases.ts';
import { describeMachine } from './machine.ts';
import { OptionError, type Options, parseOptions, usage } from './options.ts';
import { markdown } from './report.ts';
import { Workplace } from './workplace.ts';

/** The data of every run is the same. */
const seed = 20_230_201;

/** Adds each case's result to `results` as soon as it is there. */
async function run(options: Options, workplace: Workplace, results: CaseResult[]): Promise<void> {
  const bench = await Bench.open(
    {
      cases: cases.filter(one => options.caseNames.includes(one.name)),
      drivers: options.drivers,
      rounds: options.rounds,
      sizes: options.sizes,
      seed,
      spread: options.spread,
      startedAt: Date.now(),
      keepServers: options.smoke,
      progress: line => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`),
    },
    workplace,
  );
  for await (const result of bench.run()) results.push(result);
}

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    args,
    cases.map(one => one.name),
  );
  if (options.show === 'help') return print(usage);
  if (options.show === 'list') return print(cases.map(one => `${one.name.padEnd(16)}${one.title}\n`).join(''));
  const workplace = await Workplace.open(options.folder);
  const interrupted = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals) => interrupted.reject(new Error(`ended by ${signal}`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);
  const startedAt = new Date();
  const machine = describeMachine(workplace.folder);
  const results: CaseResult[] = [];
  const { rounds, spread, smoke, output } = options;
  const table = () =>
    markdown({ startedAt, durationMs: Date.now() - startedAt.getTime(), machine, rounds, spread, smoke }, results);
  try {
    await Promise.race([run(options, workplace, results), interrupted.promise]);
  } catch (error) {
    // What was measured until then took long enough to be worth showing.
    if (results.length > 0) print(table());
    throw error;
  } finally {
    await workplace.close();
  }
  if (output !== undefined) await writeFile(output, table());
  return print(table());
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof OptionError ? error.message : error);
  // A bench that was interrupted is still waiting for what has ended.
  process.exit(1);
}
