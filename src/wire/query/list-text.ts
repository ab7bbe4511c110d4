/**
 * Several values as the text of one parameter: commas divide them, `\,` is a comma inside a value, and blanks around a
 * value do not count. A blank that does, where a value begins or ends, has a `\` before it. Empty values are none.
 */
export function valuesIn(text: string): readonly string[] {
  // Nearly every list is so.
  if (!/[ \\]/.test(text)) return text.split(',').filter(value => value !== '');
  return pieces(text)
    .map(read)
    .filter(value => value !== '');
}

/** What else the values may be: those with blanks around them, with these, as a log may have been recorded. */
export function valuesWithBlanks(text: string): readonly string[] {
  if (!text.includes(' ')) return [];
  return pieces(text).flatMap(piece => (trimmed(piece) === piece ? [] : [piece.replaceAll('\\,', ',')]));
}

/** The values that were written, without those that `valuesWithBlanks` gave beside them. */
export function withoutBlankForms(values: readonly string[]): readonly string[] {
  const all = new Set(values);
  const isWritten = (value: string) => {
    const bare = trimmed(value);
    return bare === value || (bare === '' ? all.size === 1 : !all.has(unescaped(bare)));
  };
  return values.filter(isWritten);
}

function pieces(text: string): readonly string[] {
  return text.includes('\\') ? text.split(/(?<!\\),/) : text.split(',');
}

/** One value as it stands in such a text alone; `valuesIn` gives it back, whatever it holds. */
export function listValue(value: string): string {
  const begun = /^\\* /.test(value) ? `\\${value}` : value;
  const ended = begun.endsWith(' ') ? `${begun.slice(0, -1)}\\ ` : begun;
  return ended.replaceAll(',', '\\,');
}

function read(piece: string): string {
  return unescaped(trimmed(piece).replaceAll('\\,', ','));
}

/** Without the backslashes before the blanks where it begins and ends. */
function unescaped(text: string): string {
  const unended = text.endsWith('\\ ') ? `${text.slice(0, -2)} ` : text;
  return /^\\+ /.test(unended) ? unended.slice(1) : unended;
}

/** Without the blanks around it. By hand: a pattern would look at a long run of blanks once for each of them. */
function trimmed(piece: string): string {
  let begin = 0;
  let end = piece.length;
  while (begin < end && piece[begin] === ' ') begin++;
  while (end > begin && piece[end - 1] === ' ' && piece[end - 2] !== '\\') end--;
  return piece.slice(begin, end);
}
