import { DamagedRow } from '../files/damage.ts';
import { type MessageRow, messageSum, type ReportRow, reportSum } from './rows-file.ts';

/**
 * A row in a volume: JSON of its columns but the longest text, a line break, then that text. What follows from the rest is
 * left out: the number of the row, a checksum that fits, and of the report before it all but how far back it is.
 */
export function messageBody(row: MessageRow): Buffer {
  const told: unknown[] = row.slice(1, 13);
  if (row[13] !== messageSum(row)) told.push(row[13]);
  return Buffer.from(`${JSON.stringify(told)}\n${row[14]}`);
}

export function messageOf(body: Uint8Array, ordinal: number): MessageRow {
  const { told, text } = parted(body);
  const sum = told[12];
  const row = [ordinal, ...told.slice(0, 12), sum ?? 0, text] as MessageRow;
  if (sum === undefined) row[13] = messageSum(row);
  return row;
}

export function reportBody(row: ReportRow): Buffer {
  const back = row[1] === 0 ? 0 : row[0] - row[1];
  const told: unknown[] = [back, ...row.slice(2, 10), row[11], row[12], ...row.slice(14)];
  if (row[10] !== reportSum(row)) told.push(row[10]);
  return Buffer.from(`${JSON.stringify(told)}\n${row[13]}`);
}

export function reportOf(body: Uint8Array, sequence: number): ReportRow {
  const { told, text } = parted(body);
  const [back, sum] = [told[0], told[15]];
  const previous = back === 0 ? 0 : sequence - Number(back);
  const row = [sequence, previous, ...told.slice(1, 9), sum ?? 0, told[9], told[10], text, ...told.slice(11, 15)];
  const report = row as ReportRow;
  if (sum === undefined) report[10] = reportSum(report);
  return report;
}

const lineBreak = 10;

/** JSON as it is written has no line break in it. */
function parted(body: Uint8Array): { readonly told: readonly unknown[]; readonly text: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const end = bytes.indexOf(lineBreak);
  if (end === -1) throw new DamagedRow('a row of a volume');
  return { told: JSON.parse(bytes.toString('utf8', 0, end)), text: bytes.toString('utf8', end + 1) };
}
