import { DamagedRow } from '../files/damage.ts';
import type { MessageRow, ReportRow } from '../rows/rows.ts';

/**
 * A row in a volume: JSON of its columns but the longest text, a line break, then that text. What follows from its place
 * is left out: the number of the row, and of the report before it all but how far back it is.
 */
export function messageBody(row: MessageRow): Buffer {
  return Buffer.from(`${JSON.stringify(row.slice(1, 13))}\n${row[13]}`);
}

export function messageOf(body: Uint8Array, ordinal: number): MessageRow {
  const { told, text } = parted(body);
  return [ordinal, ...told.slice(0, 12), text] as MessageRow;
}

export function reportBody(row: ReportRow): Buffer {
  const back = row[1] === 0 ? 0 : row[0] - row[1];
  const told = [back, ...row.slice(2, 12), ...row.slice(13)];
  return Buffer.from(`${JSON.stringify(told)}\n${row[12]}`);
}

export function reportOf(body: Uint8Array, sequence: number): ReportRow {
  const { told, text } = parted(body);
  const back = Number(told[0]);
  const previous = back === 0 ? 0 : sequence - back;
  return [sequence, previous, ...told.slice(1, 11), text, ...told.slice(11, 15)] as ReportRow;
}

/** JSON as it is written has no line break in it. */
function parted(body: Uint8Array): { readonly told: readonly unknown[]; readonly text: string } {
  const whole = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  const end = whole.indexOf('\n');
  if (end === -1) throw new DamagedRow('a row of a volume');
  return { told: JSON.parse(whole.slice(0, end)), text: whole.slice(end + 1) };
}
