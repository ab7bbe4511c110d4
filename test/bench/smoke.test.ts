import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { drivers } from '../../bench/drivers.ts';
import { driverNames } from '../../bench/server/messages.ts';

const root = join(import.meta.dirname, '..', '..');
/** Far more than it takes: only a run that hangs gets there. */
const runsWithinMs = 900_000;

type Table = { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };

const cells = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map(cell => cell.trim());

/** The tables of the document by the name of their case. */
function tablesOf(document: string): ReadonlyMap<string, Table> {
  const sections = document.split(/^## /m).slice(1);
  return new Map(
    sections.map(section => {
      const name = /`--case ([^`]+)`/.exec(section)?.[1] ?? '';
      const [columns = [], , ...rows] = section
        .split('\n')
        .filter(line => line.startsWith('|'))
        .map(cells);
      return [name, { columns, rows }];
    }),
  );
}

async function bench(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['bench/run.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => chunks.push(String(chunk)));
  const [code] = await once(child, 'close');
  return { code, output: chunks.join('') };
}

describe('a smoke run of the bench', () => {
  let folder = '';
  let document = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentlog-smoke-'));
    // PostgreSQL runs as another user when the tests run as root.
    await mkdir(join(folder, 'data'));
    for (const path of [folder, join(folder, 'data')]) await chmod(path, 0o755);
    const output = join(folder, 'table.md');
    // It starts the same program some fifty times.
    const env = { NODE_COMPILE_CACHE: join(folder, 'compiled') };
    const result = await bench(['--smoke', '--dir', join(folder, 'data'), '--output', output], env);
    expect(result.code, result.output).toBe(0);
    document = await readFile(output, 'utf8');
  }, runsWithinMs);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test.each(cases.map(one => [one.name, one] as const))('%s → each figure of every driver', (name, one) => {
    const table = tablesOf(document).get(name);
    expect(table?.rows.map(row => row[0])).toEqual(one.figures.map(figure => figure.title));
    for (const driver of one.drivers ?? driverNames) {
      const column = table?.columns.indexOf(drivers[driver].title) ?? -1;
      for (const row of table?.rows ?? []) expect(row[column], `${row[0]} of ${driver}`).toMatch(/^\d/);
    }
  });

  test('machine, date and the meaning of the figures → at the top', () => {
    expect(document).toMatch(/A smoke run/);
    expect(document).toMatch(/Measured on \d{4}-\d\d-\d\d/);
    for (const fact of ['CPU', 'Memory', 'Node']) expect(document).toMatch(new RegExp(`^- ${fact}: .+`, 'm'));
  });

  test('nothing of its data → left behind', async () => {
    expect(await readdir(join(folder, 'data'))).toEqual([]);
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
  ])('%j → refused before anything runs', async (args, reason) => {
    const { code, output } = await bench(args);
    expect(code).toBe(1);
    expect(output).toContain(reason);
  });
});
