import { type Cell, faint, shown } from './style.ts';
import { print } from './terminal.ts';

export type Column<Row> = readonly [
  heading: string,
  cell: (row: Row) => Cell,
  /** Colours what of the cell is shown. */
  paint?: ((text: string, row: Row) => string) | undefined,
  /** Says the same in fewer characters, none of which can be missed: it takes the cell's place where not all columns have room. */
  brief?: ((row: Row) => Cell) | undefined,
];

/** Prints a table on a terminal, and one JSON object a line elsewhere. */
export async function printRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<void> {
  if (!process.stdout.isTTY) {
    await print(rows.map(row => `${JSON.stringify(row)}\n`).join(''));
    return;
  }
  await print(await tableText(rows, columns));
}

const gap = '  ';
/** At the end of the headings where columns are left out. */
const more = ' …';
/** As much of a cell as can still be made out: a column that cannot have so much is left out, and those after it. */
const leastWidth = 16;
/** An id of 36 characters stays whole at 80 columns, and so does the time beside it, with what can be made out of a third. */
const firstWidth = 38;

type WidthOf = (text: string) => number;

/** Each row on a line of its own: columns as wide as their widest cell; where those do not fit, they share what there is. */
export async function tableText<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  // A terminal that does not know its width says 0.
  width = process.stdout.columns || Number.POSITIVE_INFINITY,
): Promise<string> {
  // To load it takes as long as the rest of a command, and most of them print no table.
  const { default: widthOf } = await import('string-width');
  const headings = columns.map(([heading]) => heading);
  const cells = rows.map(row => columns.map(([, cell]) => shown(cell(row))));
  const wanted = headings.map((heading, at) =>
    cells.reduce((most, line) => Math.max(most, widthOf(line[at] ?? '')), widthOf(heading)),
  );
  const widths = sharedWidths(wanted, width, columns.map(isWhole));
  if (widths !== wanted && columns.some(column => column[3] !== undefined && !isWhole(column)))
    return tableText(rows, columns.map(briefly), width);
  // Where there is not the room for all of them, none goes to columns that tell nothing of any row.
  const telling = columns.filter((_, at) => at === 0 || cells.some(texts => texts[at] !== ''));
  if (widths !== wanted && telling.length < columns.length && rows.length > 0) return tableText(rows, telling, width);
  const line = (texts: readonly string[], paint: (text: string, at: number) => string) =>
    widths
      .map((columnWidth, at) => {
        const text = cut(texts[at] ?? '', columnWidth, widthOf);
        return (text === '' ? '' : paint(text, at)) + ' '.repeat(columnWidth - widthOf(text));
      })
      .join(gap)
      .trimEnd();
  const head = line(headings, faint) + (widths.length < columns.length ? faint(more) : '');
  const body = cells.map((texts, i) =>
    line(texts, (text, at) => {
      const [row, paint] = [rows[i], columns[at]?.[2]];
      return row === undefined || paint === undefined ? text : paint(text, row);
    }),
  );
  return [head, ...body].map(text => `${text}\n`).join('');
}

function briefly<Row>([heading, cell, paint, brief]: Column<Row>): Column<Row> {
  return [heading, brief ?? cell, paint, brief];
}

/** Whether the cells of a column are brief by now. */
function isWhole<Row>([, cell, , brief]: Column<Row>): boolean {
  return cell === brief;
}

/**
 * The widths of the columns that are shown. The first says what its row is about and gets up to half of the width, so that
 * an id stays whole where it can; the others get as much as can be made out, and what is left goes to all that want more.
 */
function sharedWidths(wanted: readonly number[], width: number, isWhole: readonly boolean[]): readonly number[] {
  const sum = (widths: readonly number[]) => widths.reduce((all, one) => all + one, gap.length * (widths.length - 1));
  if (sum(wanted) <= width) return wanted;
  const least = wanted.map((one, at) => {
    if (at === 0) return Math.min(one, firstWidth, Math.ceil(width / 2));
    return isWhole[at] === true ? one : Math.min(one, leastWidth);
  });
  const needed = (count: number) => sum(least.slice(0, count)) + (count < least.length ? more.length : 0);
  let count = 1;
  for (let fits = 2; fits <= least.length; fits++) if (needed(fits) <= width) count = fits;
  const widths = least.slice(0, count);
  for (let left = width - needed(count); left > 0; ) {
    const short = widths.keys().filter(at => (widths[at] ?? 0) < (wanted[at] ?? 0));
    const [first, ...others] = short;
    if (first === undefined) break;
    const share = Math.max(1, Math.floor(left / (others.length + 1)));
    for (const at of [first, ...others]) {
      const added = Math.min(share, left, (wanted[at] ?? 0) - (widths[at] ?? 0));
      widths[at] = (widths[at] ?? 0) + added;
      left -= added;
    }
  }
  return widths;
}

function cut(text: string, width: number, widthOf: WidthOf): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let keptWidth = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    keptWidth += widthOf(segment);
    if (keptWidth >= width) break;
    kept += segment;
  }
  return `${kept}…`;
}
