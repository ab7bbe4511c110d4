import { type Filter, groupIdsOf, valuesOf } from '../../../domain/filter.ts';
import { exactFields } from '../../../domain/filter-fields.ts';
import type { EpochMs } from '../../../domain/message.ts';
import { noError } from '../../../domain/registry.ts';
import { texts } from '../../../postgres/arrays.ts';
import type { Value } from '../../../postgres/session.ts';
import type { Query } from '../../store.ts';
import { placesOfIds } from '../log/folded-keys.ts';
import { columnMs } from '../rows/column-ms.ts';
import { logColumns, type Place } from '../rows/log-row.ts';
import { packedError, packedErrorOf } from '../rows/report-text.ts';
import { firstUnseen, type Snapshot } from '../server/snapshot.ts';
import {
  asksForAnyError,
  columns,
  errorConditions,
  errorKeyConditions,
  errorKeysOf,
  exclusions,
  hasAnError,
  isOneOf,
} from './filter-conditions.ts';

/** A page as a statement. Its rows are `logColumns`, then the state to show instead, as text, where there is one. */
export type PageStatement = {
  readonly text: string;
  readonly values: readonly Value[];
  /** `kept`: one plan is the right one for all values. `fresh`: which index to read depends on the values. */
  readonly plan: 'kept' | 'fresh';
};

/** What bounds a page beyond its query: where the walk stands, and what it may see. */
export type Bounds = { readonly place?: Place; readonly snapshot?: Snapshot; readonly keysMayBeFolded?: boolean };

/** What a filter asks of one column, and the values for it: an index of the column leads to the messages. */
export type Condition = { readonly column: string; readonly values: readonly (string | number)[] };

const errorColumn = 'error_key';

/** What each column of a filter is to be, unless one may have several values; an error may have several keys. */
export function leadingConditions(filter: Filter): readonly Condition[] {
  const asked: readonly Condition[] = [
    ...columns.map(([name, column]) => ({ column, values: valuesOf(filter, name) ?? [] })),
    { column: 'group_id', values: groupIdsOf(filter) ?? [] },
  ];
  if (filter.messageId !== undefined || asked.some(({ values }) => values.length > 1)) return [];
  return [...asked, { column: errorColumn, values: errorKeysOf(filter) ?? [] }].filter(
    ({ values }) => values.length > 0,
  );
}

/** The `sentAt` that a page may have: from `since`, up to but without `until`. */
export function rangeOf({ filter, sentSince }: Query, { place }: Bounds): { since: EpochMs; until: EpochMs } {
  return {
    since: Math.max(sentSince, filter.sentSince ?? -Infinity),
    until: Math.min(filter.sentUntil ?? Infinity, place === undefined ? Infinity : place.sentAt + 1),
  };
}

/**
 * The statement for a page. The limit and the status group stand in the text: a kept plan is made for them. Where
 * conditions are to be met together, `rarest` is the column of one that few messages meet: its index leads to the page.
 */
export function pageStatement(query: Query, bounds: Bounds, rarest: string | undefined): PageStatement {
  return new PageBuilder(query, bounds, rarest).build();
}

/** Fewer are read and looked at in less time than it takes to plan for 50 partitions. */
const manyMessages = 1_000;

/** The statement for whether many messages meet a condition: it gives a row or none. */
export function manyStatement(query: Query, bounds: Bounds, { column, values }: Condition): PageStatement {
  const { since, until } = rangeOf(query, bounds);
  const all = (value: string) => `
      SELECT m.sent_at FROM message m
      WHERE m.account_id = $1 AND m.sent_at >= $2 AND m.sent_at < $3 AND ${leading(column, value)}
      ORDER BY m.sent_at DESC, m.number DESC`;
  const isError = column === errorColumn;
  return {
    text: isError
      ? `SELECT m.sent_at FROM unnest($4::integer[]) v (value)
         CROSS JOIN LATERAL (${all('v.value')} LIMIT ${manyMessages}) m LIMIT 1 OFFSET ${manyMessages - 1}`
      : `${all('$4')} LIMIT 1 OFFSET ${manyMessages - 1}`,
    values: [query.account, columnMs(since), columnMs(until), isError ? `{${values.join()}}` : (values[0] ?? null)],
    plan: 'kept',
  };
}

/**
 * A kept plan is made without knowing the value. Where all messages so far have one sender, it would be a toss-up
 * whether to read the index of senders or all messages by time, which for another sender means all there are. Written
 * thrice, the condition seems to leave few, and its own index wins; reading an index costs no more for it.
 */
function leading(column: string, value: string): string {
  const is = `m.${column} = ${value} AND m.${column} >= ${value} AND m.${column} <= ${value}`;
  return column === errorColumn ? `${is} AND ${hasAnError}` : is;
}

/** Whether what a message was when a walk began has to be looked at, to tell whether it matched. */
export function asksForErrors({ errorName, errorId, not }: Filter): boolean {
  return [errorName, errorId, not?.errorName, not?.errorId].some(asked => asked !== undefined);
}

class PageBuilder {
  readonly #query: Query;
  readonly #bounds: Bounds;
  readonly #values: Value[] = [];
  readonly #account: string;
  readonly #limit: string;
  readonly #rarest: string | undefined;
  readonly #conditions: number;
  #snapshot: { readonly end: string; readonly running: string } | undefined;

  constructor(query: Query, bounds: Bounds, rarest: string | undefined) {
    this.#query = query;
    this.#bounds = bounds;
    this.#account = this.#value(query.account);
    // One more than asked for tells whether there is a next page.
    this.#limit = `LIMIT ${query.limit + 1}`;
    this.#rarest = rarest;
    this.#conditions = exactFields.filter(({ name }) => query.filter[name] !== undefined).length;
  }

  build(): PageStatement {
    const groups = groupIdsOf(this.#query.filter);
    const { snapshot } = this.#bounds;
    const inRange = this.#range('m');
    const identity = this.#identity();
    const errorKeys = this.#rarest === errorColumn ? errorKeysOf(this.#query.filter) : undefined;
    const walksErrors = snapshot !== undefined && this.#isPlannedFresh && asksForAnyError(this.#query.filter);
    let text: string;
    if (errorKeys !== undefined || walksErrors) text = this.#byError(errorKeys, inRange, identity, groups);
    else if (groups === undefined) {
      const seen = snapshot === undefined ? [] : [this.#seen('m.tx', snapshot)];
      text = this.#source([...inRange, ...seen, ...this.#errors(snapshot)], identity);
    } else {
      text =
        snapshot === undefined
          ? this.#source([...inRange, ...this.#errors(snapshot)], identity, groups)
          : this.#asOf(snapshot, groups, inRange, identity);
    }
    return { text, values: this.#values, plan: this.#isPlannedFresh ? 'fresh' : 'kept' };
  }

  /**
   * The messages that had one of the groups when the walk began: those that have one now, unless they came to it since,
   * and those that left them since, as they were. What a message was then is what the first report after that found.
   */
  #asOf(snapshot: Snapshot, groups: readonly number[], inRange: readonly string[], identity: Identity): string {
    const seen = this.#seen('m.tx', snapshot);
    const groupThen = `(${this.#firstUnseenReport(snapshot, 'm', 'r.group_before')})`;
    const hadIt = `(${this.#seen('m.state_tx', snapshot)} OR ${isOneOf(groupThen, groups)})`;
    const stayed = this.#source([...inRange, seen, hadIt, ...this.#errors(snapshot)], identity, groups);
    // Repeated as by `leading`, or all reports of the time asked for seem fewer than those that left the groups.
    const [least, greatest] = [this.#value(groups[0] ?? 0), this.#value(groups.at(-1) ?? 0)];
    const left = this.#left(snapshot, identity, {
      reports: `${isOneOf('r.group_before', groups)} AND r.group_before >= ${least} AND r.group_before <= ${greatest}
        AND r.group_before <> r.group_after`,
      now: `NOT (${isOneOf('m.group_id', groups)})`,
      found: isOneOf('f.group_before', groups),
    });
    return `SELECT * FROM ((${stayed}) UNION ALL (${left})) m ${this.#newest('m')}`;
  }

  /**
   * The messages that have one of some errors, or any; on a walk those that are as they were when it began, and those that had
   * one then and were changed since. Of errors that are not registered, those with other words are among the latter.
   */
  #byError(
    keys: readonly number[] | undefined,
    inRange: readonly string[],
    identity: Identity,
    groups?: readonly number[],
  ): string {
    const { snapshot } = this.#bounds;
    const has = errorConditions(this.#query.filter, value => this.#value(value));
    const several = keys && { column: errorColumn, values: `${this.#value(`{${keys.join()}}`)}::integer[]` };
    const any = keys === undefined ? [hasAnError] : [];
    const inGroups = groups === undefined ? [] : [`(${isOneOf('m.group_id', groups)}) IS TRUE`];
    const present = (conditions: readonly string[]) =>
      this.#source([...inRange, ...conditions, ...any, ...has, ...inGroups], { ...identity, several });
    if (snapshot === undefined) return present([]);
    const [seen, isAsThen] = [this.#seen('m.tx', snapshot), this.#seen('m.state_tx', snapshot)];
    const before = packedErrorOf('r.state_before');
    const among = keys && this.#errorsBefore(keys);
    const left = this.#left(snapshot, identity, {
      reports: `${before} <> '${packedError(noError.key)}'${among ? ` AND ${among.led(before)}` : ''}`,
      now: `NOT ${isAsThen}`,
      found: (among?.plain ?? (one => `${one} <> '${packedError(noError.key)}'`))(packedErrorOf('f.state_before')),
    });
    return `SELECT * FROM ((${present([seen, isAsThen])}) UNION ALL (${left})) m ${this.#newest('m')}`;
  }

  /** That a report found one of some errors, plainly, and repeated as by `leading`. */
  #errorsBefore(keys: readonly number[]) {
    const all = keys.map(packedError).toSorted();
    const [listed, least, greatest] = [this.#list(all), this.#value(all[0] ?? ''), this.#value(all.at(-1) ?? '')];
    const plain = (error: string) => `${error} = ANY (${listed})`;
    return { plain, led: (error: string) => `${plain(error)} AND ${error} >= ${least} AND ${error} <= ${greatest}` };
  }

  /** The messages that a walk is to show as reports found them which it does not see. */
  #left(snapshot: Snapshot, identity: Identity, is: Left): string {
    const here = [this.#seen('m.tx', snapshot), ...identity.equal, ...identity.anyOf, is.now];
    if (identity.messageIds !== undefined) here.push(`m.message_id = ANY (${identity.messageIds})`);
    return `
      SELECT m.*, f.state_before AS then_state
      FROM (
        SELECT DISTINCT u.sent_at, u.number FROM (
          SELECT r.sent_at, r.number FROM report r
          WHERE r.account_id = ${this.#account} AND ${is.reports}
            AND r.tx >= ${this.#value(firstUnseen(snapshot))} AND NOT (${this.#seen('r.tx', snapshot)})
            AND ${this.#range('r').join(' AND ')}
          OFFSET 0
        ) u
        ORDER BY u.sent_at DESC, u.number DESC
      ) l
      CROSS JOIN LATERAL (
        SELECT ${logColumns} FROM message m
        WHERE m.account_id = ${this.#account} AND m.sent_at = l.sent_at AND m.number = l.number
          AND ${here.join(' AND ')} LIMIT 1
      ) m
      CROSS JOIN LATERAL (${this.#firstUnseenReport(snapshot, 'l', 'r.group_before, r.state_before')}) f
      WHERE ${is.found}
      ${this.#newest('l')}`;
  }

  /**
   * What is asked of the error. On a walk those come too that were changed since it began, with what they were then:
   * whoever reads them looks whether they matched.
   */
  #errors(snapshot: Snapshot | undefined): readonly string[] {
    const all = errorConditions(this.#query.filter, value => this.#value(value));
    if (snapshot === undefined && this.#isPlannedFresh)
      return [...errorKeyConditions(this.#query.filter, value => this.#value(value)), ...all];
    if (all.length === 0 || snapshot === undefined) return all;
    return [`((${all.join(' AND ')}) OR NOT ${this.#seen('m.state_tx', snapshot)})`];
  }

  /** What is to be shown of a message instead, where that is not known to be its present state. */
  #thenState(): string {
    const { snapshot } = this.#bounds;
    if (snapshot === undefined || !asksForErrors(this.#query.filter)) return 'NULL::text';
    const then = this.#firstUnseenReport(snapshot, 'm', 'r.state_before');
    return `CASE WHEN NOT ${this.#seen('m.state_tx', snapshot)} THEN (${then}) END`;
  }

  #firstUnseenReport(snapshot: Snapshot, of: 'm' | 'l', columns: string): string {
    return `
      SELECT ${columns} FROM report r
      WHERE r.account_id = ${this.#account} AND r.sent_at = ${of}.sent_at AND r.number = ${of}.number
        AND NOT (${this.#seen('r.tx', snapshot)})
      ORDER BY r.version LIMIT 1`;
  }

  /** The matching messages, by whichever way leads to them without passing others by. */
  #source(conditions: readonly string[], identity: Identity, groups?: readonly number[]): string {
    const { equal, anyOf, several, messageIds } = groups === undefined ? identity : this.#withGroups(identity, groups);
    const select = `SELECT ${logColumns}, ${this.#thenState()} AS then_state FROM message m`;
    const all = [`m.account_id = ${this.#account}`, ...conditions, ...equal];
    if (messageIds !== undefined)
      return `
        SELECT m.* FROM (${placesOfIds(this.#account, messageIds, this.#bounds.keysMayBeFolded ?? false)}) k
        CROSS JOIN LATERAL (
          ${select} WHERE ${[...all, ...anyOf].join(' AND ')}
            AND m.sent_at = k.sent_at AND m.number = k.number AND m.message_id = k.message_id LIMIT 1
        ) m
        ${this.#newest('m')}`;
    if (several === undefined) return `${select} WHERE ${[...all, ...anyOf].join(' AND ')} ${this.#newest('m')}`;
    // One ordered read for each value: a list matched at once would have to be read whole and sorted.
    const others = anyOf.filter(condition => condition !== several.condition);
    return `
      SELECT m.* FROM unnest(${several.values}) v (value)
      CROSS JOIN LATERAL (
        ${select} WHERE ${[...all, ...others, this.#is(several.column, 'v.value')].join(' AND ')} ${this.#newest('m')}
      ) m
      ${this.#newest('m')}`;
  }

  #identity(): Identity {
    const { filter } = this.#query;
    const equal: string[] = [];
    const ids = valuesOf(filter, 'messageId');
    const messageIds = ids === undefined ? undefined : this.#list(ids);
    const anyOf: string[] = [];
    let several: Several | undefined;
    for (const [name, column] of columns) {
      const [value, ...others] = valuesOf(filter, name) ?? [];
      if (value === undefined) continue;
      if (others.length === 0) equal.push(this.#is(column, this.#value(value)));
      else {
        const values = this.#list([value, ...others]);
        const condition = `m.${column} = ANY (${values})`;
        anyOf.push(condition);
        several ??= { column, values, condition };
      }
    }
    return { equal, anyOf: [...anyOf, ...exclusions(filter, value => this.#value(value))], several, messageIds };
  }

  /** As well of one of some groups. Where nothing else is asked, each group has an ordered read of its own. */
  #withGroups(identity: Identity, groups: readonly number[]): Identity {
    const { equal, anyOf, messageIds } = identity;
    const [group, ...others] = groups;
    if (group !== undefined && others.length === 0) return { ...identity, equal: [...equal, this.#isGroup(group)] };
    const condition = isOneOf('m.group_id', groups);
    const isAlone = this.#conditions === 1 && group !== undefined;
    return {
      equal,
      anyOf: [...anyOf, condition],
      several: isAlone
        ? { column: 'group_id', values: `'{${groups.join()}}'::smallint[]`, condition }
        : identity.several,
      messageIds,
    };
  }

  /** Only the values tell which index is the best. */
  get #isPlannedFresh(): boolean {
    const { filter } = this.#query;
    const mayBeLed = this.#conditions > 1 || asksForAnyError(filter);
    return mayBeLed && this.#rarest === undefined && filter.messageId === undefined;
  }

  #is(column: string, value: string): string {
    const equals = `m.${column} = ${value}`;
    if (this.#isPlannedFresh) return equals;
    // In this form no index of the column comes into question.
    return this.#rarest === undefined || this.#rarest === column ? leading(column, value) : `(${equals}) IS TRUE`;
  }

  #isGroup(group: number): string {
    const isOneOfSeveral = this.#rarest !== undefined && this.#conditions > 1;
    return isOneOfSeveral ? this.#is('group_id', this.#value(group)) : `m.group_id = ${group}`;
  }

  /** Inside the horizon, the asked times, and behind the walk's place. */
  #range(table: 'm' | 'r'): readonly string[] {
    const { place } = this.#bounds;
    const { since, until } = rangeOf(this.#query, this.#bounds);
    return [
      `${table}.sent_at >= ${this.#value(columnMs(since))}`,
      `${table}.sent_at < ${this.#value(columnMs(until))}`,
      ...(place === undefined
        ? []
        : [`(${table}.sent_at, ${table}.number) < (${this.#value(place.sentAt)}, ${this.#value(place.number)})`]),
    ];
  }

  /** Whether what a transaction wrote was there at the snapshot's moment. */
  #seen(column: string, { end, running }: Snapshot): string {
    // One text, and one kept plan, whether any were running or not.
    this.#snapshot ??= { end: this.#value(end), running: this.#value(`{${running.join()}}`) };
    return `(${column} < ${this.#snapshot.end} AND ${column} <> ALL (${this.#snapshot.running}))`;
  }

  #list(values: readonly string[]): string {
    return `${this.#value(texts(values))}::text[]`;
  }

  /** Puts a value into the statement by number, and gives what stands for it in the text. */
  #value(value: Value): string {
    this.#values.push(value);
    return `$${this.#values.length}`;
  }

  #newest(table: 'm' | 'l'): string {
    return `ORDER BY ${table}.sent_at DESC, ${table}.number DESC ${this.#limit}`;
  }
}

/** A list of values, which `condition` asks for too where it stands among others. */
type Several = { readonly column: string; readonly values: string; readonly condition?: string };

/** What leads to messages that were changed since a walk began: of reports `r`, of the message `m` now, of the first such report `f`. */
type Left = { readonly reports: string; readonly now: string; readonly found: string };

/** What a filter asks of a message apart from its time and status. */
type Identity = {
  readonly equal: readonly string[];
  readonly anyOf: readonly string[];
  readonly several: Several | undefined;
  /** The list of `message_id`, which only the keys find. */
  readonly messageIds: string | undefined;
};
