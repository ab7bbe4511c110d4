import { limits } from '../../limits.ts';
import {
  BadWebhook,
  hasManyTags,
  WebhookReading,
  type WebhookReports,
  xmlResult,
  xmlResultTexts,
} from '../../mirror/webhook.ts';
import { parsedChars } from '../../wire/json-source.ts';
import { invalid } from '../errors.ts';
import { jsonIn } from './json-outline.ts';
import { elementTexts, fieldValue } from './json-records.ts';

export type WebhookForm = 'json' | 'xml';

/** What a parser of XML takes for a character beside one of JSON. */
const xmlCost = 10;

/** Reads the body of a webhook in steps of so many characters, between which others have their turn; an `ApiError` 400. */
export function* readWebhook(body: string, form: WebhookForm): Generator<number, WebhookReports> {
  const reading = new WebhookReading();
  const texts = form === 'json' ? jsonTexts(body) : xmlResultTexts(body);
  try {
    let count = 0;
    for (const text of texts) {
      if (typeof text === 'number') {
        yield text;
        continue;
      }
      if (++count > limits.webhookReportsMax) throw new BadWebhook(`has more than ${limits.webhookReportsMax} results`);
      // What is far longer than any report is none.
      if (text === undefined || text.length > limits.webhookResultCharsMax) reading.passOver();
      else if (form === 'xml' && hasManyTags(text)) reading.passOver();
      else if (form === 'json') reading.take(jsonResult(text), text);
      else reading.take(xmlResult(text));
      yield form === 'json' ? parsedChars(text ?? '') : (text?.length ?? 0) * xmlCost;
    }
  } catch (error) {
    throw error instanceof BadWebhook ? invalid('body', error.message) : error;
  }
  return reading.said;
}

/** `undefined` stands for a result that is too long, a number for what is walked over until the next. */
function* jsonTexts(body: string): Generator<string | number | undefined> {
  const { webhookResultCharsMax: elementBytesMax, webhookFrameCharsMax } = limits;
  const other = (name: string, text: string) => {
    fieldValue(name, text, webhookFrameCharsMax);
  };
  const results = elementTexts(body, { list: 'results', of: 'reports', elementBytesMax, other });
  for (const result of results) yield typeof result === 'number' ? result : result.text;
}

function jsonResult(text: string): unknown {
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw new BadWebhook(flaw);
  return value;
}
