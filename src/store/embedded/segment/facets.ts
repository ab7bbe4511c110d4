import type { AccountId, MessageState } from '../../../domain/message.ts';
import { errorWith, statusWith } from '../../words.ts';
import { type FacetColumns, type FacetField, facetFields } from './facet-columns.ts';
import { noAccount } from './shared-segment.ts';

/** What stands in a file of facets: a number a message, or a report, and what the numbers mean. */
export type FacetName = FacetField | 'account' | 'outcome' | 'messageCount' | 'reportOutcome' | 'meanings';

/**
 * What of a state summaries count and filters ask: everything but what differs from message to message. `delayMs` is of
 * its class of delivery times.
 */
export type FacetOutcome = readonly [
  status: number,
  error: number,
  extra: string | null,
  delayMs: number | null,
  price: number | null,
  currency: string | null,
];

/** By number, from 1 on: 0 is what is absent, lost, or beyond the last number. */
export type Meanings = {
  readonly outcome: readonly FacetOutcome[];
  /** A field with more values than there are numbers has none. */
  readonly fields: { readonly [name in FacetField]?: readonly string[] };
};

/** As a file has them. */
export type FacetMeanings = Meanings & { readonly account: readonly number[] };

export type FacetCodes = Uint8Array | Uint16Array;

/** The facets of one segment, of its first `messages`, wherever they stand. */
export type Facets = {
  readonly messages: number;
  readonly meanings: Meanings;
  /** Whose each message is, and what the account's are told by; `undefined` when it has none. No codes: all are its own. */
  owners(account: AccountId): { readonly codes: ArrayLike<number> | undefined; readonly own: number } | undefined;
  codes(name: Exclude<FacetName, 'meanings' | 'account'>): FacetCodes;
};

/** The greatest number, and the greatest count of messages in one, that a facet tells. */
export const codeMax = 2 ** 16 - 1;

/**
 * The facets as a file has them; `undefined` when there are more accounts than numbers, so that rows alone
 * tell.
 */
export function facetSections(
  columns: FacetColumns,
  meanings: Meanings,
  accounts: Float64Array,
  reports: number,
): Readonly<Record<string, FacetCodes>> | undefined {
  const count = accounts.length;
  const owners = accountCodes(accounts);
  if (owners === undefined) return undefined;
  const messageCount = columns.messageCount.subarray(0, count);
  const greatestCount = messageCount.reduce((a, b) => Math.max(a, b), 0);
  const sections: Record<string, FacetCodes> = {
    'facets.account': narrow(owners.codes, owners.values.length),
    'facets.outcome': narrow(columns.outcome.subarray(0, count), meanings.outcome.length),
    'facets.messageCount': narrow(messageCount, greatestCount),
    'facets.reportOutcome': narrow(columns.reportOutcome.subarray(0, reports), meanings.outcome.length),
  };
  for (const [i, name] of facetFields.entries()) {
    const [column, values] = [columns.fields[i], meanings.fields[name]];
    if (column !== undefined && values !== undefined)
      sections[`facets.${name}`] = narrow(column.subarray(0, count), values.length);
  }
  const all: FacetMeanings = { account: owners.values, ...meanings };
  return { ...sections, 'facets.meanings': Buffer.from(JSON.stringify(all)) };
}

function accountCodes(accounts: Float64Array) {
  const values: AccountId[] = [];
  const known = new Map<AccountId, number>([[noAccount, 0]]);
  const codes = new Uint16Array(accounts.length);
  for (const [ordinal, account] of accounts.entries()) {
    let code = known.get(account);
    if (code === undefined) {
      if (values.length === codeMax) return undefined;
      code = values.push(account);
      known.set(account, code);
    }
    codes[ordinal] = code;
  }
  return { values, codes };
}

/** One byte a number where that is enough. */
function narrow(column: Uint16Array, greatest: number): FacetCodes {
  return greatest <= 255 ? Uint8Array.from(column) : column.slice();
}

/** The state that an outcome is of, as far as it counts, of a message sent at 0. */
export function stateOf([status, error, extra, delayMs, price, currency]: FacetOutcome): Pick<
  MessageState,
  'status' | 'error' | 'doneAt' | 'price'
> {
  return {
    status: statusWith(status, extra),
    error: errorWith(error, extra),
    ...(delayMs !== null && { doneAt: delayMs }),
    ...(price !== null && currency !== null && { price: { pricePerMessage: price, currency } }),
  };
}
