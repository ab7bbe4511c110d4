/*
 * JSON as it is written. Reading it into values and writing these anew would bend numbers beyond a double, drop equal keys
 * and move others: what is shown and copied is the text that came.
 */

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs;

/** The same text on lines of its own, indented; of each token not a character is changed. */
export function indented(json: string): string {
  const tokens = json.match(token) ?? [];
  let depth = 0;
  let text = '';
  const line = () => `\n${'  '.repeat(depth)}`;
  tokens.forEach((one, at) => {
    const next = tokens[at + 1];
    if (one === '{' || one === '[') {
      const isEmpty = next === '}' || next === ']';
      if (!isEmpty) depth += 1;
      text += isEmpty ? one : one + line();
    } else if (one === '}' || one === ']') {
      const before = tokens[at - 1];
      const isEmpty = before === '{' || before === '[';
      if (!isEmpty) depth -= 1;
      text += isEmpty ? one : line() + one;
    } else if (one === ',') text += one + line();
    else text += one === ':' ? ': ' : one;
  });
  return text;
}

/** The text of a field of an object, the last one of that name; `undefined` when it has none. */
export function fieldText(json: string, name: string): string | undefined {
  let depth = 0;
  let begin: number | undefined;
  let found: string | undefined;
  let key: string | undefined;
  for (const match of json.matchAll(token)) {
    const [one] = match;
    const isEnd = one === '}' || one === ']';
    if (depth === 1 && (one === ',' || one === '}')) {
      if (begin !== undefined && key === name) found = json.slice(begin, match.index).trim();
      begin = undefined;
      key = undefined;
    } else if (depth === 1 && one === ':' && begin === undefined) begin = match.index + 1;
    else if (depth === 1 && begin === undefined && one.startsWith('"')) key = JSON.parse(one);
    if (one === '{' || one === '[') depth += 1;
    else if (isEnd) depth -= 1;
  }
  return found;
}
