import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conditionMatcher, textOf, withoutText } from '../../src/domain/filter.ts';
import { exactFields, type Filtered } from '../../src/domain/filter-fields.ts';
import { noError, pendingAccepted } from '../../src/domain/registry.ts';
import { askedKeysOf, contentWordsOf, idPiecesOf } from '../../src/domain/text-keys.ts';
import {
  contentTexts,
  folded,
  idTexts,
  termsOf,
  textFlaw,
  textMatcher,
  wordsOf,
} from '../../src/domain/text-search.ts';
import { limits } from '../../src/limits.ts';
import { anyText } from '../support/any-text.ts';
import { runs } from '../support/properties.ts';

const log = (fields: Partial<Filtered>): Filtered => ({ status: pendingAccepted, error: noError, ...fields });
const content = (text: string) => log({ contentJson: JSON.stringify({ type: 'TEXT', text }) });

/** As it is written, as it is compared, and whether it goes on a word, is one, or divides words. */
type Unit = readonly [written: string, plain: string, kind: 'part' | 'word' | 'divider' | 'nothing'];

/** Of several scripts: as it is written, as it is compared. */
const letterPairs: readonly (readonly [string, string])[] = [
  ['a', 'a'],
  ['A', 'a'],
  ['á', 'a'],
  ['Ä', 'a'],
  ['a\u0301', 'a'],
  ['ａ', 'a'],
  ['ß', 'ss'],
  ['ẞ', 'ss'],
  ['ﬁ', 'fi'],
  ['Ł', 'l'],
  ['đ', 'd'],
  ['Ø', 'o'],
  ['œ', 'oe'],
  ['ǅ', 'dz'],
  ['İ', 'i'],
  ['ı', 'i'],
  ['ς', 'σ'],
  ['Σ', 'σ'],
  ['ᾳ', 'α'],
  ['Ё', 'е'],
  ['שָׁ', 'ש'],
  ['شَّ', 'ش'],
  ['أ', 'ا'],
  ['ع', 'ع'],
  ['हि', 'हि'],
  ['5', '5'],
  ['①', '1'],
  ['٥', '٥'],
];
const letters = letterPairs.map(([written, plain]): Unit => [written, plain, 'part']);

const units: readonly Unit[] = [
  ...letters,
  ...['東', '京', 'か', 'ー', 'ก', 'กี', '€', '😀', '🏠', '\u{1f1ed}'].map((one): Unit => [one, one, 'word']),
  ['か\u3099', 'が', 'word'],
  ['が', 'が', 'word'],
  ['ｶﾞ', 'ガ', 'word'],
  ['\u00ad', '', 'nothing'],
  ['\u200d', '', 'nothing'],
  ...['-', '_', '.', ',', '/', '—', '、', '؟', '\n'].map((one): Unit => [one, one, 'divider']),
  [' ', ' ', 'divider'],
];
const blank: Unit = [' ', ' ', 'divider'];

const writtenAs = (some: readonly Unit[]) => some.map(([written]) => written).join('');
const plainOf = (some: readonly Unit[]) => some.map(([, plain]) => plain).join('');

/** Words between marks that no word has. */
function marked(some: readonly Unit[]): string {
  let text = '\u0000';
  for (const [, plain, kind] of some) {
    if (kind === 'nothing') continue;
    if (kind === 'part') text += plain;
    else text += kind === 'word' ? `\u0000${plain}\u0000` : '\u0000';
  }
  return `${text}\u0000`.replace(/\u0000+/g, '\u0000');
}

/** What is said of a term, in another way: texts as lists of what they are made of. */
function has(term: readonly Unit[], { contents, ids }: Texts): boolean {
  const asked = marked(term);
  if (asked === '\u0000') return true;
  const part = plainOf(term).trim();
  return (
    [...contents, ...ids].some(text => marked(text).includes(asked)) ||
    (part.length >= 4 && ids.some(id => plainOf(id).includes(part)))
  );
}

type Texts = { readonly contents: readonly Unit[][]; readonly ids: readonly Unit[][] };

const few = fc.constantFrom(...units.slice(0, 5), ...units.filter(([, , kind]) => kind !== 'part').slice(0, 6), blank);
const anyUnits = (maxLength: number) =>
  fc.oneof(
    fc.array(fc.constantFrom(...units), { minLength: 1, maxLength }),
    fc.array(few, { minLength: 1, maxLength }),
  );
/** Often a piece of a text, else of nothing. */
const anyAsked = ({ contents, ids }: Texts) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...contents, ...ids), fc.nat(12), fc.integer({ min: 1, max: 8 }))
      .map(([text, from, length]) => text.slice(from % text.length).slice(0, length)),
    anyUnits(4),
  );

const idNames = exactFields.filter(({ changes }) => !changes).map(({ name }) => name);

const anyCase = fc
  .record({
    contents: fc.array(anyUnits(14), { minLength: 1, maxLength: 3 }),
    ids: fc.array(anyUnits(10), { minLength: 1, maxLength: 3 }),
    names: fc.shuffledSubarray([...idNames], { minLength: 3, maxLength: 3 }),
    seed: fc.nat(),
  })
  .chain(one =>
    fc.record({
      texts: fc.constant({ contents: one.contents, ids: one.ids }),
      names: fc.constant(one.names),
      terms: fc.array(anyAsked(one), { minLength: 1, maxLength: 3 }),
    }),
  );

describe('what a text is found by', () => {
  test('any terms in any message of odd scripts → as an oracle finds them', () => {
    let found = 0;
    let tried = 0;
    fc.assert(
      fc.property(anyCase, ({ texts, names, terms }) => {
        const message = log({
          contentJson: JSON.stringify({
            type: 'zz',
            deep: texts.contents.map((text, i) => (i % 2 === 0 ? writtenAs(text) : { text: [writtenAs(text)] })),
          }),
          ...Object.fromEntries(texts.ids.map((id, i) => [names[i] ?? '', writtenAs(id)])),
        });
        const asked = terms
          .map(writtenAs)
          .map(term => (/\s/.test(term) ? `"${term}"` : term))
          .join(' ');
        const isFound = terms.some(term => marked(term) !== '\u0000') && terms.every(term => has(term, texts));
        expect(textMatcher(asked)(message), JSON.stringify({ asked, message })).toBe(isFound);
        tried++;
        if (!isFound) return;
        found++;
        // What is told of a message without looking it through never denies it.
        const words = contentWordsOf(message);
        const pieces = new Set(idTexts(message).flatMap(idPiecesOf));
        for (const keys of askedKeysOf(asked))
          expect(
            keys.words.every(word => words.has(word)) || keys.inIds.some(all => all.every(piece => pieces.has(piece))),
          ).toBe(true);
      }),
      { numRuns: runs(6000) },
    );
    expect(found).toBeGreaterThan(tried / 5);
    expect(found).toBeLessThan(tried);
  });

  test.each<[string, string, boolean]>([
    ['Your parcel is here', 'parcel', true],
    ['Your parcels are here', 'parcel', false],
    ['Your parcel is here', 'HERE parcel', true],
    ['Your parcel is here', '"parcel is"', true],
    ['Your parcel is here', '"is parcel"', false],
    ['Your parcel, is here', '"parcel is', true],
    ['Your parcel is here', 'parcel - here', true],
    ['Zagreb, Straße', 'STRASSE', true],
    ['Crème brûlée', '"creme brulee"', true],
    ['東京都に届きました', '京都', true],
    ['東京都に届きました', '都京', false],
    ['50 % off: 10.50 €', '10.50€', true],
    ['50 % off: 10.50 €', '10.5', false],
    ['it is 👍🏽', '👍', true],
    ['x', '"', false],
    ['x', '…', false],
  ])('%j for %j → %s', (text, asked, isFound) => {
    expect(textMatcher(asked)(content(text))).toBe(isFound);
  });

  test('parts of ids → four characters of any part, and whole words of fewer', () => {
    const message = log({ messageId: '4F1C99a0-77b2', sender: 'DHL', destination: '491701234567', bulkId: 'a b' });
    const asks = (asked: string) => textMatcher(asked)(message);
    for (const asked of ['4f1c', '99A0-77', '4f1c99a0-77b2', 'dhl', '4567', '77b2', '"a b"', 'dhl 4567 1c99', 'a'])
      expect([asked, asks(asked)]).toEqual([asked, true]);
    for (const asked of ['4f1', 'dh', '567', '4568', '"b a"', 'dhl 4568', '4f1c 99a1'])
      expect([asked, asks(asked)]).toEqual([asked, false]);
  });

  test('a type, a key, a status → not searched; a number in a content → neither', () => {
    const message = log({ contentJson: '{"type":"TEXT","body":{"type":"x","text":"y","n":7}}' });
    for (const asked of ['text', 'body', 'x', 'accepted', 'pending_accepted', '7', 'no_error'])
      expect([asked, textMatcher(asked)(message)]).toEqual([asked, false]);
    expect(textMatcher('y')(message)).toBe(true);
  });

  test('contents nested without end, very long words, and no JSON → searched', () => {
    const deep = `${'['.repeat(20_000)}"deep"${']'.repeat(20_000)}`;
    expect(textMatcher('deep')(log({ contentJson: `{"a":${deep}}` }))).toBe(true);
    const long = 'ä'.repeat(60_000);
    expect(textMatcher('a'.repeat(200))(content(long))).toBe(false);
    expect(textMatcher('end')(content(`${long} end`))).toBe(true);
    expect(contentTexts('no JSON')).toEqual(['no JSON']);
    expect(contentTexts('{"type":"TEXT"}')).toEqual([]);
  });
});

describe('a filter by text', () => {
  test('beside others, left out, and apart from them', () => {
    const message = log({ sender: 's', contentJson: '{"text":"one two"}' });
    const asks = (filter: Parameters<typeof conditionMatcher>[0]) => conditionMatcher(filter)(message);
    expect(asks({ text: 'two', sender: 's' })).toBe(true);
    expect(asks({ text: 'two', sender: 't' })).toBe(false);
    expect(asks({ not: { text: 'two' } })).toBe(false);
    expect(asks({ text: 'one', not: { text: 'three' } })).toBe(true);
    const filter = { text: 'one', sender: 's', sentSince: 1, not: { text: 'b', generalStatus: 'EXPIRED' } };
    expect(withoutText(filter)).toEqual({ sender: 's', sentSince: 1, not: { generalStatus: 'EXPIRED' } });
    expect(textOf(filter)).toEqual({ text: 'one', not: { text: 'b' } });
    expect(withoutText({ not: { text: 'b' } })).toEqual({});
    expect(conditionMatcher({ text: 'three' }, { changes: true })(message)).toBe(true);
  });

  test('what it may not be → told; anything else → terms within the bounds', () => {
    const { textCharsMax, textTermsMax } = limits;
    expect(textFlaw('-- "!"')).toMatch(/letter or a digit/);
    expect(textFlaw('😀'.repeat(textCharsMax))).toBeUndefined();
    expect(textFlaw('😀'.repeat(textCharsMax + 1))).toMatch(/at most 200 characters/);
    expect(textFlaw('a '.repeat(textTermsMax))).toBeUndefined();
    expect(textFlaw('a '.repeat(textTermsMax + 1))).toMatch(/at most 20 words/);
    fc.assert(
      fc.property(anyText, asked => {
        if (textFlaw(asked) !== undefined) return;
        for (const { words, part } of termsOf(asked)) {
          expect(words.length).toBeGreaterThan(0);
          expect(wordsOf(part)).toEqual(words);
        }
      }),
      { numRuns: runs(3000) },
    );
  });

  test('any text → what is folded is folded once for all, and its words are what they were', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: 'binary' })), text => {
        expect(folded(folded(text))).toBe(folded(text));
        expect(wordsOf(folded(text.toUpperCase()))).toEqual(wordsOf(folded(text.toUpperCase().normalize('NFD'))));
      }),
      { numRuns: runs(1200) },
    );
  });
});
