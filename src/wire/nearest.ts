import { closest } from 'fastest-levenshtein';

const comparedCharsMax = 64;

/** Why an unknown name is refused, with the known name that was probably meant. */
export function unknownName(name: string, known: readonly string[], kind: string): string {
  if (name.length > comparedCharsMax) return `is not a known ${kind}`;
  const lowered = known.map(one => one.toLowerCase());
  const nearest = known[lowered.indexOf(closest(name.toLowerCase(), lowered))];
  return nearest === undefined ? `is not a known ${kind}` : `is not a known ${kind}; the nearest is ${nearest}`;
}

/** A name from outside, short enough to be repeated in an answer. */
export function shownName(name: string): string {
  return name.length > comparedCharsMax ? `${name.slice(0, comparedCharsMax)}…` : name;
}
