import type { MessageRow, ReportRow } from './rows.ts';

/** The fields of a row in the order in which volumes have them, and SQLite files of earlier versions. */
const messageFields = [
  'ordinal',
  'account',
  'sentAt',
  'receivedAt',
  'status',
  'error',
  'at',
  'doneAt',
  'seenAt',
  'price',
  'currency',
  'messageCount',
  'extra',
  'body',
] as const satisfies readonly (keyof MessageRow)[];

const reportFields = [
  'sequence',
  'previous',
  'status',
  'error',
  'at',
  'doneAt',
  'seenAt',
  'price',
  'currency',
  'extra',
  'message',
  'receivedAt',
  'said',
  'account',
  'sentAt',
  'changed',
  'moved',
] as const satisfies readonly (keyof ReportRow)[];

export type Cell = number | string | null;

export const messageCells = (row: MessageRow): readonly Cell[] => messageFields.map(field => row[field]);
export const reportCells = (row: ReportRow): readonly Cell[] => reportFields.map(field => row[field]);

/** Of cells whose kinds were looked at, or that a checksum is to tell of. */
export const messageOfCells = (cells: readonly unknown[]) => named(messageFields, cells) as MessageRow;
/** Of those of a state alone, which come first, a row with nothing else. */
export const reportOfCells = (cells: readonly unknown[]) => named(reportFields, cells) as ReportRow;

function named(fields: readonly string[], cells: readonly unknown[]): object {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < cells.length; i++) row[fields[i] ?? ''] = cells[i];
  return row;
}
