import type { Field } from './view.ts';

/** Looked at in this order: what a pasted text most often is comes first. */
export const searchFields = [
  'messageId',
  'bulkId',
  'destination',
  'sender',
  'campaignReferenceId',
  'applicationId',
  'entityId',
  'error',
] as const;
export type SearchField = (typeof searchFields)[number] & Field;

const isId = (field: Field) => field === 'messageId' || field === 'bulkId';

/** What stands between ids that were pasted, a column or a line of them, and between other values. */
const idDividers = `\\s,;"'`;
const dividersOf = (field: Field) => (isId(field) ? idDividers : ',');

/** The values of a list that somebody wrote; `\` before what divides makes it part of a value. */
export function listOf(field: Field, text: string): readonly string[] {
  const dividers = dividersOf(field);
  const written = text.match(new RegExp(`(?:\\\\[\\\\${dividers}]|[^${dividers}])+`, 'g')) ?? [];
  const escaped = new RegExp(`\\\\([\\\\${dividers}])`, 'g');
  return [...new Set(written.map(one => one.trim().replace(escaped, '$1')).filter(one => one !== ''))];
}

/** How somebody would have written a list, so that `listOf` gives it back. */
export function listText(field: Field, values: readonly string[]): string {
  const special = new RegExp(`[\\\\${dividersOf(field)}]`, 'g');
  return values.map(value => value.replace(special, '\\$&')).join(', ');
}

/** The bound of the two lists of ids at the API. */
const listCharsMax = 2048;
/** The bounds of `text`. */
export const wordsMax = 20;
const wordsCharsMax = 200;

/** What a field may hold where somebody writes this: the likeliest first. */
export function waysToWrite(field: SearchField, text: string): readonly (readonly string[])[] {
  const whole = text.trim();
  if (isId(field)) {
    const ids = listOf(field, text);
    // An id may hold what stands between others.
    const ways = ids[0] === whole || /[\r\n\t]/.test(whole) ? [ids] : [[whole], ids];
    return ways.filter(way => way.length > 0 && way.join(',').length <= listCharsMax);
  }
  const ways =
    field === 'destination' || field === 'sender'
      ? numbersOf(whole)
      : field === 'error'
        ? errorNamesOf(whole)
        : [whole];
  return ways.map(way => [way]);
}

/** Whether the log can be searched for this as words. */
export function isWords(text: string): boolean {
  const terms = text.match(/"[^"]*"?|[^\s"]+/g)?.filter(term => /[0-9A-Za-z\u0080-\uffff]/.test(term)) ?? [];
  return terms.length > 0 && terms.length <= wordsMax && text.length <= wordsCharsMax;
}

/** What a field is asked for that nothing was found in; `undefined` when it cannot be asked for so many. */
export function writtenAnyway(field: SearchField, text: string): readonly string[] | undefined {
  const ways = waysToWrite(field, text);
  return isId(field) ? ways.at(-1) : ways[0];
}

/** A telephone number is written with its plus, with zeros and without, and with what makes it easy to read. */
function numbersOf(whole: string): readonly string[] {
  const digits = whole.replace(/[\s().-]/g, '').replace(/^(?:\+|00)/, '');
  return /^\+?[\d\s().-]{5,40}$/.test(whole) ? [...new Set([whole, digits, `+${digits}`])] : [whole];
}

/** `Blocked user`, as the page shows it, is `EC_BLOCKED_USER`. */
function errorNamesOf(whole: string): readonly string[] {
  const name = whole.toUpperCase().replace(/[\s-]+/g, '_');
  return /^[A-Z]\w*$/.test(name) ? [...new Set([whole, name, `EC_${name.replace(/^EC_/, '')}`])] : [whole];
}
