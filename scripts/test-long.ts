/**
 * What is too long for every run: the tests of `test/long`, and the properties with values that no run had before.
 * `--rounds=N` is how many seeds are tried (1), `--seed=N` the first of them (any); further arguments go to vitest.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const root = dirname(import.meta.dirname);
const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '1' }, seed: { type: 'string' } },
  allowPositionals: true,
});

function run(projects: readonly string[], seed: number): boolean {
  const named = projects.map(project => `--project=${project}`);
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...named, ...positionals],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PROPERTY_SEED: String(seed) } },
  );
  return status === 0;
}

const first = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = first + round;
  console.log(`seed ${seed} …`);
  const projects =
    round === 0
      ? ['long', 'unit', 'plain', 'http over PostgreSQL', 'slow']
      : ['unit', 'plain', 'http over PostgreSQL', 'slow'];
  if (!run(projects, seed)) {
    console.error(`failed: npm run test:long -- --seed=${seed}`);
    process.exitCode = 1;
    break;
  }
}
