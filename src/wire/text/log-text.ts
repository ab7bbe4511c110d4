import type { LogRecord, MessageHistory, TimelineEntry } from '../../domain/message.ts';
import { type DeliveryError, deliveryErrors, groupShown, type Status, statuses } from '../../domain/registry.ts';
import { DateTimeWriter } from '../date-time.ts';
import { fieldSources, type Source } from '../json-source.ts';
import { csvLine } from './log-csv.ts';

/** The forms a page of logs is rendered in: `json` is logs joined by commas, `ndjson` and `csv` one log a line. */
export type LogForm = 'json' | 'ndjson' | 'csv';

/** Of all pages. */
const dates = new DateTimeWriter();

/** One log in the vendor's JSON, fields in the vendor's order, absent fields left out; all of it in one line. */
export function logJson(log: LogRecord): string {
  return oneLine(`{${logFields(log)}}`);
}

/** A page of logs; `csv` without its header, which stands once before all pages. */
export function renderLogs(logs: readonly LogRecord[], form: LogForm): string {
  let text = '';
  switch (form) {
    case 'json':
      for (const log of logs) text += text === '' ? `{${logFields(log)}}` : `,{${logFields(log)}}`;
      return text;
    case 'ndjson':
      for (const log of logs) text += `${oneLine(`{${logFields(log)}}`)}\n`;
      return text;
    case 'csv':
      for (const log of logs) text += csvLine(log, dates);
      return text;
  }
}

/**
 * Content is kept as it came, and JSON may have line breaks between its parts, though never within a text. Where a log
 * is one line, blanks stand for them.
 */
function oneLine(json: string): string {
  return json.includes('\n') || json.includes('\r') ? json.replaceAll(/[\r\n]/g, ' ') : json;
}

/** One message with what became of it: its log, then `seenAt`, `timeline` and what that leaves out. */
export function historyJson({ log, timeline, omitted }: MessageHistory): string {
  const seenAt = log.seenAt === undefined ? '' : `,"seenAt":"${dates.write(log.seenAt)}"`;
  const entries = timeline.map(entryJson);
  return `{${logFields(log)}${seenAt},"timeline":[${entries.join(',')}]${omitted === 0 ? '' : `,"omitted":${omitted}`}}`;
}

function entryJson({ at, status, error, receivedAt }: TimelineEntry): string {
  return `{"at":"${dates.write(at)}"${codes(status, error)},"receivedAt":"${dates.write(receivedAt)}"}`;
}

/** Few and long constants between the values: what a page costs is the number of pieces it is put together from. */
function logFields(log: LogRecord): string {
  let text = `"sender":"${escaped(log.sender)}","destination":"${escaped(log.destination)}`;
  if (log.bulkId !== undefined) text += `","bulkId":"${escaped(log.bulkId)}`;
  text += `","messageId":"${escaped(log.messageId)}","sentAt":"${dates.write(log.sentAt)}`;
  if (log.doneAt !== undefined) text += `","doneAt":"${dates.write(log.doneAt)}`;
  text += log.messageCount === 1 ? '","messageCount":1' : `","messageCount":${log.messageCount}`;
  const { price } = log;
  const further = log.extraJson === undefined ? noneFurther : new FurtherFields(log.extraJson);
  if (price !== undefined)
    text += `,"price":{"pricePerMessage":${price.pricePerMessage},"currency":"${escaped(price.currency)}"${further.inside('price')}}`;
  text += codes(log.status, log.error);
  if (log.entityId !== undefined || log.applicationId !== undefined || further.has('platform'))
    text += platform(log, further.inside('platform'));
  text += `,"content":${log.contentJson}`;
  if (log.campaignReferenceId !== undefined) text += `,"campaignReferenceId":"${escaped(log.campaignReferenceId)}"`;
  return text + further.rest;
}

/** `more` are further fields, each with a comma before it. */
function platform({ entityId, applicationId }: LogRecord, more: string): string {
  const entity = entityId === undefined ? '' : `,"entityId":"${escaped(entityId)}"`;
  const application = applicationId === undefined ? '' : `,"applicationId":"${escaped(applicationId)}"`;
  return `,"platform":{${(entity + application + more).slice(1)}}`;
}

/** The fields inside the text of an object, with a comma before them. */
function inner(object: string): string {
  const fields = object.slice(object.indexOf('{') + 1, object.lastIndexOf('}'));
  return fields.trim() === '' ? '' : `,${fields}`;
}

/** What a log came with beyond what is known: as it came, in its place. */
class FurtherFields {
  readonly #sources: ReadonlyMap<string, Source>;

  constructor(extraJson: string) {
    this.#sources = fieldSources(extraJson);
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  inside(name: 'price' | 'platform'): string {
    const source = this.#sources.get(name);
    return source === undefined ? '' : inner(source.text);
  }

  get rest(): string {
    let text = '';
    for (const [name, source] of this.#sources)
      if (name !== 'price' && name !== 'platform') text += `,${JSON.stringify(name)}:${source.text}`;
    return text;
  }
}

const noneFurther = new FurtherFields('{}');

/** Nearly every status and error is the registry's own object; one in a sender's own words is written out. */
const registered: ReadonlyMap<object, string> = new Map<object, string>([
  ...statuses.map(status => [status, writeStatus(status)] as const),
  ...deliveryErrors.map(error => [error, writeError(error)] as const),
]);

function codes(status: Status, error: DeliveryError): string {
  return (registered.get(status) ?? writeStatus(status)) + (registered.get(error) ?? writeError(error));
}

function writeStatus(status: Status): string {
  const { id, name, description, action, furtherJson = '{}' } = status;
  const json = JSON.stringify({ ...groupShown(status), id, name, description, action });
  return `,"status":${json.slice(0, -1)}${inner(furtherJson)}}`;
}

function writeError(error: DeliveryError): string {
  const { id, name, description, permanent, furtherJson = '{}' } = error;
  const json = JSON.stringify({ ...groupShown(error), id, name, description, permanent });
  return `,"error":${json.slice(0, -1)}${inner(furtherJson)}}`;
}

const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Asking first costs less than `JSON.stringify`, and ids hardly ever need it. */
function escaped(text: string): string {
  return needsEscape.test(text) ? JSON.stringify(text).slice(1, -1) : text;
}
