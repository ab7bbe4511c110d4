import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The statements of a database, each prepared once; a row that one gives is an array. */
export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  of(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  /** Before the database is closed. */
  clear(): void {
    this.#prepared.clear();
  }
}
