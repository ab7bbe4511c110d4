import { crc32 } from 'node:zlib';
import type { MessageRow, ReportRow, ReportState } from './rows.ts';

export function messageSum(row: MessageRow): number {
  return messageSumWith(row, stored(row.price));
}

/** Whether a row as it was read fits the checksum that stands with it. */
export function messageFits(row: MessageRow, sum: number): boolean {
  return sum === messageSum(row) || (row.price === 0 && sum === messageSumWith(row, -0));
}

/**
 * The checksum of a report's row: in its lower 32 bits over the state, which is all that a page reads of it, and above
 * these over the rest. Version 0.1.0 left the rest to the checksum of the sealed file, and nothing there.
 */
export function reportSum(row: ReportRow): number {
  return restSum(row) * 2 ** 32 + stateSum(row, stored(row.price));
}

/** As `messageFits`. */
export function reportFits(row: ReportRow, sum: number): boolean {
  return stateFits(row, sum) && (sum < 2 ** 32 || Math.floor(sum / 2 ** 32) === restSum(row));
}

/** As `messageFits`, of the state alone. */
export function stateFits(row: ReportState, sum: number): boolean {
  const ofState = sum % 2 ** 32;
  return ofState === stateSum(row, stored(row.price)) || (row.price === 0 && ofState === stateSum(row, -0));
}

/**
 * A price as SQLite gives it back: -0 as 0. A sum over -0 fits no row that is read; version 0.1.0 wrote such sums, so
 * they are still taken for right.
 */
const stored = (price: number | null) => (price === 0 ? 0 : price);

function messageSumWith(row: MessageRow, price: number | null): number {
  const { ordinal, account, sentAt, receivedAt, status, error, at, doneAt, seenAt, messageCount } = row;
  const numbers = [ordinal, account, sentAt, receivedAt, status, error, at, doneAt, seenAt, price, messageCount];
  return crc32(row.body, mixed(numbers, row.currency, row.extra));
}

function stateSum(row: ReportState, price: number | null): number {
  const { sequence, previous, status, error, at, doneAt, seenAt, currency, extra } = row;
  return mixed([sequence, previous, status, error, at, doneAt, seenAt, price], currency, extra);
}

/** Never 0: numbers beyond 2^53 would not be exact. */
function restSum(row: ReportRow): number {
  const { message, receivedAt, said, account, sentAt, changed, moved } = row;
  return 1 + (mixed([message, receivedAt, account, sentAt, changed], said, moved) % (2 ** 21 - 1));
}

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);
const prime = 0x01000193;

function mixed(numbers: readonly (number | null)[], ...texts: readonly (string | null)[]): number {
  let sum = 0;
  for (const number of numbers) {
    scratch[0] = number ?? -1;
    sum = Math.imul(sum ^ (scratchWords[0] ?? 0), prime);
    sum = Math.imul(sum ^ (sum >>> 15) ^ (scratchWords[1] ?? 0), prime);
    sum ^= sum >>> 13;
  }
  for (const text of texts) {
    if (text === null) continue;
    for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), prime);
    sum ^= sum >>> 15;
  }
  return sum >>> 0;
}
