import { print } from './terminal.ts';

export type Cell = string | number | undefined;

/** Control characters and those that turn the direction of writing: what comes from outside must not steer a terminal. */
const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** Prints a table on a terminal, and one JSON object a line elsewhere. */
export async function printRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly (readonly [heading: string, cell: (row: Row) => Cell])[],
): Promise<void> {
  if (!process.stdout.isTTY) {
    await print(rows.map(row => `${JSON.stringify(row)}\n`).join(''));
    return;
  }
  await print(await tableText(rows, columns));
}

/** Columns as wide as their widest cell; a line that would not fit is cut, so that each row stays on one. */
export async function tableText<Row>(
  rows: readonly Row[],
  columns: readonly (readonly [heading: string, cell: (row: Row) => Cell])[],
  // A terminal that does not know its width says 0.
  width = process.stdout.columns || Number.POSITIVE_INFINITY,
): Promise<string> {
  // To load it takes as long as the rest of a command, and most of them print no table.
  const { default: widthOf } = await import('string-width');
  const lines = [columns.map(([heading]) => heading), ...rows.map(row => columns.map(([, cell]) => shown(cell(row))))];
  const widths = columns.map((_, at) => lines.reduce((most, line) => Math.max(most, widthOf(line[at] ?? '')), 0));
  const text = (line: readonly string[]) =>
    line.map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - widthOf(cell))).join('  ');
  return lines.map(line => `${cut(text(line).trimEnd(), width, widthOf)}\n`).join('');
}

/** What of a value may go to a terminal. */
export function shown(cell: Cell): string {
  return String(cell ?? '').replace(steering, ' ');
}

function cut(line: string, width: number, widthOf: (text: string) => number): string {
  if (widthOf(line) <= width) return line;
  let kept = '';
  let keptWidth = 0;
  for (const { segment } of new Intl.Segmenter().segment(line)) {
    keptWidth += widthOf(segment);
    if (keptWidth >= width) break;
    kept += segment;
  }
  return `${kept}…`;
}
