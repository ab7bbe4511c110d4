import { XMLParser } from 'fast-xml-parser';
import type { Submission } from '../domain/message.ts';
import { present } from '../wire/present.ts';
import { isPlainObject } from '../wire/record-flaws.ts';
import { lenient } from './records.ts';

/** What a webhook says of messages. */
export type WebhookReports = {
  readonly reports: readonly Submission[];
  /** Results of other kinds: what people answered, say. */
  readonly others: number;
  /** What could not be taken as it came, a line each. */
  readonly flaws: readonly string[];
};

export type WebhookForm = 'json' | 'xml';

/** A body that is not in the form it says; `message` says why. */
export class BadWebhook extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadWebhook';
  }
}

/**
 * The delivery reports and seen reports in the body of one of the vendor's webhooks. What identifies a message is not
 * taken from there: the log of the other side says it. Throws `BadWebhook`.
 */
export function webhookReports(body: string, form: WebhookForm): WebhookReports {
  const results = form === 'json' ? jsonResults(body) : xmlResults(body);
  const reports: Submission[] = [];
  const flaws: string[] = [];
  let others = 0;
  for (const result of results) {
    const said = isPlainObject(result) ? reportFields(result) : undefined;
    if (said === undefined) {
      others++;
      continue;
    }
    const { submission, flaws: ofThis } = lenient(JSON.stringify(said), needed, said);
    flaws.push(...ofThis.map(flaw => `${String(said.messageId)}: ${flaw}`));
    if (submission !== undefined) reports.push(submission);
  }
  return { reports, others, flaws };
}

const needed: ReadonlySet<string> = new Set(['messageId', '']);

/** What a report may say of its message; `undefined` for what is no report. */
function reportFields({ messageId, status, error, doneAt, price, seenAt }: Readonly<Record<string, unknown>>) {
  if (messageId === undefined || (status === undefined && seenAt === undefined)) return undefined;
  if (status === undefined) return { messageId, seenAt };
  // As in JSON: a field that is not said is not there.
  return present({ messageId, status, error, doneAt, price, seenAt });
}

function jsonResults(body: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new BadWebhook('is not JSON');
  }
  if (!isPlainObject(value) || !Array.isArray(value.results)) throw new BadWebhook('has no results');
  return value.results;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  isArray: name => name === 'result',
});

const numbers: ReadonlySet<string> = new Set(['groupId', 'id', 'pricePerMessage', 'messageCount']);

function xmlResults(body: string): readonly unknown[] {
  // Entities of a sender's own could make much of little.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(body)) throw new BadWebhook('declares a document type');
  let value: unknown;
  try {
    value = parser.parse(body, true);
  } catch (error) {
    throw new BadWebhook(`is not XML: ${error instanceof Error ? error.message : error}`);
  }
  const root = isPlainObject(value) ? value.DeliveryReports : undefined;
  if (!isPlainObject(root)) throw new BadWebhook('has no DeliveryReports');
  const { results } = root;
  const found = isPlainObject(results) ? results.result : undefined;
  return Array.isArray(found) ? found.map(result => typed(result, '')) : [];
}

/** In XML everything is a text. */
function typed(value: unknown, name: string): unknown {
  if (isPlainObject(value))
    return present(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typed(one, key)])));
  if (typeof value !== 'string') return value;
  if (value === '') return undefined;
  if (name === 'permanent') return value === 'true';
  return numbers.has(name) ? Number(value) : value;
}
