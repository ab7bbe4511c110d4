import { closest, distance } from 'fastest-levenshtein';

const comparedCharsMax = 64;

/** Shorter names stand in others by chance. */
const relatedCharsMin = 3;

/** Why an unknown name is refused, with the known name that was probably meant, if there is one so near. */
export function unknownName(name: string, known: readonly string[], kind: string): string {
  const nearest = name.length > comparedCharsMax ? undefined : nearestName(name, known);
  return nearest === undefined ? `is not a known ${kind}` : `is not a known ${kind}; the nearest is ${nearest}`;
}

/**
 * One that contains the other is nearer than one of the same length with other letters. Of a name that has no more than
 * a few letters in common with any, none is the nearest: to name one would send its caller astray.
 */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const lowered = known.map(one => one.toLowerCase());
  const asked = name.toLowerCase();
  const contains = (whole: string, part: string) => part.length >= relatedCharsMin && whole.includes(part);
  const related = lowered.filter(one => contains(one, asked) || contains(asked, one));
  const near = related.length > 0 ? related : lowered.filter(one => distance(asked, one) <= mistypedMax(asked));
  return near.length === 0 ? undefined : known[lowered.indexOf(closest(asked, near))];
}

/** How many letters of a name may be wrong, left out or too many. */
function mistypedMax({ length }: string): number {
  return length < 4 ? 1 : Math.max(2, Math.floor(length / 3));
}

/** A name from outside, short enough to be repeated in an answer. */
export function shownName(name: string): string {
  return name.length > comparedCharsMax ? `${name.slice(0, comparedCharsMax)}…` : name;
}
