import { type Columns, clearedColumns, newColumns } from '../segment/shared-segment.ts';

/** Columns that no thread looks at any more, for segments to come: left to the collector, they would pile up. */
export class SpareColumns {
  readonly #columns: Columns[] = [];

  put(columns: Columns): void {
    this.#columns.push(columns);
  }

  /** For as many messages; new ones where none are spare. */
  take(messages: number): Columns {
    const spare = this.#columns.pop();
    return spare !== undefined && spare.account.length >= messages ? clearedColumns(spare) : newColumns(messages);
  }
}
