import { conditionMatcher, type Filter } from '../../../domain/filter.ts';
import { type Facets, type Meanings, stateOf } from '../segment/facets.ts';
import { newestReportOf, type SharedSegment } from '../segment/shared-segment.ts';
import type { ReadSegments } from './read-segments.ts';
import { ReportHolders } from './report-holders.ts';
import type { MayBeAsked } from './scan.ts';

/**
 * What a filter by error asks, of segments that have facets: they tell the state of each message in a byte or two, so
 * that of few matches among many messages few rows are read.
 */
export class ErrorTests {
  readonly #segments: ReadSegments;
  readonly #filter: Filter;
  readonly #asOf: number;
  readonly #holders: ReportHolders<Uint8Array>;

  private constructor(segments: ReadSegments, filter: Filter, asOf: number) {
    this.#asOf = asOf;
    this.#segments = segments;
    this.#filter = filter;
    this.#holders = new ReportHolders(segments, facets => this.#asked(facets.meanings));
  }

  /** `asOf`: the newest report when the walk began. `undefined` for a filter that asks for no error. */
  static of(segments: ReadSegments, filter: Filter, asOf: number): ErrorTests | undefined {
    const asks = filter.errorName !== undefined || filter.errorId !== undefined;
    return asks ? new ErrorTests(segments, filter, asOf) : undefined;
  }

  /** To be called when others had their turn. */
  letGo(): void {
    this.#holders.letGo();
  }

  /** Good for as long as the segment is as it is; `undefined` where only rows tell. */
  in(segment: SharedSegment): MayBeAsked | undefined {
    return this.#segments.withFacets(segment.id, facets => this.#test(segment, facets));
  }

  #test(segment: SharedSegment, facets: Facets): MayBeAsked {
    const [outcomes, isAsked, known] = [facets.codes('outcome'), this.#asked(facets.meanings), facets.messages];
    return ordinal => {
      const newest = newestReportOf(segment, ordinal);
      // It may have been in such a state when the walk began, and be in one when its row is read.
      if (ordinal >= known || newest > this.#asOf) return true;
      if (newest === 0) return mayBe(isAsked, outcomes[ordinal]);
      const holder = this.#holders.of(newest);
      return holder === undefined || mayBe(holder.made, holder.codes[newest - holder.from]);
    };
  }

  #asked({ outcome }: Meanings): Uint8Array {
    const fits = conditionMatcher(this.#filter, { changes: true });
    return Uint8Array.of(1, ...outcome.map(meaning => Number(fits(stateOf(meaning)))));
  }
}

/** What has no number, or was learnt since, only rows tell. */
function mayBe(isAsked: Uint8Array, code: number | undefined): boolean {
  return isAsked[code ?? 0] !== 0;
}
