/**
 * Everything there is to check: types, lint, every test. `--results=FILE` writes the counts as JSON as well; further
 * arguments go to vitest.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Counts, countTests, total } from './test-counts.ts';

const root = dirname(import.meta.dirname);
const resultsOption = '--results=';

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

async function test(args: readonly string[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-test-'));
  try {
    const file = join(folder, 'results.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const code = await run('vitest/vitest.mjs', ['run', '--project=!long', ...reporters, ...args]);
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

const args = process.argv.slice(2);
const resultsFile = args.find(arg => arg.startsWith(resultsOption))?.slice(resultsOption.length);
const startedAt = Date.now();

// One checker looks at what all share once; the others of TypeScript's own four did so for each, and the linter has the other core.
const noEmit = ['--noEmit', '--checkers', '1'];
const [ofProgram, ofPage, lint] = await Promise.all([
  check('types', 'typescript/bin/tsc', noEmit),
  check('types of the page', 'typescript/bin/tsc', [...noEmit, '-p', 'web']),
  check('lint', '@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']),
]);
const types = total([ofProgram, ofPage]);
const tests = await test(args.filter(arg => !arg.startsWith(resultsOption)));
const all = total([types, lint, tests]);

const verdict = ({ passed, failed, skipped }: Counts) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
console.log(`
types   ${types.failed === 0 ? 'passed' : 'failed'}
lint    ${lint.failed === 0 ? 'passed' : 'failed'}
tests   ${verdict(tests)}
in ${Math.ceil((Date.now() - startedAt) / 1000)} s: ${verdict(all)}`);
if (resultsFile !== undefined) writeFileSync(resultsFile, `${JSON.stringify(all)}\n`);
process.exitCode = all.failed === 0 && all.passed > 0 ? 0 : 1;
