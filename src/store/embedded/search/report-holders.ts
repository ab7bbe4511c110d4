import type { FacetCodes, Facets } from '../segment/facets.ts';
import { type Columns, reportsIn } from '../segment/shared-segment.ts';
import type { ReadSegments } from './read-segments.ts';

/** Files of which the outcomes of reports are held: reports follow their messages soon. */
const holdersMax = 16;

/** The facets of the reports with sequences from one to before another, and what somebody made of their meanings. */
export type Holder<T> = {
  readonly from: number;
  readonly to: number;
  readonly codes: FacetCodes;
  readonly made: T;
  /** Where the numbers stand while the segment has no index: others may come to stand there. */
  readonly columns: Columns | undefined;
};

/** Finds the facets of reports by their sequences. */
export class ReportHolders<T> {
  readonly #segments: ReadSegments;
  readonly #make: (facets: Facets) => T;
  /** `undefined` where only rows tell. */
  readonly #holders = new Map<number, Holder<T> | undefined>();
  #last: Holder<T> | undefined;

  constructor(segments: ReadSegments, make: (facets: Facets) => T) {
    this.#segments = segments;
    this.#make = make;
  }

  /** To be called when others had their turn: a segment may have been sealed or dropped. */
  letGo(): void {
    for (const [id, holder] of this.#holders)
      if (holder === undefined || holder.columns !== this.#segments.get(id)?.columns) this.#holders.delete(id);
    this.#last = undefined;
  }

  /** A report whose segment was set aside seems to be the one's before, which has no number for it. */
  of(sequence: number): Holder<T> | undefined {
    if (this.#last !== undefined && sequence >= this.#last.from && sequence < this.#last.to) return this.#last;
    const shared = this.#segments.holderOf(sequence);
    if (shared === undefined) return undefined;
    if (!this.#holders.has(shared.id)) {
      const [oldest] = this.#holders.keys();
      if (this.#holders.size >= holdersMax && oldest !== undefined) this.#holders.delete(oldest);
      const found = this.#segments.withFacets(shared.id, facets => ({
        from: shared.firstSequence,
        to: shared.firstSequence + reportsIn(shared),
        codes: facets.codes('reportOutcome'),
        made: this.#make(facets),
        columns: this.#segments.get(shared.id)?.columns,
      }));
      this.#holders.set(shared.id, found);
    }
    this.#last = this.#holders.get(shared.id) ?? this.#last;
    return this.#holders.get(shared.id);
  }
}
