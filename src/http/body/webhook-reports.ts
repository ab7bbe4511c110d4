import { limits } from '../../limits.ts';
import { BadWebhook, WebhookReading, type WebhookReports, xmlResult, xmlResultTexts } from '../../mirror/webhook.ts';
import { invalid } from '../errors.ts';
import { elementTexts, fieldValue, jsonIn } from './json-records.ts';

export type WebhookForm = 'json' | 'xml';

/** Reads the body of a webhook in steps of so many characters, between which others have their turn; an `ApiError` 400. */
export function* readWebhook(body: string, form: WebhookForm): Generator<number, WebhookReports> {
  const reading = new WebhookReading();
  const texts = form === 'json' ? jsonTexts(body) : xmlResultTexts(body);
  try {
    let count = 0;
    for (const text of texts) {
      if (++count > limits.webhookReportsMax) throw new BadWebhook(`has more than ${limits.webhookReportsMax} results`);
      reading.take(form === 'json' ? jsonResult(text) : xmlResult(text));
      yield text.length;
    }
  } catch (error) {
    throw error instanceof BadWebhook ? invalid('body', error.message) : error;
  }
  return reading.said;
}

function* jsonTexts(body: string): Generator<string> {
  const { webhookResultCharsMax: elementBytesMax, webhookFrameCharsMax } = limits;
  const other = (name: string, text: () => string) => {
    fieldValue(name, text(), webhookFrameCharsMax);
  };
  for (const { text } of elementTexts(body, { list: 'results', of: 'reports', elementBytesMax, other })) {
    if (text === undefined) throw new BadWebhook(`has a result of more than ${elementBytesMax} bytes`);
    yield text;
  }
}

function jsonResult(text: string): unknown {
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw new BadWebhook(flaw);
  return value;
}
