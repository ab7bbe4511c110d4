import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Case } from '../../bench/cases/case.ts';
import { drivers } from '../../bench/drivers.ts';
import { type DriverName, driverNames } from '../../bench/server/messages.ts';

const root = join(import.meta.dirname, '..', '..');

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

export async function bench(
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

/** The document of a smoke run with these options, which must have succeeded and left nothing of its data behind. */
export async function smokeRun(...options: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentlog-smoke-'));
  try {
    // PostgreSQL runs as another user when the tests run as root.
    const data = join(folder, 'data');
    await mkdir(data);
    for (const path of [folder, data]) await chmod(path, 0o755);
    const output = join(folder, 'table.md');
    // It starts the same programs again and again.
    const env = { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'compiled') };
    const result = await bench(['--smoke', '--dir', data, '--output', output, ...options], env);
    expect(result.code, result.output).toBe(0);
    expect(await readdir(data)).toEqual([]);
    return await readFile(output, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The document has each figure of the case, for each of these drivers that the case is for. */
export function expectFigures(document: string, one: Case, among: readonly DriverName[] = driverNames): void {
  const table = tablesOf(document).get(one.name);
  expect(table?.rows.map(row => row[0])).toEqual(one.figures.map(figure => figure.title));
  for (const driver of (one.drivers ?? driverNames).filter(name => among.includes(name))) {
    const column = table?.columns.indexOf(drivers[driver].title) ?? -1;
    for (const row of table?.rows ?? []) expect(row[column], `${row[0]} of ${driver}`).toMatch(/^\d/);
  }
}
