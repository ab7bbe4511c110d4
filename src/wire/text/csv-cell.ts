/** Invisible characters, blanks and quotes: a spreadsheet looks past them for what a cell begins with. */
const passedOver = String.raw`[\p{Z}\p{Cf}\p{Cc}\p{DI}\u2800'"]*`;
/**
 * Full-width, small, raised and lowered ones too, and the sign for minus: some spreadsheets take them for what they look
 * like, and Unicode's compatibility forms make them so.
 */
const beginsFormula = '[=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−﬩⩵⩶]';
const separators = String.raw`[;\t\r\n]`;

const atStart = new RegExp(`^(?=${passedOver}${beginsFormula}|'*[\\t\\r\\n])`, 'u');
const afterSeparator = new RegExp(`(?<=${separators})(?=${passedOver}${beginsFormula})`, 'gu');
const anySeparator = new RegExp(separators);
const needsQuotes = /[",\r\n]/;

/**
 * A text as a cell. Spreadsheets run one that begins with `=`, `+`, `-`, `@`, a tab or a line end as a formula, whatever
 * blanks and invisible characters come before; and where they split at `;` or tabs, which many a country's do, any part
 * behind one is a cell too. An apostrophe before it makes them show the text as it is. A program that reads the file
 * back drops one apostrophe from each such beginning: one that has apostrophes of its own gets one more.
 */
export function csvText(text: string): string {
  const started = text.replace(atStart, "'");
  return quoted(anySeparator.test(started) ? started.replace(afterSeparator, "'") : started);
}

/** Texts of JSON, and what stands between two of its parts; whether a formula begins behind that is asked once for each. */
const textOrBreaks = /"(?:[^"\\]|\\.)*"|[\t\r\n][ \t\r\n]*/gs;
const formula = new RegExp(`${passedOver}${beginsFormula}`, 'uy');
const semicolonBeforeFormula = new RegExp(`;(?=${passedOver}${beginsFormula})`, 'gu');

/** JSON as a cell: no part of it can begin a formula, and what it says is what it said, with some of it escaped. */
export function csvJson(json: string): string {
  if (!anySeparator.test(json)) return quoted(json);
  const unbroken = json.replace(textOrBreaks, (part, at: number) => {
    formula.lastIndex = at + part.length;
    return part.startsWith('"') || !formula.test(json) ? part : part.replaceAll(/[\t\r\n]/g, ' ');
  });
  return quoted(unbroken.replace(semicolonBeforeFormula, '\\u003b'));
}

function quoted(text: string): string {
  return needsQuotes.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
