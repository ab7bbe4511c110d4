import { limits } from '../limits.ts';
import { exactFields, type Filtered } from './filter-fields.ts';

/**
 * What `text` asks for, and which messages have it.
 *
 * - A query is terms, divided by blanks; what stands between quotation marks is one term. A message has all of them, each
 *   anywhere in it, and neither accents nor the case of letters count (`folded`).
 * - A term is found in a text where its words stand one right behind the other, whatever divides them. Words are whole
 *   words: runs of letters, digits and marks. Each letter of a script that is written without blanks is a word, and so is
 *   each symbol beyond ASCII.
 * - Texts of a message are all strings of its content but the values of `type`, and its ids.
 * - In an id a term is found as a part of it too, if it has at least `limits.textPartCharsMin` characters.
 */
export type Term = {
  /** At least one. */
  readonly words: readonly string[];
  /** The whole term, folded. */
  readonly part: string;
};

/** Of a text with several fields only those that never change. */
const idFields = exactFields.filter(({ changes }) => !changes);

const unspaced = '\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}';
const wordForm = new RegExp(
  [
    `[[${unspaced}]&&[\\p{L}\\p{N}]]\\p{M}*`,
    '[[\\p{S}--\\p{Sk}]--[\\x00-\\x7f]]',
    `[[\\p{L}\\p{N}\\p{M}]--[${unspaced}]]+`,
  ].join('|'),
  'gv',
);

/** Accents, vowel points of Arabic and Hebrew, and what is not seen; but not the voicing of kana. */
const notFolded =
  /[[[\p{M}&&\p{Script=Inherited}]\p{Cf}\u0640\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]--[\u3099\u309a]]/gv;

/** Letters that Unicode does not take apart, and the sigma that only ends words. */
const plainLetters: ReadonlyMap<string, string> = new Map(
  Object.entries({ đ: 'd', ħ: 'h', ł: 'l', ø: 'o', ŧ: 't', æ: 'ae', œ: 'oe', ς: 'σ' }),
);

/** A text without its accents, the case of its letters and its forms of characters: what is searched is compared so. */
export function folded(text: string): string {
  if (/^[\u0000-\u007f]*$/.test(text)) return text.toLowerCase();
  return (
    text
      .normalize('NFKD')
      .replace(notFolded, '')
      // Some letters have several in the other case.
      .toLowerCase()
      .toUpperCase()
      .toLowerCase()
      .replace(/[đħłøŧæœς]/g, letter => plainLetters.get(letter) ?? letter)
      .normalize('NFC')
  );
}

/** The words of a text that is folded, in their order. */
export function wordsOf(foldedText: string): readonly string[] {
  return foldedText.match(wordForm) ?? [];
}

/** What is wrong with a query; `undefined` when nothing is. */
export function textFlaw(asked: string): string | undefined {
  const { textCharsMax, textTermsMax } = limits;
  if ([...asked].length > textCharsMax) return `must have at most ${textCharsMax} characters`;
  if (!/[0-9A-Za-z\u0080-\u{10ffff}]/u.test(asked)) return 'must have a letter or a digit';
  return termsOf(asked).length > textTermsMax
    ? `must have at most ${textTermsMax} words or phrases in quotation marks`
    : undefined;
}

/** The terms of a query. What has no word, such as a dash between blanks, is none. */
export function termsOf(asked: string): readonly Term[] {
  return [...asked.matchAll(/"([^"]*)"?|[^\s"]+/g)].flatMap(([whole, quoted]) => {
    const part = folded(quoted ?? whole).trim();
    const words = wordsOf(part);
    return words.length === 0 ? [] : [{ words, part }];
  });
}

/** Whether a message has what a query asks for; of a query without a word no message has anything. */
export function textMatcher(asked: string): (log: Filtered) => boolean {
  const terms = termsOf(asked);
  return log => {
    const texts = searchedTexts.get(log) ?? new SearchedTexts(log);
    searchedTexts.set(log, texts);
    return terms.length > 0 && terms.every(term => texts.have(term));
  };
}

/** A text as it is searched. */
class SearchedText {
  readonly text: string;
  #words: readonly string[] | undefined;

  constructor(text: string) {
    this.text = folded(text);
  }

  /** Whether these words stand one right behind the other. */
  has(words: readonly string[]): boolean {
    // Looking for characters takes much less than telling words apart.
    if (!words.every(word => this.text.includes(word))) return false;
    this.#words ??= wordsOf(this.text);
    const own = this.#words;
    const [first = ''] = words;
    for (let at = own.indexOf(first); at >= 0; at = own.indexOf(first, at + 1))
      if (words.every((word, i) => own[at + i] === word)) return true;
    return false;
  }
}

/** The texts of one message. Made when they are first looked at: of most messages the ids or the content are enough. */
class SearchedTexts {
  readonly #log: Filtered;
  #ids: readonly SearchedText[] | undefined;
  #contents: readonly SearchedText[] | undefined;

  constructor(log: Filtered) {
    this.#log = log;
  }

  have({ words, part }: Term): boolean {
    this.#contents ??= contentTexts(this.#log.contentJson ?? '{}').map(text => new SearchedText(text));
    if (this.#contents.some(text => text.has(words))) return true;
    this.#ids ??= idTexts(this.#log).map(text => new SearchedText(text));
    return this.#ids.some(id => (part.length >= limits.textPartCharsMin && id.text.includes(part)) || id.has(words));
  }
}

/** Many may ask the same message: whoever listens to the stream. */
const searchedTexts = new WeakMap<Filtered, SearchedTexts>();

/** What a message is called by. */
export function idTexts(log: Filtered): readonly string[] {
  return idFields.flatMap(({ valueIn }) => valueIn(log) ?? []);
}

/** The texts that stand in a content; one that is no JSON is a text itself. */
export function contentTexts(contentJson: string): readonly string[] {
  const texts: string[] = [];
  // By hand: a content may be nested deeper than calls can be.
  const left: unknown[] = [parsed(contentJson)];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) left.push(...value);
    else if (typeof value === 'object' && value !== null)
      for (const [name, inner] of Object.entries(value)) if (name !== 'type') left.push(inner);
  }
  return texts;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
