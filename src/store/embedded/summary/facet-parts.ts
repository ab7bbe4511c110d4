import type { BreakdownField, PartValues } from '../../../domain/breakdown.ts';
import type { Move } from '../segment/count-items.ts';
import type { FacetCodes, Facets } from '../segment/facets.ts';

/** What the messages of one part that share a state count for. */
export type PartMoves = { readonly values: PartValues; readonly moves: readonly Move[] };

/** What the numbers of states mean. */
export type PartStates = {
  errorName(code: number): string;
  /** What a message in this state counts for. */
  movesOf(code: number, messageCount: number): readonly Move[];
};

type Column = { readonly codes: FacetCodes; readonly values: readonly string[] };

const codeEnd = 2 ** 16;

/** Counts one segment's messages by what they are broken down by, as numbers: names come in at the end. */
export class FacetParts {
  readonly #by: readonly BreakdownField[];
  /** Of each field but the error, which the state tells. */
  readonly #columns: ReadonlyMap<BreakdownField, Column>;
  /** By state, by how many messages one counts as, and by the numbers of the fields' values and of the state. */
  readonly #counts = new Map<PartStates, Map<number, Map<number, number>>>();

  private constructor(by: readonly BreakdownField[], columns: ReadonlyMap<BreakdownField, Column>) {
    this.#by = by;
    this.#columns = columns;
  }

  /** `undefined` when one of the fields has no numbers here. */
  static of(by: readonly BreakdownField[], facets: Facets): FacetParts | undefined {
    const columns = new Map<BreakdownField, Column>();
    for (const field of by) {
      if (field === 'error') continue;
      const values = facets.meanings.fields[field];
      if (values === undefined) return undefined;
      columns.set(field, { codes: facets.codes(field), values });
    }
    return new FacetParts(by, columns);
  }

  count(ordinal: number, states: PartStates, state: number, messageCount: number): void {
    let key = state;
    for (const { codes } of this.#columns.values()) key = key * codeEnd + (codes[ordinal] ?? 0);
    const ofStates = this.#counts.get(states) ?? new Map<number, Map<number, number>>();
    if (ofStates.size === 0) this.#counts.set(states, ofStates);
    const counts = ofStates.get(messageCount) ?? new Map<number, number>();
    if (counts.size === 0) ofStates.set(messageCount, counts);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  *taken(): Generator<PartMoves> {
    for (const [states, ofStates] of this.#counts)
      for (const [messageCount, counts] of ofStates)
        for (const [key, times] of counts) {
          const { state, codes } = this.#split(key);
          const values = this.#by.map(field => {
            if (field === 'error') return states.errorName(state);
            const code = codes.get(field) ?? 0;
            return code === 0 ? undefined : this.#columns.get(field)?.values[code - 1];
          });
          const moves = states
            .movesOf(state, messageCount)
            .map(([kind, value, amount]): Move => [kind, value, amount * times]);
          yield { values, moves };
        }
  }

  #split(key: number): { readonly state: number; readonly codes: ReadonlyMap<BreakdownField, number> } {
    const codes = new Map<BreakdownField, number>();
    let rest = key;
    for (const field of [...this.#columns.keys()].toReversed()) {
      codes.set(field, rest % codeEnd);
      rest = Math.floor(rest / codeEnd);
    }
    return { state: rest, codes };
  }
}
