import { bigints, doubles, integers, smallints, texts } from '../../../postgres/arrays.ts';
import { RowsWriter } from '../../../postgres/copy-in.ts';
import type { Statement, Transaction } from '../../../postgres/session.ts';
import { ofAccount } from '../schema/citus.ts';

/** A column that differs from row to row, and its value in one. */
export type Column<T> = { readonly name: string } & (
  | { readonly type: 'smallint' | 'integer'; readonly of: (row: T) => number }
  | { readonly type: 'bigint' | 'double precision'; readonly of: (row: T) => number | undefined }
  | { readonly type: 'text'; readonly of: (row: T) => string | undefined }
);

/** A column that has one value in all rows of a transaction; the first is `account_id`. */
export type SharedColumn = { readonly name: string; readonly type: 'integer' | 'bigint' };

/** Rows from which on COPY costs less than a kept INSERT: it is parsed and planned anew each time. */
const copiedRowsMin = 20;
/** A guess at what a field takes, to begin with. */
const fieldBytesExpected = 16;

/** A transaction, and whether the rows are on workers of Citus. */
export type Adding = { readonly session: Transaction; readonly onCitus: boolean };

/** One way for rows into a table, whichever costs less. Their values are given as they are, and nothing comes back. */
export class RowsInto<T> {
  readonly #columns: readonly Column<T>[];
  readonly #shared: readonly SharedColumn[];
  readonly #insert: Statement;
  readonly #insertOnCitus: Statement;
  readonly #copy: string;

  /** `rows`: what they are called, where others go into the table too. */
  constructor(
    table: string,
    shared: readonly SharedColumn[],
    columns: readonly Column<T>[],
    rows = `new rows of ${table}`,
  ) {
    this.#columns = columns;
    this.#shared = shared;
    const into = `${table} (${[...shared, ...columns].map(({ name }) => name).join(', ')})`;
    const constants = shared.map((_, i) => `$${i + 1}`);
    const arrays = columns.map(({ type }, i) => `$${shared.length + i + 1}::${type}[]`);
    const [account, ...others] = constants;
    const unnested = `unnest(${arrays.join(', ')}) u`;
    const selected = [...others, 'u.*'].join(', ');
    this.#insert = {
      name: rows,
      text: `INSERT INTO ${into} SELECT ${account}, ${selected} FROM ${unnested}`,
    };
    this.#insertOnCitus = {
      name: `${rows} on Citus`,
      text: `INSERT INTO ${into} SELECT s.account_id, ${selected} FROM ${ofAccount} ${unnested} WHERE s.account_id = ${account}`,
    };
    this.#copy = `COPY ${into} FROM STDIN (FORMAT binary)`;
  }

  /** `shared` are the values of the shared columns. Citus commits what was copied in two phases: there it is inserted. */
  add({ session, onCitus }: Adding, shared: readonly number[], rows: readonly T[]): void {
    if (rows.length === 0) return;
    if (rows.length >= copiedRowsMin && !onCitus) return session.copy(this.#copy, this.#written(shared, rows));
    const values = [...shared, ...this.#columns.map(column => arrayOf(column, rows))];
    session.send(onCitus ? this.#insertOnCitus : this.#insert, values);
  }

  #written(shared: readonly number[], rows: readonly T[]): Uint8Array {
    const fields = this.#shared.length + this.#columns.length;
    const writer = new RowsWriter(rows.length * fields * fieldBytesExpected);
    for (const row of rows) {
      writer.row(fields);
      for (const [i, { type, name }] of this.#shared.entries()) {
        const value = shared[i];
        if (value === undefined) throw new RangeError(`there is no value for ${name}`);
        writer[type](value);
      }
      for (const column of this.#columns) writeField(writer, column, row);
    }
    return writer.finish();
  }
}

function writeField<T>(writer: RowsWriter, column: Column<T>, row: T): void {
  switch (column.type) {
    case 'smallint':
      return writer.smallint(column.of(row));
    case 'integer':
      return writer.integer(column.of(row));
    case 'bigint':
      return writer.bigint(column.of(row));
    case 'double precision':
      return writer.double(column.of(row));
    case 'text':
      return writer.text(column.of(row));
  }
}

/** The values of one column as a parameter for `unnest`. */
export function arrayOf<T>(column: Column<T>, rows: readonly T[]): Buffer {
  switch (column.type) {
    case 'smallint':
      return smallints(rows.map(column.of));
    case 'integer':
      return integers(rows.map(column.of));
    case 'bigint':
      return bigints(rows.map(column.of));
    case 'double precision':
      return doubles(rows.map(column.of));
    case 'text':
      return texts(rows.map(column.of));
  }
}
