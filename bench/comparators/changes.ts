import { type Bookmark, type Change, type Changes, type ChangesQuery, InvalidBookmark } from '../../src/store/store.ts';
import { logOf, number, type Row } from './rows.ts';
import { Conditions, type Dialect, type Statement } from './select.ts';

/** Ids of the newest message and of the newest report that are given. */
export type Place = { readonly message: number; readonly report: number };

/** All that is known without looking is that time has passed. */
const lookEveryMs = 100;

/** The newest of each table. */
export const selectNewest = `SELECT (SELECT coalesce(max(id), 0) FROM message) AS message,
  (SELECT coalesce(max(id), 0) FROM report) AS report`;

export function placeOf(row: Row | undefined): Place {
  return row === undefined
    ? { message: 0, report: 0 }
    : { message: number(row, 'message'), report: number(row, 'report') };
}

/** Wakes whoever follows whether there is anything new or not; returns what ends it. */
export function lookRegularly(wake: () => void): () => void {
  const timer = setInterval(wake, lookEveryMs).unref();
  return () => clearInterval(timer);
}

/**
 * What the tables got after a place: first the messages, then the reports, each with the log as it is now. Unlike with
 * sentlog a report that changed nothing shows, too.
 */
export async function changesOf(
  query: ChangesQuery,
  dialect: Dialect,
  newest: () => Promise<Place>,
  rowsOf: (statement: Statement) => Promise<readonly Row[]>,
): Promise<Changes> {
  const until = query.until === undefined ? await newest() : decode(query.until);
  if (query.after === undefined) return { changes: [], next: encode(until), more: false };
  const after = decode(query.after);
  const select = (columns: string, tables: string, id: string, from: number, to: number, limit: number) => {
    const conditions = new Conditions({ account: query.account, filter: {}, sentSince: query.sentSince }, dialect);
    conditions.is(id, '>', from);
    conditions.is(id, '<=', to);
    const bound = conditions.take(limit);
    const sql = `SELECT ${columns} FROM ${tables} WHERE ${conditions.sql} ORDER BY ${id} LIMIT ${bound}`;
    return rowsOf({ sql, parameters: conditions.parameters });
  };
  const messages = await select('*', 'message', 'id', after.message, until.message, query.limit);
  const changes: Change[] = messages.map(row => ({
    log: logOf(row),
    place: encode({ message: number(row, 'id'), report: after.report }),
  }));
  if (changes.length < query.limit && after.report < until.report) {
    const tables = 'report JOIN message ON message.id = report.message AND report.number > 0';
    const left = query.limit - changes.length;
    const columns = 'message.*, report.id AS report';
    for (const row of await select(columns, tables, 'report.id', after.report, until.report, left))
      changes.push({ log: logOf(row), place: encode({ message: until.message, report: number(row, 'report') }) });
  }
  const last = changes.at(-1);
  if (last === undefined || changes.length < query.limit) return { changes, next: encode(until), more: false };
  return { changes, next: last.place, more: last.place !== encode(until) };
}

function encode({ message, report }: Place): Bookmark {
  return `${message}.${report}`;
}

function decode(bookmark: Bookmark): Place {
  const [message, report] = (/^(\d{1,15})\.(\d{1,15})$/.exec(bookmark) ?? []).slice(1).map(Number);
  if (message === undefined || report === undefined) throw new InvalidBookmark();
  return { message, report };
}
