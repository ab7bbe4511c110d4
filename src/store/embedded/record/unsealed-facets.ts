import type { LoadedSegment } from '../log/load.ts';
import type { FacetMaker, MeaningsOf } from '../segment/facet-maker.ts';
import { messagesIn, type SharedSegment } from '../segment/shared-segment.ts';

/** The facets of the segments that have no index yet. Their numbers are in shared memory; what these mean is told when asked. */
export class UnsealedFacets {
  readonly #unsealed = new Map<number, { readonly shared: SharedSegment; readonly facets: FacetMaker }>();

  adopt(segments: readonly LoadedSegment[]): void {
    for (const { shared, unsealed } of segments) if (unsealed !== undefined) this.add(shared, unsealed.facets);
  }

  add(shared: SharedSegment, facets: FacetMaker): void {
    this.#unsealed.set(shared.id, { shared, facets });
  }

  /** It has an index, or is gone. */
  delete(segmentId: number): void {
    this.#unsealed.delete(segmentId);
  }

  /** To be asked between two transactions. */
  untold(): readonly MeaningsOf[] {
    return [...this.#unsealed.values()].flatMap(({ shared, facets }) => {
      const more = facets.untold();
      return more === undefined ? [] : [{ segmentId: shared.id, messages: messagesIn(shared), more }];
    });
  }
}
