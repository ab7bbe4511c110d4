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

/** The values in a pasted text: ids hold neither blanks nor commas, and come in lists as often as alone. */
export function valuesOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,;"']+/).filter(value => value !== ''))].slice(0, 50);
}

/** The bound of the two lists of ids at the API. */
const listCharsMax = 2048;

/** What a field may hold where somebody writes this: the likeliest first. */
export function waysToWrite(field: SearchField, text: string): readonly (readonly string[])[] {
  const whole = text.trim();
  const values = valuesOf(text);
  if (field === 'messageId' || field === 'bulkId') return values.join(',').length > listCharsMax ? [] : [values];
  const ways =
    field === 'destination' || field === 'sender'
      ? numbersOf(whole)
      : field === 'error'
        ? errorNamesOf(whole)
        : [whole];
  return ways.map(way => [way]);
}

/** A telephone number is written with its plus and without, and with what makes it easy to read. */
function numbersOf(whole: string): readonly string[] {
  const digits = whole.replace(/[\s().-]/g, '').replace(/^\+/, '');
  return /^\+?[\d\s().-]{5,40}$/.test(whole) ? [...new Set([whole, digits, `+${digits}`])] : [whole];
}

/** `Blocked user`, as the page shows it, is `EC_BLOCKED_USER`. */
function errorNamesOf(whole: string): readonly string[] {
  const name = whole.toUpperCase().replace(/[\s-]+/g, '_');
  return /^[A-Z]\w*$/.test(name) ? [...new Set([whole, name, `EC_${name.replace(/^EC_/, '')}`])] : [whole];
}
