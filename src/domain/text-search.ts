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
const wordForms = [
  `[[${unspaced}]&&[\\p{L}\\p{N}]]\\p{M}*`,
  '[[\\p{S}--\\p{Sk}]--[\\x00-\\x7f]]',
  `[[\\p{L}\\p{N}\\p{M}]--[${unspaced}]]+`,
].join('|');
const wordForm = new RegExp(wordForms, 'gv');
/** Parts one text from the next; in a text it divides words as a blank does. */
const textEnd = '\u0000';
const wordOrEnd = new RegExp(`${wordForms}|${textEnd}`, 'gv');

/** Nearly all texts are so, and what takes most of the time is said of them in a shorter way. */
const ascii = /^[\u0000-\u007f]*$/;
const asciiWord = /[0-9a-z]+/g;
const asciiWordOrEnd = new RegExp(`[0-9a-z]+|${textEnd}`, 'g');

/** Accents, vowel points of Arabic and Hebrew, and what is not seen; but not the voicing of kana. */
const notFolded =
  /[[[\p{M}&&\p{Script=Inherited}]\p{Cf}\u0640\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]--[\u3099\u309a]]/gv;

/** Letters that Unicode does not take apart, and the sigma that only ends words. */
const plainLetters: ReadonlyMap<string, string> = new Map(
  Object.entries({ đ: 'd', ħ: 'h', ł: 'l', ø: 'o', ŧ: 't', æ: 'ae', œ: 'oe', ς: 'σ' }),
);

/** A text without its accents, the case of its letters and its forms of characters: what is searched is compared so. */
export function folded(text: string): string {
  if (ascii.test(text)) return text.toLowerCase();
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
  return foldedText.match(ascii.test(foldedText) ? asciiWord : wordForm) ?? [];
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
    const message = searchedMessage(log);
    return terms.length > 0 && terms.every(term => message.has(term));
  };
}

/**
 * Texts as they are searched: together, since a content may have tens of thousands, and by the runtime's own search of texts,
 * since it may be of one word again and again.
 */
class SearchedTexts {
  readonly folded: string;
  #words: string | undefined;

  constructor(texts: readonly string[]) {
    this.folded = folded(texts.map(text => text.replaceAll(textEnd, ' ')).join(textEnd));
  }

  /** Whether these words stand one right behind the other in one of the texts. */
  have(words: readonly string[]): boolean {
    // Looking for characters takes much less than telling words apart.
    if (!words.every(word => this.folded.includes(word))) return false;
    const form = ascii.test(this.folded) ? asciiWordOrEnd : wordOrEnd;
    this.#words ??= ` ${(this.folded.match(form) ?? []).join(' ')} `;
    return this.#words.includes(` ${words.join(' ')} `);
  }

  /** Whether it stands in one of the texts, be it within a word. */
  include(part: string): boolean {
    return this.folded.includes(part);
  }
}

/** The texts of one message. Made when they are first looked at: of most messages the ids or the content are enough. */
class SearchedMessage {
  readonly #log: Filtered;
  /** All of them at once, with more around them, where they can be read so: most messages lack a word asked for. */
  readonly #whole: string | undefined;
  #ids: SearchedTexts | undefined;
  #contents: SearchedTexts | undefined;

  constructor(log: Filtered) {
    this.#log = log;
    const { contentJson = '{}' } = log;
    if (!contentJson.includes('\\')) this.#whole = folded([contentJson, ...idTexts(log)].join('\n'));
  }

  has({ words, part }: Term): boolean {
    const whole = this.#whole;
    if (whole !== undefined && !words.every(word => whole.includes(word))) return false;
    this.#contents ??= new SearchedTexts(contentTexts(this.#log.contentJson ?? '{}'));
    if (this.#contents.have(words)) return true;
    this.#ids ??= new SearchedTexts(idTexts(this.#log));
    return (part.length >= limits.textPartCharsMin && this.#ids.include(part)) || this.#ids.have(words);
  }
}

/** Many may ask the same message: whoever listens to the stream. A short one takes longer to remember than to look through. */
const searchedMessages = new WeakMap<Filtered, SearchedMessage>();
const rememberedCharsMin = 4096;

function searchedMessage(log: Filtered): SearchedMessage {
  if ((log.contentJson?.length ?? 0) < rememberedCharsMin) return new SearchedMessage(log);
  const message = searchedMessages.get(log) ?? new SearchedMessage(log);
  searchedMessages.set(log, message);
  return message;
}

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
