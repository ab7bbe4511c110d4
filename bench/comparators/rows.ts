import type {
  AccountId,
  EpochMs,
  LogRecord,
  MessageHistory,
  MessageIdentity,
  MessageState,
} from '../../src/domain/message.ts';
import { deliveryErrorByKey, statusByKey } from '../../src/domain/registry.ts';
import type { DatedReport } from '../../src/domain/report.ts';
import { type Known, timelineOf } from './report-on.ts';

export type ColumnType = 'integer' | 'bigint' | 'double precision' | 'text';
export type Value = string | number | null;
export type Row = Readonly<Record<string, unknown>>;

/** The `message` table of both comparators, apart from its primary key `id`. */
export const messageColumns = {
  account_id: 'bigint',
  message_id: 'text',
  sender: 'text',
  destination: 'text',
  bulk_id: 'text',
  entity_id: 'text',
  application_id: 'text',
  campaign_id: 'text',
  sent_at: 'bigint',
  message_count: 'integer',
  content: 'text',
  received_at: 'bigint',
  status_group: 'text',
  status_key: 'integer',
  error_key: 'integer',
  at: 'bigint',
  done_at: 'bigint',
  price: 'double precision',
  currency: 'text',
  seen_at: 'bigint',
} as const satisfies Record<string, ColumnType>;

const optionalColumns: ReadonlySet<string> = new Set([
  'bulk_id',
  'entity_id',
  'application_id',
  'campaign_id',
  'done_at',
  'price',
  'currency',
  'seen_at',
  'reported_status',
  'reported_error',
]);

/**
 * The `report` table, apart from its primary key `id`. Entry 0 of a message's reports is the state it was recorded with,
 * written when the first report comes.
 */
export const reportColumns = {
  message: 'bigint',
  number: 'integer',
  at: 'bigint',
  received_at: 'bigint',
  reported_status: 'integer',
  reported_error: 'integer',
  done_at: 'bigint',
  price: 'double precision',
  currency: 'text',
  seen_at: 'bigint',
} as const satisfies Record<string, ColumnType>;

/** One for each filter. `sent_at` stands last in each, so that the newest are read without sorting. */
const secondaryIndexes: readonly (readonly (keyof typeof messageColumns)[])[] = [
  ['account_id', 'sent_at'],
  ['account_id', 'destination', 'sent_at'],
  ['account_id', 'sender', 'sent_at'],
  ['account_id', 'bulk_id', 'sent_at'],
  ['account_id', 'campaign_id', 'sent_at'],
  ['account_id', 'application_id', 'entity_id', 'sent_at'],
  ['account_id', 'status_group', 'sent_at'],
];

/** In the order of `stateValues`. */
export const stateColumns = [
  'status_group',
  'status_key',
  'error_key',
  'at',
  'done_at',
  'price',
  'currency',
  'seen_at',
] as const;

/** Tables and indexes, in SQL that both databases take; only the growing key is spelt differently. */
export function schema(key: string): readonly string[] {
  const columns = (all: Readonly<Record<string, ColumnType>>) =>
    Object.entries(all).map(([name, type]) => `${name} ${type}${optionalColumns.has(name) ? '' : ' NOT NULL'}`);
  return [
    `CREATE TABLE IF NOT EXISTS message (id ${key}, ${columns(messageColumns).join(', ')}, UNIQUE (account_id, message_id))`,
    `CREATE TABLE IF NOT EXISTS report (id ${key}, ${columns(reportColumns).join(', ')}, UNIQUE (message, number))`,
    ...secondaryIndexes.map(index => `CREATE INDEX IF NOT EXISTS ${index.join('_')} ON message (${index.join(', ')})`),
  ];
}

export function messageValues(
  account: AccountId,
  identity: MessageIdentity,
  state: MessageState,
  receivedAt: EpochMs,
): Value[] {
  return [
    account,
    identity.messageId,
    identity.sender,
    identity.destination,
    identity.bulkId ?? null,
    identity.entityId ?? null,
    identity.applicationId ?? null,
    identity.campaignReferenceId ?? null,
    identity.sentAt,
    identity.messageCount,
    identity.contentJson,
    receivedAt,
    ...stateValues(state),
  ];
}

export function stateValues(state: MessageState): Value[] {
  return [state.status.groupName, state.status.key, state.error.key, state.at, ...outcomeValues(state)];
}

export function reportValues(message: number, number: number, report: DatedReport, receivedAt: EpochMs): Value[] {
  const { status, error } = report;
  return [message, number, report.at, receivedAt, status?.key ?? null, error?.key ?? null, ...outcomeValues(report)];
}

function outcomeValues({ doneAt, price, seenAt }: Pick<DatedReport, 'doneAt' | 'price' | 'seenAt'>): Value[] {
  return [doneAt ?? null, price?.pricePerMessage ?? null, price?.currency ?? null, seenAt ?? null];
}

export function logOf(row: Row): LogRecord {
  const bulkId = textOf(row, 'bulk_id');
  const entityId = textOf(row, 'entity_id');
  const applicationId = textOf(row, 'application_id');
  const campaignReferenceId = textOf(row, 'campaign_id');
  return {
    messageId: text(row, 'message_id'),
    sender: text(row, 'sender'),
    destination: text(row, 'destination'),
    sentAt: number(row, 'sent_at'),
    messageCount: number(row, 'message_count'),
    contentJson: text(row, 'content'),
    ...(bulkId !== undefined && { bulkId }),
    ...(entityId !== undefined && { entityId }),
    ...(applicationId !== undefined && { applicationId }),
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
    ...stateOf(row),
  };
}

/** A message's row with its `report` rows in the order of their numbers. */
export function knownOf(row: Row, reportRows: readonly Row[]): Known {
  const [first, ...rest] = reportRows.map(reportOf);
  const state = stateOf(row);
  if (first === undefined) return { identity: logOf(row), initial: state, state, reports: [] };
  const { status, error } = first;
  if (status === undefined || error === undefined) throw new TypeError('the first report is no whole state');
  return { identity: logOf(row), initial: { ...first, status, error }, state, reports: rest };
}

export function historyOf(row: Row, reportRows: readonly Row[]): MessageHistory {
  const { initial, reports } = knownOf(row, reportRows);
  const kept = reports.map((report, index) => ({
    report,
    receivedAt: number(reportRows[index + 1] ?? row, 'received_at'),
  }));
  return { log: logOf(row), timeline: timelineOf(initial, number(row, 'received_at'), kept), omitted: 0 };
}

function stateOf(row: Row): MessageState {
  return {
    status: statusByKey(number(row, 'status_key')),
    error: deliveryErrorByKey(number(row, 'error_key')),
    at: number(row, 'at'),
    ...outcomeOf(row),
  };
}

function reportOf(row: Row): DatedReport {
  const status = numberOf(row, 'reported_status');
  const error = numberOf(row, 'reported_error');
  return {
    at: number(row, 'at'),
    ...(status !== undefined && { status: statusByKey(status) }),
    ...(error !== undefined && { error: deliveryErrorByKey(error) }),
    ...outcomeOf(row),
  };
}

function outcomeOf(row: Row): Pick<MessageState, 'doneAt' | 'price' | 'seenAt'> {
  const doneAt = numberOf(row, 'done_at');
  const pricePerMessage = numberOf(row, 'price');
  const currency = textOf(row, 'currency');
  const seenAt = numberOf(row, 'seen_at');
  return {
    ...(doneAt !== undefined && { doneAt }),
    ...(pricePerMessage !== undefined && currency !== undefined && { price: { pricePerMessage, currency } }),
    ...(seenAt !== undefined && { seenAt }),
  };
}

export function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new TypeError(`${column} is no number`);
  return value;
}

function numberOf(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : number(row, column);
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new TypeError(`${column} is no text`);
  return value;
}

function textOf(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}
