import type pg from 'pg';
import type { Plan } from './plan.ts';

/** Which partitions there are, and of what. */
export class Catalog {
  /** Names of tables and indexes that are parts of another one, with its name. */
  readonly #wholes: ReadonlyMap<string, string>;

  private constructor(wholes: ReadonlyMap<string, string>) {
    this.#wholes = wholes;
  }

  static async read(client: pg.Client): Promise<Catalog> {
    const { rows } = await client.query<{ part: string; whole: string }>(
      `SELECT c.relname AS part, p.relname AS whole
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent`,
    );
    return new Catalog(new Map(rows.map(({ part, whole }) => [part, whole])));
  }

  /** The partitioned table or index that this is a part of; itself when it is none. */
  wholeOf(name: string): string {
    return this.#wholes.get(name) ?? name;
  }

  isPart(name: string): boolean {
    return this.#wholes.has(name);
  }

  /** The partitioned tables and others that a plan reads or writes. */
  tablesIn({ steps }: Plan): readonly string[] {
    return [...new Set(steps.flatMap(({ relation }) => (relation === undefined ? [] : this.wholeOf(relation))))];
  }
}

/** What a partition by time holds, which is in its name: from the one moment, up to but without the other. */
export function spanOf(partition: string): { readonly from: number; readonly to: number } | undefined {
  const [, from, to] = /_p(n?\d+)_(n?\d+)$/.exec(partition) ?? [];
  const moment = (text: string) => Number(text.replace('n', '-'));
  return from === undefined || to === undefined ? undefined : { from: moment(from), to: moment(to) };
}
