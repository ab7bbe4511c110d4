import type { Disk } from '../files/disk.ts';
import type { RowsSource } from '../files/folder.ts';
import { messageColumnCount, reportColumnCount } from '../rows/earlier-rows.ts';
import { messageOfCells, reportOfCells } from '../rows/row-cells.ts';
import { messageFits, reportFits } from '../rows/row-sums.ts';
import type { MessageOrReport, MessageRow, ReportRow } from '../rows/rows.ts';
import { RecoveredPages, type RecoveredRow, type RecoveredValue, type Skips } from './page-recovery.ts';

export { messageColumnCount, reportColumnCount };

/** The sound rows in the pages of the SQLite file that an earlier version wrote, and of its write-ahead log. */
export function* earlierRows(disk: Disk, source: RowsSource, skips: Skips): Generator<MessageOrReport> {
  const pages = new RecoveredPages(disk, source);
  try {
    for (const row of pages.rows(skips)) {
      const [message, report] = [messageIn(row), reportIn(row)];
      if (message !== undefined) yield { message };
      if (report !== undefined) yield { report };
    }
  } finally {
    pages.close();
  }
}

/** The message in a recovered row, if it is a sound one. */
function messageIn({ rowid, values }: RecoveredRow): MessageRow | undefined {
  if (values.length !== messageColumnCount) return undefined;
  const { cells, sum } = parted(rowid, values, sumAt.message);
  const row = hasShape(cells, messageShape) ? messageOfCells(cells) : undefined;
  return row !== undefined && messageFits(row, sum) ? row : undefined;
}

function reportIn({ rowid, values }: RecoveredRow): ReportRow | undefined {
  if (values.length !== reportColumnCount) return undefined;
  const { cells, sum } = parted(rowid, values, sumAt.report);
  const row = hasShape(cells, reportShape) ? reportOfCells(cells) : undefined;
  return row !== undefined && reportFits(row, sum) ? row : undefined;
}

/** Where the checksum stands among the columns of a table. */
const sumAt = { message: 13, report: 10 };

function parted(rowid: number, values: readonly RecoveredValue[], at: number) {
  return { cells: [rowid, ...values.slice(1, at), ...values.slice(at + 1)], sum: Number(values[at]) };
}

/** The kinds of the columns: a number or a text, and in capitals where there may be none. */
const messageShape = 'nnnnnnnNNNTnTt';
const reportShape = 'nnnnnNNNTTnntnnnT';

function hasShape(cells: readonly RecoveredValue[], shape: string): boolean {
  return cells.every((value, i) => {
    const kind = shape[i] ?? '';
    if (value === null) return kind === kind.toUpperCase();
    return typeof value === (kind.toLowerCase() === 'n' ? 'number' : 'string');
  });
}
