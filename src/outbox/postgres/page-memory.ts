import { LRUCache } from 'lru-cache';
import { bigints } from '../../postgres/arrays.ts';
import { integer, type Row, text } from '../../postgres/cells.ts';
import type { Statement, Value } from '../../postgres/session.ts';
import { type PageKey, pageKeyText } from './pages.ts';
import type { PageWork } from './together.ts';

type Ask = (statement: Statement, values: readonly Value[]) => Promise<readonly Row[]>;

/** Which pages messages, or steps of them, are of. That never changes: what this process was given it need not ask for. */
export class PageMemory {
  readonly #statement: Statement;
  readonly #pages: LRUCache<number, PageKey>;

  constructor(of: keyof typeof statements, most: number) {
    this.#statement = statements[of];
    this.#pages = new LRUCache({ max: most });
  }

  keep(id: number, { account, sender }: PageKey): void {
    this.#pages.set(id, { account, sender });
  }

  /** Those that are there no more have none. */
  async of(ids: readonly number[], ask: Ask): Promise<ReadonlyMap<number, PageKey>> {
    const found = new Map<number, PageKey>();
    const unknown: number[] = [];
    for (const id of ids) {
      const page = this.#pages.get(id);
      if (page === undefined) unknown.push(id);
      else found.set(id, page);
    }
    const rows = unknown.length === 0 ? [] : await ask(this.#statement, [bigints(unknown)]);
    for (const [id, account, sender] of rows)
      found.set(integer(id), { account: integer(account), sender: text(sender) });
    return found;
  }
}

/** Work on records of pages, which can be done page by page; a record may be of several. */
export function workOn<T>(
  records: readonly T[],
  pagesOf: (record: T) => readonly { readonly page: PageKey; readonly record: T }[],
  { worksOn, newPagesOf = () => [], ...terms }: Terms<T>,
): PageWork<void> {
  const each = records.flatMap(pagesOf);
  const pages = [...new Map(each.map(({ page }) => [pageKeyText(page), page])).values()];
  const on = (those: readonly T[]) => ({
    ...terms,
    count: those.length,
    newPages: newPagesOf(those),
    ...worksOn(those),
  });
  const parts = () =>
    [...Map.groupBy(each, ({ page }) => pageKeyText(page)).values()].map(those => ({
      ...on(those.map(one => one.record)),
      pages: those.slice(0, 1).map(one => one.page),
    }));
  return { ...on(records), pages, parts };
}

type Terms<T> = Pick<PageWork<void>, 'rank' | 'isApart'> & {
  readonly worksOn: (records: readonly T[]) => Pick<PageWork<void>, 'join' | 'work'>;
  readonly newPagesOf?: (records: readonly T[]) => readonly PageKey[];
};

const statements = {
  messages: {
    name: 'outbox pages of messages asked',
    text: 'SELECT m.id, m.account_id, m.sender FROM outbox_message m WHERE m.id = ANY ($1::bigint[])',
  },
  steps: {
    name: 'outbox pages of steps asked',
    text: `SELECT s.id, m.account_id, m.sender FROM outbox_step s JOIN outbox_message m ON m.id = s.message
      WHERE s.id = ANY ($1::bigint[])`,
  },
} as const;
