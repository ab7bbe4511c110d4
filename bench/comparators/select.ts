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

/** The page of a query, and one row more in a walk, which tells whether there is a next page. */
export function selectPage(query: Query, dialect: Dialect): Statement {
  const { filter } = query;
  const parameters: (Value | readonly string[])[] = [];
  const conditions: string[] = [];
  const take = (parameter: Value | readonly string[]) => dialect.value(parameters.push(parameter));
  const is = (column: string, operator: string, value: Value | undefined) => {
    if (value !== undefined) conditions.push(`${column} ${operator} ${take(value)}`);
  };
  const oneOf = (column: string, values: readonly string[] | undefined) => {
    if (values?.length === 1) is(column, '=', values[0]);
    else if (values !== undefined) conditions.push(dialect.oneOf(column, parameters.push(dialect.list(values))));
  };
  is('account_id', '=', query.account);
  is('sender', '=', filter.sender);
  is('destination', '=', filter.destination);
  is('entity_id', '=', filter.entityId);
  is('application_id', '=', filter.applicationId);
  is('status_group', '=', filter.generalStatus);
  oneOf('bulk_id', filter.bulkIds);
  oneOf('message_id', filter.messageIds);
  oneOf('campaign_id', filter.campaignReferenceIds);
  is('sent_at', '>=', Math.max(filter.sentSince ?? query.sentSince, query.sentSince));
  is('sent_at', '<', filter.sentUntil);
  if (query.after !== undefined) {
    const place = decode(query.after);
    conditions.push(`(sent_at, id) < (${take(place.sentAt)}, ${take(place.id)})`);
    is('id', '<=', place.idMax);
  }
  const limit = take(query.walk ? query.limit + 1 : query.limit);
  const sql = `SELECT * FROM message WHERE ${conditions.join(' AND ')} ORDER BY sent_at DESC, id DESC LIMIT ${limit}`;
  return { sql, parameters };
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
