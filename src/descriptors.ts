import { readFileSync } from 'node:fs';

/** Where it cannot be told. Node raises what a process may have to as much as the system lets it. */
const presumedMax = 10_000;
const listPath = '/proc/self/limits';

let known: number | undefined;

/** How many files and connections together this process may have open at once. */
export function descriptorsMax(): number {
  known ??= process.platform === 'linux' ? toldIn(readFileSync(listPath, 'utf8')) : presumedMax;
  return known;
}

function toldIn(list: string): number {
  const [, told = String(presumedMax)] = /^Max open files\s+(\d+)/m.exec(list) ?? [];
  return Number(told);
}
