import { isRecord } from '../../../../src/client/errors.ts';
import type { Content } from '../../../../src/client/index.ts';
import { inert } from '../../view/format.ts';

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** What a comment, a post or a marketing message carries: a content of its own. It holds no further one. */
export function innerOf(content: Content): Content | undefined {
  const inner = content.content;
  if (!isRecord(inner)) return undefined;
  const { content: _, ...fields } = inner;
  return { ...fields, type: textOf(inner.type) ?? 'unknown' };
}

/** What a content says, in a line of the page; what kind it is, when it says nothing. */
export const contentText = (content: Content) => inert(wholeText(content));

/** The same for what is no page: whole, and as it is. */
export function wholeText(content: Content): string {
  const payload = isRecord(content.payload) ? content.payload : {};
  const elements = Array.isArray(payload.elements) ? payload.elements.filter(isRecord) : [];
  const titles = elements.map(element => textOf(element.title)).filter(title => title !== undefined);
  const inner = innerOf(content);
  const said =
    textOf(content.text) ??
    textOf(payload.text) ??
    textOf(content.name) ??
    (titles.join(' · ') || fileName(content.url)) ??
    (inner && wholeText(inner));
  const kind = textOf(content.type) ?? 'unknown';
  if (kind === 'TEXT' && said !== undefined) return said;
  return said === undefined ? kind.toLowerCase() : `${kind.toLowerCase()}: ${said}`;
}

function fileName(url: unknown): string | undefined {
  const text = textOf(url);
  return text?.split(/[?#]/)[0]?.split('/').at(-1) || text;
}
