import { XMLParser } from 'fast-xml-parser';
import type { Submission } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { fieldsAsWritten } from '../wire/json-source.ts';
import { violationsToldMax } from '../wire/parsed.ts';
import { present } from '../wire/present.ts';
import { parseRecord } from '../wire/record/log-record.ts';
import { isPlainObject } from '../wire/record-flaws.ts';
import { lenient } from './records.ts';

/** What a webhook says of messages. */
export type WebhookReports = {
  readonly reports: readonly Submission[];
  /** Results of other kinds: what people answered, say. */
  readonly others: number;
  /** What could not be taken as it came, a line each; the first of them. */
  readonly flaws: readonly string[];
};

/** A body that is not in the form it says; `message` says why. */
export class BadWebhook extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadWebhook';
  }
}

/**
 * The delivery reports and seen reports in the body of one of the vendor's webhooks, result by result. What identifies a
 * message is not taken from there: the log of the other side says it.
 */
export class WebhookReading {
  readonly #reports: Submission[] = [];
  readonly #flaws: string[] = [];
  #others = 0;

  /** The next of its results, and as it is written where that is JSON. */
  take(result: unknown, text?: string): void {
    const said = isPlainObject(result) ? reportFields(result) : undefined;
    if (said === undefined) return this.passOver();
    const sound = parseRecord(said, '', 'any');
    // Only what is beside the known fields, or amiss, is looked for in the text.
    const { submission, flaws } =
      sound.submission === undefined ? lenient(writtenFields(said, text), needed, said) : { ...sound, flaws: [] };
    for (const flaw of flaws)
      if (this.#flaws.length < violationsToldMax) this.#flaws.push(`${named(said.messageId)}: ${flaw}`);
    if (submission !== undefined) this.#reports.push(submission);
  }

  /** The next is none that could be a report. */
  passOver(): void {
    this.#others++;
  }

  get said(): WebhookReports {
    return { reports: this.#reports, others: this.#others, flaws: this.#flaws };
  }
}

/** Whatever stands in the place of an id. */
const named = (messageId: unknown) => (typeof messageId === 'string' ? messageId : JSON.stringify(messageId));

const needed: ReadonlySet<string> = new Set(['messageId', '']);

/** What a report may say of its message; `undefined` for what is no report. */
function reportFields({ messageId, status, error, doneAt, price, seenAt }: Readonly<Record<string, unknown>>) {
  if (messageId === undefined || (status === undefined && seenAt === undefined)) return undefined;
  if (status === undefined) return { messageId, seenAt };
  // As in JSON: a field that is not said is not there.
  return present({ messageId, status, error, doneAt, price, seenAt });
}

/** These fields of a result as JSON, as they are written in its text: a number may have more digits than a double. */
function writtenFields(said: object, text: string | undefined): string {
  if (text === undefined) return JSON.stringify(said);
  return `{${fieldsAsWritten(text, name => Object.hasOwn(said, name)).join()}}`;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  isArray: name => name === 'result',
});

const codeNumbers = ['groupId', 'id'];
/** Of the fields of a result those inside them that are numbers. */
const numbersOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['status', codeNumbers],
  ['error', codeNumbers],
  ['price', ['pricePerMessage']],
]);

/** In comments and sections of text no result begins. */
const resultBegin = /<!--|<!\[CDATA\[|<result(?=[\s/>])[^<>]*>/g;
const resultEnd = /<\/result\s*>/g;

/**
 * The texts of the results in a body of XML, which is parsed one by one: as a whole it would take the parser seconds, in
 * which nobody else is answered. Throws `BadWebhook` when what is around them is no body of reports.
 */
export function* xmlResultTexts(body: string): Generator<string> {
  // Entities of a sender's own could make much of little.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(body)) throw new BadWebhook('declares a document type');
  let frame = '';
  let at = 0;
  for (let begin = nextResult(body, 0); begin !== undefined; begin = nextResult(body, at)) {
    const end = body[begin.end - 2] === '/' ? begin : nextOf(resultEnd, body, begin.end);
    if (end === undefined) throw new BadWebhook('is not XML: a result does not end');
    frame += body.slice(at, begin.start);
    if (frame.length > limits.webhookFrameCharsMax) throw longFrame();
    yield body.slice(begin.start, end.end);
    at = end.end;
  }
  frame += body.slice(at);
  if (frame.length > limits.webhookFrameCharsMax) throw longFrame();
  const root = parsedXml(frame);
  if (!isPlainObject(root) || !('DeliveryReports' in root)) throw new BadWebhook('has no DeliveryReports');
}

const longFrame = () => new BadWebhook(`has more than ${limits.webhookFrameCharsMax} characters around its results`);

/** Whether it has more tags than any report: what they cost to parse does not follow from its length. */
export function hasManyTags(text: string): boolean {
  let tags = 0;
  for (let at = text.indexOf('<'); at >= 0 && tags <= limits.webhookResultTagsMax; at = text.indexOf('<', at + 1))
    tags++;
  return tags > limits.webhookResultTagsMax;
}

/** What a result in XML says. Throws `BadWebhook` when it is none. */
export function xmlResult(text: string): unknown {
  const value = parsedXml(text);
  const [result] = isPlainObject(value) && Array.isArray(value.result) ? value.result : [];
  return isPlainObject(result) ? mapped(result, typedField) : written(result);
}

function parsedXml(text: string): unknown {
  try {
    return parser.parse(text, true);
  } catch (error) {
    throw new BadWebhook(`is not XML: ${error instanceof Error ? error.message : error}`);
  }
}

function nextResult(body: string, from: number): { start: number; end: number } | undefined {
  for (let found = nextOf(resultBegin, body, from); found !== undefined; ) {
    // Of comments without end nothing is looked through but what may stand there.
    if (found.start - from > limits.webhookFrameCharsMax) throw longFrame();
    const begin = body.slice(found.start, found.end);
    if (!begin.startsWith('<!')) return found;
    const end = body.indexOf(begin === '<!--' ? '-->' : ']]>', found.end);
    if (end === -1) throw new BadWebhook('is not XML: a comment or a section of text does not end');
    found = nextOf(resultBegin, body, end);
  }
  return undefined;
}

function nextOf(pattern: RegExp, body: string, from: number): { start: number; end: number } | undefined {
  pattern.lastIndex = from;
  const found = pattern.exec(body);
  return found === null ? undefined : { start: found.index, end: pattern.lastIndex };
}

/** In XML everything is a text. What nobody knows stays one: a number in it may have more digits than a double. */
function typedField(value: unknown, name: string): unknown {
  const numbers = numbersOf.get(name);
  if (numbers === undefined || !isPlainObject(value)) return written(value);
  return mapped(value, (inner, field) => {
    const text = written(inner);
    if (typeof text !== 'string') return text;
    if (name === 'error' && field === 'permanent') return text === 'true';
    return numbers.includes(field) ? Number(text) : text;
  });
}

/** An empty element is none. */
function written(value: unknown): unknown {
  if (isPlainObject(value)) return mapped(value, written);
  return value === '' ? undefined : value;
}

function mapped(object: Readonly<Record<string, unknown>>, to: (value: unknown, name: string) => unknown): object {
  return present(Object.fromEntries(Object.entries(object).map(([name, value]) => [name, to(value, name)])));
}
