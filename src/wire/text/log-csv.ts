import type { LogRecord } from '../../domain/message.ts';
import { groupShown } from '../../domain/registry.ts';
import type { DateTimeWriter } from '../date-time.ts';
import { csvJson, csvText } from './csv-cell.ts';

/** A text that is JSON. */
class Json {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Cell = string | number | boolean | Json | undefined;

/** A column for each leaf of the vendor's log, in its order; `content` stands as JSON. */
const columns: readonly (readonly [name: string, cell: (log: LogRecord, dates: DateTimeWriter) => Cell])[] = [
  ['sender', log => log.sender],
  ['destination', log => log.destination],
  ['bulkId', log => log.bulkId],
  ['messageId', log => log.messageId],
  ['sentAt', (log, dates) => dates.write(log.sentAt)],
  ['doneAt', (log, dates) => (log.doneAt === undefined ? undefined : dates.write(log.doneAt))],
  ['messageCount', log => log.messageCount],
  ['price.pricePerMessage', log => log.price?.pricePerMessage],
  ['price.currency', log => log.price?.currency],
  ['status.groupId', log => groupShown(log.status).groupId],
  ['status.groupName', log => groupShown(log.status).groupName],
  ['status.id', log => log.status.id],
  ['status.name', log => log.status.name],
  ['status.description', log => log.status.description],
  ['status.action', log => log.status.action],
  ['error.groupId', log => groupShown(log.error).groupId],
  ['error.groupName', log => groupShown(log.error).groupName],
  ['error.id', log => log.error.id],
  ['error.name', log => log.error.name],
  ['error.description', log => log.error.description],
  ['error.permanent', log => log.error.permanent],
  ['platform.entityId', log => log.entityId],
  ['platform.applicationId', log => log.applicationId],
  ['content', log => new Json(log.contentJson)],
  ['campaignReferenceId', log => log.campaignReferenceId],
  ['further', log => furtherOf(log)],
];

/** Fields that are not known, as JSON in the shape of a log. */
function furtherOf({ status, error, extraJson = '{}' }: LogRecord): Json | undefined {
  const codes = [['status', status.furtherJson] as const, ['error', error.furtherJson] as const].flatMap(
    ([name, json]) => (json === undefined ? [] : [`"${name}":${json}`]),
  );
  const parts = [...codes, ...(extraJson === '{}' ? [] : [extraJson.slice(1, -1)])];
  return parts.length === 0 ? undefined : new Json(`{${parts.join()}}`);
}

/** The line of column names, its line end included. */
export const csvHeader = `${columns.map(([name]) => name).join(',')}\r\n`;

/** One log as a line after RFC 4180, its line end included. */
export function csvLine(log: LogRecord, dates: DateTimeWriter): string {
  return `${columns.map(([, cell]) => csvCell(cell(log, dates))).join(',')}\r\n`;
}

function csvCell(value: Cell): string {
  if (value instanceof Json) return csvJson(value.text);
  return typeof value === 'string' ? csvText(value) : String(value ?? '');
}
