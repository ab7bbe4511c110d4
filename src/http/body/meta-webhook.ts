import { idText } from '../../graph/webhook-events.ts';
import { limits } from '../../limits.ts';
import { hasMoreValuesThan } from '../../wire/json-source.ts';
import { ApiError } from '../errors.ts';
import { jsonIn } from './json-outline.ts';
import { elementTexts, fieldTexts, fieldValue, listTexts } from './json-records.ts';

/** The body of a webhook of Meta's, whose events are not parsed yet: anybody may have sent it. */
export type MetaBody = {
  readonly object: unknown;
  readonly entries: readonly Entry[];
};

/** Events of one page, each as its text. */
type Entry = { readonly page: string; readonly events: readonly string[] };

const eventLists: readonly string[] = ['messaging', 'standby'];

/** Reads the outline of a body in steps of so many characters; `undefined` for what is none of Meta's. */
export function* readMetaBody(body: string): Generator<number, MetaBody | undefined> {
  const { metaWebhookBodyBytesMax: elementBytesMax, metaWebhookEventsMax, webhookFrameCharsMax } = limits;
  let object: unknown;
  const other = (name: string, text: string) => {
    if (name === 'object') object = fieldValue(name, text, webhookFrameCharsMax);
  };
  const entries: Entry[] = [];
  let count = 0;
  try {
    for (const element of elementTexts(body, { list: 'entry', of: 'entries', elementBytesMax, other })) {
      if (typeof element === 'number') {
        yield element;
        continue;
      }
      const { text = '' } = element;
      const entry = yield* readEntry(text);
      if (entry !== undefined) entries.push(entry);
      count += 1 + (entry?.events.length ?? 0);
      if (count > metaWebhookEventsMax) return undefined;
      yield text.length;
    }
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
  return { object, entries };
}

/** `undefined` for one that names no page. */
function* readEntry(text: string): Generator<number, Entry | undefined> {
  let page: string | undefined;
  const lists: string[] = [];
  const take = (name: string, value: string) => {
    if (name === 'id') page = idText(fieldValue(name, value, limits.webhookFrameCharsMax));
    else if (eventLists.includes(name) && value.startsWith('[')) lists.push(value);
  };
  for (const field of fieldTexts(text))
    if (typeof field === 'number') yield field;
    else {
      take(...field);
      yield 0;
    }
  const events: string[] = [];
  for (const list of lists)
    for (const event of listTexts(list)) {
      if (typeof event === 'number') {
        yield event;
        continue;
      }
      if (events.push(event) > limits.metaWebhookEventsMax) break;
      yield event.length;
    }
  return page === undefined ? undefined : { page, events };
}

/** Events of a body that is proven. */
export type MetaEvents = {
  /** The body as it came, without what nobody asks for; with the `texts` of its events. */
  readonly body: object;
  /** Events that are longer or of more values than any of Meta's, which are not among them. */
  readonly leftOut: number;
};

/** Parses the events of a body in such steps; `undefined` when one is no JSON. */
export function* readMetaEvents({ object, entries }: MetaBody): Generator<number, MetaEvents | undefined> {
  const entry: object[] = [];
  let leftOut = 0;
  for (const { page, events } of entries) {
    const messaging: unknown[] = [];
    const texts: string[] = [];
    for (const text of events) {
      yield text.length;
      if (text.length > limits.metaEventCharsMax || hasMoreValuesThan(limits.metaEventValuesMax, text)) {
        leftOut++;
        continue;
      }
      const { value, flaw } = jsonIn(text);
      if (flaw !== undefined) return undefined;
      messaging.push(value);
      texts.push(text);
    }
    entry.push({ id: page, messaging, texts });
  }
  return { body: { object, entry }, leftOut };
}
