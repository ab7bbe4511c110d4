/**
 * Types, lint and the tests; with `--slow` the slow tests alone. `--results=FILE` writes the counts as JSON as well;
 * further arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Counts, countTests, total } from './test-counts.ts';

const root = dirname(import.meta.dirname);
const resultsOption = '--results=';
const slowOption = '--slow';

/** Settings of the developer's own server must not reach the servers under test. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SENTLOG_')));

function run(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const stop = (signal: NodeJS.Signals) => child.kill(signal);
  process.once('SIGTERM', stop);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGTERM', stop);
      if (signal === 'SIGTERM') process.exit(143);
      resolve(code ?? 1);
    });
  });
}

async function check(name: string, script: string, args: readonly string[]): Promise<Counts> {
  console.log(`${name} …`);
  return (await run(script, args)) === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

async function test(projects: readonly string[], args: readonly string[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-test-'));
  try {
    const file = join(folder, 'results.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const code = await run('vitest/vitest.mjs', ['run', ...projects, ...reporters, ...args]);
    return countTests(read(file), code === 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What vitest wrote, or nothing when it did not get that far. */
function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`vitest left no results: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function types(): Promise<Counts> {
  // One checker looks at what all share once; the others of TypeScript's own four did so for each.
  const noEmit = ['--noEmit', '--checkers', '1'];
  const ofAll = [
    check('types', 'typescript/bin/tsc', noEmit),
    check('types of the page', 'typescript/bin/tsc', [...noEmit, '-p', 'web']),
  ];
  return total(await Promise.all(ofAll));
}

const verdict = ({ passed, failed, skipped }: Counts) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

const args = process.argv.slice(2);
const isSlow = args.includes(slowOption);
const resultsFile = args.find(arg => arg.startsWith(resultsOption))?.slice(resultsOption.length);
const vitestArgs = args.filter(arg => arg !== slowOption && !arg.startsWith(resultsOption));
const startedAt = Date.now();

const lint = () =>
  check('lint', '@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']);
// The linter has the other core meanwhile.
const [ofTypes, ofLint] = isSlow ? [] : await Promise.all([types(), lint()]);
const ofTests = await test(isSlow ? ['--project=slow'] : ['--project=!slow', '--project=!long'], vitestArgs);
const all = total([ofTypes, ofLint, ofTests].filter(counts => counts !== undefined));

console.log();
if (ofTypes !== undefined) console.log(`types   ${ofTypes.failed === 0 ? 'passed' : 'failed'}`);
if (ofLint !== undefined) console.log(`lint    ${ofLint.failed === 0 ? 'passed' : 'failed'}`);
console.log(`tests   ${verdict(ofTests)}
in ${Math.ceil((Date.now() - startedAt) / 1000)} s: ${verdict(all)}`);
if (resultsFile !== undefined) writeFileSync(resultsFile, `${JSON.stringify(all)}\n`);
process.exitCode = all.failed === 0 && all.passed > 0 ? 0 : 1;
