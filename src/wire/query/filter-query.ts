import { IsArray, type TSchema } from 'typebox';
import { type BreakdownField, breakdownFields } from '../../domain/breakdown.ts';
import type { Conditions, Filter } from '../../domain/filter.ts';
import { type FilterField, filterFields, isCode } from '../../domain/filter-fields.ts';
import type { EpochMs } from '../../domain/message.ts';
import { statusGroupNames } from '../../domain/registry.ts';
import { textFlaw } from '../../domain/text-search.ts';
import { isTimeZone } from '../../domain/wall-clock.ts';
import { limits } from '../../limits.ts';
import type { Parsed } from '../parsed.ts';
import { present } from '../present.ts';
import { withoutBlankForms } from './list-text.ts';
import { type KnownParameters, QueryReader } from './query-reader.ts';
import {
  comparisons,
  excluded,
  exportFormats,
  exportParameters,
  filterParameters,
  pageParameters,
  streamParameters,
  summaryParameters,
} from './query-schemas.ts';

/** What `GET /messenger/1/logs` asks for. */
export type LogsQuery = {
  readonly filter: Filter;
  readonly limit: number;
  readonly useCursor: boolean;
  readonly cursor?: string;
};

export type ExportFormat = (typeof exportFormats)[number];
export type ExportQuery = { readonly filter: Filter; readonly format: ExportFormat };
export type Comparison = (typeof comparisons)[number];
export type SummaryQuery = {
  readonly filter: Filter;
  readonly buckets: number;
  readonly compare?: Comparison;
  /** By whose clock a day, or a week, before is. */
  readonly timeZone?: string;
  readonly by?: readonly BreakdownField[];
  /** Rows of the breakdown. */
  readonly first: number;
};
export type StreamQuery = { readonly filter: Filter; readonly lastEventId?: string };

const logsParameters = known({ ...filterParameters, ...pageParameters });
const exportsParameters = known({ ...filterParameters, ...exportParameters });
const summariesParameters = known({ ...filterParameters, ...summaryParameters });
const streamsParameters = known({ ...filterParameters, ...streamParameters });

function known(parameters: { readonly [name: string]: TSchema }): KnownParameters {
  return new Map(Object.entries(parameters).map(([name, schema]) => [name, { many: IsArray(schema) }]));
}

/**
 * `raw` is what stands behind the `?`, as it came; every violation in one answer. `cursorFlaw` tells what is wrong with
 * a cursor for a filter; it is asked whatever else is wrong, but for the filter, without which nobody can tell.
 */
export function parseLogsQuery(
  raw: string,
  cursorFlaw: (cursor: string, filter: Filter) => string | undefined = () => undefined,
): Parsed<LogsQuery> {
  const query = new QueryReader(raw, logsParameters);
  const flawsBefore = query.violations.length;
  const filter = readFilter(query);
  const isFilterSound = query.violations.length === flawsBefore;
  const limit = query.integer('limit', 1, limits.pageLogsMax) ?? limits.pageLogsDefault;
  const useCursor = query.flag('useCursor') ?? false;
  // Empty, where a walk is asked for, it is what a client has before its first page.
  const cursor = useCursor && query.isEmpty('cursor') ? undefined : query.text('cursor');
  const flaw = cursor !== undefined && isFilterSound ? cursorFlaw(cursor, filter) : undefined;
  if (flaw !== undefined) query.refuse('cursor', flaw);
  if (query.violations.length > 0) return { violations: query.violations };
  return {
    value: { filter, limit, useCursor: useCursor || cursor !== undefined, ...(cursor !== undefined && { cursor }) },
  };
}

/** As `parseLogsQuery`, for a call that gives all that matches. */
export function parseExportQuery(raw: string): Parsed<ExportQuery> {
  const query = new QueryReader(raw, exportsParameters);
  const filter = readFilter(query);
  const format = query.choice('format', exportFormats) ?? 'ndjson';
  return query.violations.length > 0 ? { violations: query.violations } : { value: { filter, format } };
}

/** As `parseLogsQuery`, for a call that counts what matches. */
export function parseSummaryQuery(raw: string): Parsed<SummaryQuery> {
  const query = new QueryReader(raw, summariesParameters);
  const filter = readFilter(query);
  const buckets = query.integer('buckets', 1, limits.summaryBucketsMax) ?? limits.summaryBucketsDefault;
  const compare = query.choice('compare', comparisons);
  const timeZone = readTimeZone(query);
  const by = readBreakdown(query);
  const first = query.integer('first', 1, limits.breakdownRowsShownMax) ?? limits.breakdownRowsShownDefault;
  if (query.violations.length > 0) return { violations: query.violations };
  return { value: { filter, buckets, first, ...present({ compare, timeZone, by }) } };
}

function readTimeZone(query: QueryReader): string | undefined {
  const name = query.text('timeZone');
  if (name === undefined || isTimeZone(name)) return name;
  return query.refuse('timeZone', 'must be the name of a time zone, such as Europe/Zagreb');
}

function readBreakdown(query: QueryReader): readonly BreakdownField[] | undefined {
  const names = query.list('by', limits.idListCharsMax);
  const fields = names?.flatMap(name => breakdownFields.find(field => field === name) ?? []);
  if (fields?.length === names?.length && (fields ?? []).length <= limits.breakdownFieldsMax) return fields;
  return query.refuse('by', `must be one of ${breakdownFields.join(', ')}, or ${limits.breakdownFieldsMax} of them`);
}

/** As `parseLogsQuery`, for a call that follows what matches. */
export function parseStreamQuery(raw: string): Parsed<StreamQuery> {
  const query = new QueryReader(raw, streamsParameters);
  const filter = readFilter(query);
  // A listener that has no id yet may send an empty one.
  const lastEventId = query.isEmpty('lastEventId') ? undefined : query.text('lastEventId');
  if (query.violations.length > 0) return { violations: query.violations };
  return { value: { filter, ...(lastEventId !== undefined && { lastEventId }) } };
}

/** A filter as it was written, without what its values may have been recorded as besides: the same for the same question. */
export function asWritten({ not, ...filter }: Filter): Filter {
  return { ...filter, ...written(filter), ...(not !== undefined && { not: written(not) }) };
}

function written(conditions: Conditions): Conditions {
  return present(
    Object.fromEntries(
      filterFields.map(({ name, many }) => {
        const asked = conditions[name];
        if (asked === undefined || typeof asked === 'string') return [name, asked];
        return [name, many ? withoutBlankForms(asked) : asked[0]];
      }),
    ),
  );
}

/** For a call without parameters. */
export function parseEmptyQuery(raw: string): Parsed<undefined> {
  const { violations } = new QueryReader(raw, new Map());
  return violations.length > 0 ? { violations } : { value: undefined };
}

/** The filter that every way of reading shares. */
function readFilter(query: QueryReader): Filter {
  const not = readConditions(query, excluded);
  return present({
    ...readConditions(query, name => name),
    not: Object.keys(not).length === 0 ? undefined : not,
    sentSince: query.dateTime('sentSince'),
    sentUntil: upperBound(query),
  });
}

/** By the parameter that each field is given as. */
function readConditions(query: QueryReader, parameterOf: (name: string) => string): Conditions {
  return present(
    Object.fromEntries(filterFields.map(field => [field.name, readValues(query, parameterOf(field.name), field)])),
  );
}

function readValues(
  query: QueryReader,
  name: string,
  { many, kind }: FilterField,
): string | readonly string[] | undefined {
  if (kind === 'words') return readWords(query, name);
  if (!many) return kind === 'number' ? query.number(name) : query.text(name);
  if (kind === 'text') return query.texts(name, limits.idListCharsMax);
  const values = query.list(name, limits.idListCharsMax);
  if (kind === 'group' && values?.every(value => statusGroupNames.some(group => group === value)) === false)
    return query.refuse(name, `must be one of ${statusGroupNames.join(', ')}, or several of them`);
  if (kind === 'code' && values?.every(isCode) === false)
    return query.refuse(name, 'must be a whole number, or several of them');
  return values;
}

function readWords(query: QueryReader, name: string): string | undefined {
  const text = query.text(name);
  const flaw = text === undefined ? undefined : textFlaw(text);
  return flaw === undefined ? text : query.refuse(name, flaw);
}

/**
 * The vendor's page names `sentBefore` once. Alone it is what its name says. Beside `sentUntil` it stands for `sentSince`
 * on a sister call of the vendor: whichever was meant, taking it for the other would answer the wrong half.
 */
function upperBound(query: QueryReader): EpochMs | undefined {
  const before = query.dateTime('sentBefore');
  const until = query.dateTime('sentUntil');
  if (before !== undefined && until !== undefined)
    query.refuse(
      'sentBefore',
      'cannot be told apart from sentUntil: use sentSince for the lower bound, sentUntil for the upper',
    );
  return until ?? before;
}
