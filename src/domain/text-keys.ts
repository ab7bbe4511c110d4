import type { Filtered } from './filter-fields.ts';
import { contentTexts, folded, type Term, termsOf, wordsOf } from './text-search.ts';

/**
 * What tells that a message does not have a term, without looking it through: every word of its contents, and every piece
 * of its ids. Ids hold words and parts as pieces of three characters, of which there are few different ones in all ids
 * together, and words that are shorter as they are.
 */
export function contentWordsOf({ contentJson = '{}' }: Filtered): ReadonlySet<string> {
  return new Set(contentTexts(contentJson).flatMap(text => wordsOf(folded(text))));
}

export function idPiecesOf(id: string): readonly string[] {
  const text = folded(id);
  return [...piecesOf(text), ...wordsOf(text).filter(word => word.length < pieceChars)];
}

/**
 * What a message has where it has a term: all of these words in its contents, or all pieces of one of these lists in its
 * ids.
 */
export type AskedKeys = { readonly words: readonly string[]; readonly inIds: readonly (readonly string[])[] };

/** Of each term of a query. */
export function askedKeysOf(asked: string): readonly AskedKeys[] {
  return termsOf(asked).map(term => ({ words: [...new Set(term.words)], inIds: inIdsOf(term) }));
}

function inIdsOf({ words, part }: Term): readonly (readonly string[])[] {
  const byWords = words.flatMap(word => (word.length < pieceChars ? [word] : piecesOf(word)));
  return part.length < pieceChars ? [byWords] : [byWords, piecesOf(part)];
}

const pieceChars = 3;

function piecesOf(text: string): readonly string[] {
  return Array.from({ length: Math.max(0, text.length - pieceChars + 1) }, (_, at) => text.slice(at, at + pieceChars));
}
