import { DamagedRow } from '../files/damage.ts';
import { messageOfCells, reportOfCells } from '../rows/row-cells.ts';
import type { MessageRow, ReportRow } from '../rows/rows.ts';

/**
 * A row in a volume: JSON of its columns but the longest text, a line break, then that text. What follows from its place
 * is left out: the number of the row, and of the report before it all but how far back it is.
 */
export function messageBody(row: MessageRow): Buffer {
  const { account, sentAt, receivedAt, status, error, at, doneAt, seenAt, price, currency, messageCount, extra } = row;
  const told = [account, sentAt, receivedAt, status, error, at, doneAt, seenAt, price, currency, messageCount, extra];
  return Buffer.from(`${JSON.stringify(told)}\n${row.body}`);
}

export function messageOf(body: Uint8Array, ordinal: number): MessageRow {
  const { told, text } = parted(body);
  return messageOfCells([ordinal, ...told.slice(0, 12), text]);
}

export function reportBody(row: ReportRow): Buffer {
  const back = row.previous === 0 ? 0 : row.sequence - row.previous;
  const { status, error, at, doneAt, seenAt, price, currency, extra, message, receivedAt } = row;
  const state = [status, error, at, doneAt, seenAt, price, currency, extra];
  const told = [back, ...state, message, receivedAt, row.account, row.sentAt, row.changed, row.moved];
  return Buffer.from(`${JSON.stringify(told)}\n${row.said}`);
}

export function reportOf(body: Uint8Array, sequence: number): ReportRow {
  const { told, text } = parted(body);
  const back = Number(told[0]);
  const previous = back === 0 ? 0 : sequence - back;
  return reportOfCells([sequence, previous, ...told.slice(1, 11), text, ...told.slice(11, 15)]);
}

/** JSON as it is written has no line break in it. */
function parted(body: Uint8Array): { readonly told: readonly unknown[]; readonly text: string } {
  const whole = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  const end = whole.indexOf('\n');
  if (end === -1) throw new DamagedRow('a row of a volume');
  return { told: JSON.parse(whole.slice(0, end)), text: whole.slice(end + 1) };
}
