import { closest } from 'fastest-levenshtein';

const comparedCharsMax = 64;

/** Shorter names stand in others by chance. */
const relatedCharsMin = 3;

/** Why an unknown name is refused, with the known name that was probably meant. */
export function unknownName(name: string, known: readonly string[], kind: string): string {
  const nearest = name.length > comparedCharsMax ? undefined : nearestName(name, known);
  return nearest === undefined ? `is not a known ${kind}` : `is not a known ${kind}; the nearest is ${nearest}`;
}

/** One that contains the other is nearer than one of the same length with other letters. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const lowered = known.map(one => one.toLowerCase());
  const asked = name.toLowerCase();
  const contains = (whole: string, part: string) => part.length >= relatedCharsMin && whole.includes(part);
  const related = lowered.filter(one => contains(one, asked) || contains(asked, one));
  return known[lowered.indexOf(closest(asked, related.length > 0 ? related : lowered))];
}

/** A name from outside, short enough to be repeated in an answer. */
export function shownName(name: string): string {
  return name.length > comparedCharsMax ? `${name.slice(0, comparedCharsMax)}…` : name;
}
