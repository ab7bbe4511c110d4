/** So many characters are searched through in the time in which a loop looks at one. */
const searchedChars = 16;

/**
 * The most characters of texts that are looked at between two turns of the event loop while `work` runs: by loops, by searches
 * and by the parser of JSON. They are counted, since how long it takes depends on what else the machine does.
 */
export async function mostCharsInATurn(work: () => Promise<unknown>): Promise<number> {
  const { charCodeAt, indexOf } = String.prototype;
  const { test } = RegExp.prototype;
  const { parse } = JSON;
  let [chars, most, isOver] = [0, 0, false];
  // Not by spies, which would keep each of a million calls.
  String.prototype.charCodeAt = function (at) {
    chars++;
    return charCodeAt.call(this, at);
  };
  String.prototype.indexOf = function (sought, from = 0) {
    const found = indexOf.call(this, sought, from);
    chars += ((found < 0 ? this.length : found) - from) / searchedChars;
    return found;
  };
  RegExp.prototype.test = function (text) {
    const found = test.call(this, text);
    chars += found && this.lastIndex > 0 ? this.lastIndex : text.length / searchedChars;
    return found;
  };
  JSON.parse = (text, reviver) => {
    chars += text.length;
    return parse(text, reviver);
  };
  const look = () => {
    most = Math.max(most, chars);
    chars = 0;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  try {
    await work();
  } finally {
    isOver = true;
    Object.assign(String.prototype, { charCodeAt, indexOf });
    Object.assign(RegExp.prototype, { test });
    JSON.parse = parse;
  }
  return Math.max(most, chars);
}
