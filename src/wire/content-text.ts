import type { Violation } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { fieldSource } from './json-source.ts';

/** The vendor's deepest content, a carousel's button, lies at 6. */
export const contentDepthMax = 64;

const tooDeep = `must not be nested deeper than ${contentDepthMax} levels`;

/** The content of a record as it is written in the record's text, to the byte; what is wrong with it joins `violations`. */
export function contentSource(record: string, violations: Violation[]): string | undefined {
  const { text, depth } = fieldSource(record, 'content');
  const flaw = depth > contentDepthMax ? tooDeep : sizeFlaw(text);
  if (flaw === undefined) return text;
  violations.push({ property: 'content', violation: flaw });
  return undefined;
}

/** A content that was parsed, as JSON text; what is wrong with it joins `violations`. */
export function contentText(content: object, violations: Violation[]): string | undefined {
  const refuse = (violation: string): undefined => {
    violations.push({ property: 'content', violation });
  };
  const flaw = flawOf(content, contentDepthMax);
  if (flaw !== undefined) return refuse(flaw);
  const text = JSON.stringify(content);
  const size = sizeFlaw(text);
  return size === undefined ? text : refuse(size);
}

function sizeFlaw(text: string): string | undefined {
  // No character takes more than three bytes for each of its units.
  if (text.length * 3 <= limits.contentBytesMax || Buffer.byteLength(text) <= limits.contentBytesMax) return undefined;
  return `must be at most ${limits.contentBytesMax / 1024} KiB as JSON`;
}

/** What would not come back as it came, or would exhaust the stack on its way. */
function flawOf(value: object, depth: number): string | undefined {
  for (const key in value) {
    const inner: unknown = Reflect.get(value, key);
    if (typeof inner === 'number' && !Number.isFinite(inner)) return 'must not have a number beyond double precision';
    if (typeof inner !== 'object' || inner === null) continue;
    if (depth === 1) return tooDeep;
    const flaw = flawOf(inner, depth - 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}
