import { FacetMaker, type FacetMeanings, type Facets } from '../segment/facets.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { reportsPerMessageMax } from '../segment/position.ts';
import { verifyMessage, verifyReport } from '../segment/record-row.ts';
import type { RowsFile } from '../segment/rows-file.ts';
import { messagesIn, reportsIn, type SharedSegment } from '../segment/shared-segment.ts';

const rowsAtATime = 1000;

/** The facets in a file. */
export function facetsIn(file: IndexFile): Facets {
  const { messages, reports } = file.header;
  const meanings: FacetMeanings = JSON.parse(Buffer.from(file.uint8('facets.meanings')).toString('utf8'));
  return {
    messages,
    meanings,
    codes(name) {
      const bytes = file.uint8(`facets.${name}`);
      const isNarrow = bytes.byteLength === (name === 'reportOutcome' ? reports : messages);
      return isNarrow ? bytes : new Uint16Array(bytes.buffer);
    },
  };
}

/**
 * The facets of a segment that takes rows, as far as a reader learnt them. Only who asks for a summary by a filter needs
 * them: each such summary learns what came since the last.
 */
export class LiveFacets {
  readonly #shared: SharedSegment;
  readonly #maker: FacetMaker;
  #messages = 0;
  #reports = 0;

  constructor(shared: SharedSegment) {
    const capacity = shared.newestReport.length;
    this.#shared = shared;
    this.#maker = new FacetMaker(capacity, capacity * reportsPerMessageMax);
  }

  /** How many rows are there that were not learnt. */
  get unlearntRows(): number {
    return messagesIn(this.#shared) - this.#messages + reportsIn(this.#shared) - this.#reports;
  }

  /** Learns from some rows; `true` when there are more. */
  learn(rows: RowsFile): boolean {
    const { firstSequence } = this.#shared;
    if (this.#messages < messagesIn(this.#shared)) {
      const found = rows.messagesFrom(this.#messages, rowsAtATime);
      for (const row of found) this.#maker.message(verifyMessage(row));
      this.#messages = (found.at(-1)?.[0] ?? messagesIn(this.#shared) - 1) + 1;
      return true;
    }
    if (this.#reports >= reportsIn(this.#shared)) return false;
    const found = rows.reportsFrom(firstSequence + this.#reports, rowsAtATime);
    for (const row of found) this.#maker.report(verifyReport(row), firstSequence);
    const last = found.at(-1)?.[0];
    this.#reports = last === undefined ? reportsIn(this.#shared) : last + 1 - firstSequence;
    return true;
  }

  with<T>(work: (facets: Facets) => T): T | undefined {
    const facets = this.#maker.facets(this.#messages);
    return facets === undefined ? undefined : work(facets);
  }
}
