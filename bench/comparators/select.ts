import { valuesOf } from '../../src/domain/filter.ts';
import { type ExactName, exactFields } from '../../src/domain/filter-fields.ts';
import type { EpochMs } from '../../src/domain/message.ts';
import { type Bookmark, InvalidBookmark, type Page, type Query } from '../../src/store/store.ts';
import { logOf, number, type Row, type Value } from './rows.ts';

/** Where a walk stands, and the newest `id` it may see. */
type Place = { readonly sentAt: EpochMs; readonly id: number; readonly idMax: number };

/** How a dialect takes parameters. */
export type Dialect = {
  /** The placeholder of parameter `place`, counted from 1. */
  value(place: number): string;
  /** A condition that `column` is one of a parameter's values. */
  oneOf(column: string, place: number): string;
  list(values: readonly string[]): Value | readonly string[];
};

export type Statement = { readonly sql: string; readonly parameters: readonly (Value | readonly string[])[] };

/** What the benchmark asks for; the tables have columns for these alone. */
const columns: Partial<Readonly<Record<ExactName, string>>> = {
  sender: 'sender',
  destination: 'destination',
  bulkId: 'bulk_id',
  messageId: 'message_id',
  generalStatus: 'status_group',
  entityId: 'entity_id',
  applicationId: 'application_id',
  campaignReferenceId: 'campaign_id',
};

type Asked = Pick<Query, 'account' | 'filter' | 'sentSince'>;

/** The conditions of a filter, and what their placeholders stand for. */
export class Conditions {
  readonly parameters: (Value | readonly string[])[] = [];
  readonly #dialect: Dialect;
  readonly #all: string[] = [];

  constructor({ account, filter, sentSince }: Asked, dialect: Dialect) {
    this.#dialect = dialect;
    this.is('account_id', '=', account);
    for (const { name } of exactFields) {
      const [column, values] = [columns[name], valuesOf(filter, name)];
      if (values !== undefined && column === undefined) throw new RangeError(`there is no column of ${name}`);
      if (column !== undefined) this.#oneOf(column, values);
    }
    this.is('sent_at', '>=', Math.max(filter.sentSince ?? sentSince, sentSince));
    this.is('sent_at', '<', filter.sentUntil);
  }

  get sql(): string {
    return this.#all.join(' AND ');
  }

  take(parameter: Value | readonly string[]): string {
    return this.#dialect.value(this.parameters.push(parameter));
  }

  add(condition: string): void {
    this.#all.push(condition);
  }

  is(column: string, operator: string, value: Value | undefined): void {
    if (value !== undefined) this.add(`${column} ${operator} ${this.take(value)}`);
  }

  #oneOf(column: string, values: readonly string[] | undefined): void {
    if (values?.length === 1) this.is(column, '=', values[0]);
    else if (values !== undefined)
      this.add(this.#dialect.oneOf(column, this.parameters.push(this.#dialect.list(values))));
  }
}

/** The page of a query, and one row more in a walk, which tells whether there is a next page. */
export function selectPage(query: Query, dialect: Dialect): Statement {
  const conditions = new Conditions(query, dialect);
  if (query.after !== undefined) {
    const place = decode(query.after);
    conditions.add(`(sent_at, id) < (${conditions.take(place.sentAt)}, ${conditions.take(place.id)})`);
    conditions.is('id', '<=', place.idMax);
  }
  const { sql: where } = conditions;
  const limit = conditions.take(query.walk ? query.limit + 1 : query.limit);
  const sql = `SELECT * FROM message WHERE ${where} ORDER BY sent_at DESC, id DESC LIMIT ${limit}`;
  return { sql, parameters: conditions.parameters };
}

/** `idMax` is the newest `id` of the table when a walk begins. */
export function pageOf(query: Query, rows: readonly Row[], idMax: number): Page {
  const shown = rows.slice(0, query.limit);
  const logs = shown.map(logOf);
  const last = shown.at(-1);
  if (!query.walk || last === undefined || rows.length === shown.length) return { logs };
  const begun = query.after === undefined ? idMax : decode(query.after).idMax;
  return { logs, next: [number(last, 'sent_at'), number(last, 'id'), begun].join('.') };
}

function decode(bookmark: Bookmark): Place {
  const [sentAt, id, idMax] = (/^(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(bookmark) ?? []).slice(1).map(Number);
  if (sentAt === undefined || id === undefined || idMax === undefined) throw new InvalidBookmark();
  return { sentAt, id, idMax };
}
