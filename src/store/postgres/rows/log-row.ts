import type { LogRecord, MessageIdentity, MessageState } from '../../../domain/message.ts';
import { decimal, integer, optional, type Row, text } from '../../../postgres/cells.ts';
import { errorWith, extraIn, statusWith } from '../../words.ts';
import { readState } from './report-text.ts';

const columns = [
  'sent_at',
  'number',
  'message_id',
  'sender',
  'destination',
  'bulk_id',
  'entity_id',
  'application_id',
  'campaign_reference_id',
  'message_count',
  'content',
  'status_key',
  'error_key',
  'words',
  '"at"',
  'done_at',
  'seen_at',
  'price',
  'currency',
] as const;

/** What `identityIn`, `stateIn` and `placeIn` read, in the order they expect, of the table called `m`. */
export const logColumns = columns.map(column => `m.${column}`).join(', ');
export const logColumnCount = columns.length;

/** Where a message stands in the one order of all messages: newest `sentAt` first, then greatest number. */
export type Place = { readonly sentAt: number; readonly number: number };

export function placeIn(row: Row): Place {
  return { sentAt: integer(row[0]), number: integer(row[1]) };
}

export function identityIn(row: Row): MessageIdentity {
  const bulkId = optional(row[5], text);
  const entityId = optional(row[6], text);
  const applicationId = optional(row[7], text);
  const campaignReferenceId = optional(row[8], text);
  return {
    messageId: text(row[2]),
    sender: text(row[3]),
    destination: text(row[4]),
    sentAt: integer(row[0]),
    messageCount: integer(row[9]),
    contentJson: text(row[10]),
    ...(bulkId !== undefined && { bulkId }),
    ...(entityId !== undefined && { entityId }),
    ...(applicationId !== undefined && { applicationId }),
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
  };
}

export function stateIn(row: Row): MessageState {
  const words = optional(row[13], text);
  const doneAt = optional(row[15], integer);
  const seenAt = optional(row[16], integer);
  const price = optional(row[17], decimal);
  const currency = optional(row[18], text);
  const extraJson = extraIn(words);
  return {
    status: statusWith(integer(row[11]), words),
    error: errorWith(integer(row[12]), words),
    at: integer(row[14]),
    ...(doneAt !== undefined && { doneAt }),
    ...(price !== undefined && currency !== undefined && { price: { pricePerMessage: price, currency } }),
    ...(seenAt !== undefined && { seenAt }),
    ...(extraJson !== undefined && { extraJson }),
  };
}

export function logIn(row: Row): LogRecord {
  return { ...identityIn(row), ...stateIn(row) };
}

/** The state that a page found a message by: behind the columns of the log, where it is not the present one. */
export function stateThen(row: Row): MessageState {
  const then = optional(row[logColumnCount], text);
  return then === undefined ? stateIn(row) : readState(then);
}
