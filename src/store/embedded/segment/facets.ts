import { classOf } from '../../../domain/delivery-time.ts';
import type { EpochMs, MessageState } from '../../../domain/message.ts';
import { statusByKey } from '../../../domain/registry.ts';
import { errorWith, statusWith } from '../../words.ts';
import { splitText } from './packed-batch.ts';
import type { MessageRow, ReportRow } from './rows-file.ts';

/** The fields whose values are few enough to be told by a number in most segments. */
export const facetFields = [
  'sender',
  'bulkId',
  'entityId',
  'applicationId',
  'campaignReferenceId',
] as const satisfies readonly (keyof ReturnType<typeof splitText>)[];
export type FacetField = (typeof facetFields)[number];

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
export type FacetMeanings = {
  readonly account: readonly number[];
  readonly outcome: readonly FacetOutcome[];
  readonly fields: { readonly [name in FacetField]?: readonly string[] };
};

export type FacetCodes = Uint8Array | Uint16Array;

/** The facets of one segment, of its first `messages`, wherever they stand. */
export type Facets = {
  readonly messages: number;
  readonly meanings: FacetMeanings;
  codes(name: Exclude<FacetName, 'meanings'>): FacetCodes;
};

/** The greatest number, and the greatest count of messages in one, that a facet tells. */
const codeMax = 2 ** 16 - 1;

/** Gives each different value a number. */
class Codes<V> {
  readonly values: V[] = [];
  readonly #codes = new Map<string | number, number>();
  isFull = false;

  of(key: string | number, value: () => V): number {
    let code = this.#codes.get(key);
    if (code === undefined) {
      if (this.values.length === codeMax) {
        this.isFull = true;
        return 0;
      }
      code = this.values.push(value());
      this.#codes.set(key, code);
    }
    return code;
  }
}

/**
 * The facets of one segment in the making. Summaries by a filter count by them, without the rows: a number for each value
 * of a field, and one for what a message's state counts for. A field with more values than there are numbers has none.
 */
export class FacetMaker {
  readonly #account: Uint16Array;
  readonly #outcome: Uint16Array;
  readonly #messageCount: Uint16Array;
  readonly #reportOutcome: Uint16Array;
  readonly #fields: readonly Uint16Array[];
  readonly #accounts = new Codes<number>();
  readonly #outcomes = new Codes<FacetOutcome>();
  readonly #values = facetFields.map(() => new Codes<string>());

  constructor(messages: number, reports: number) {
    const column = (length = messages) => new Uint16Array(length);
    [this.#account, this.#outcome, this.#messageCount] = [column(), column(), column()];
    this.#reportOutcome = column(reports);
    this.#fields = facetFields.map(() => column());
  }

  message(row: MessageRow): void {
    const [ordinal, account, sentAt] = row;
    this.#account[ordinal] = this.#accounts.of(account, () => account);
    this.#outcome[ordinal] = this.#outcomeOf(sentAt, [row[4], row[5], row[12], row[7], row[9], row[10]]);
    this.#messageCount[ordinal] = row[11] <= codeMax ? row[11] : 0;
    const texts = splitText(row[14]);
    for (const [i, name] of facetFields.entries()) {
      const [column, value] = [this.#fields[i], texts[name]];
      if (column !== undefined && value !== undefined) column[ordinal] = this.#values[i]?.of(value, () => value) ?? 0;
    }
  }

  report(row: ReportRow, firstSequence: number): void {
    this.#reportOutcome[row[0] - firstSequence] = this.#outcomeOf(row[15], [
      row[2],
      row[3],
      row[9],
      row[5],
      row[7],
      row[8],
    ]);
  }

  /** What was made until now, of messages with ordinals before this; `undefined` when rows alone tell. */
  facets(messages: number): Facets | undefined {
    if (this.#accounts.isFull) return undefined;
    const columns = {
      account: this.#account,
      outcome: this.#outcome,
      messageCount: this.#messageCount,
      reportOutcome: this.#reportOutcome,
    };
    return {
      messages,
      meanings: this.#meanings(),
      codes: name => (isField(name) ? (this.#fields[facetFields.indexOf(name)] ?? new Uint16Array(0)) : columns[name]),
    };
  }

  /** `undefined` when there are more accounts than numbers: then rows alone tell. */
  sections(): Readonly<Record<string, FacetCodes>> | undefined {
    if (this.#accounts.isFull) return undefined;
    const meanings = this.#meanings();
    const greatestCount = this.#messageCount.reduce((a, b) => Math.max(a, b), 0);
    const columns: Record<string, FacetCodes> = {
      'facets.account': narrow(this.#account, meanings.account.length),
      'facets.outcome': narrow(this.#outcome, meanings.outcome.length),
      'facets.messageCount': narrow(this.#messageCount, greatestCount),
      'facets.reportOutcome': narrow(this.#reportOutcome, meanings.outcome.length),
    };
    for (const [i, name] of facetFields.entries()) {
      const [column, values] = [this.#fields[i], meanings.fields[name]];
      if (column !== undefined && values !== undefined) columns[`facets.${name}`] = narrow(column, values.length);
    }
    return { ...columns, 'facets.meanings': Buffer.from(JSON.stringify(meanings)) };
  }

  #meanings(): FacetMeanings {
    const fields: { [name in FacetField]?: readonly string[] } = {};
    for (const [i, name] of facetFields.entries()) {
      const codes = this.#values[i];
      if (codes !== undefined && !codes.isFull) fields[name] = codes.values;
    }
    return { account: this.#accounts.values, outcome: this.#outcomes.values, fields };
  }

  #outcomeOf(sentAt: EpochMs, [status, error, extra, doneAt, price, currency]: FacetOutcome): number {
    const delayMs = doneAt === null || statusByKey(status).groupName !== 'DELIVERED' ? null : doneAt - sentAt;
    const delay = delayMs === null ? '' : classOf(delayMs);
    const key = `${status} ${error} ${delay} ${price ?? ''} ${currency ?? ''} ${extra ?? ''}`;
    return this.#outcomes.of(key, () => [status, error, extra, delayMs, price, currency]);
  }
}

const isField = (name: FacetName): name is FacetField => (facetFields as readonly string[]).includes(name);

/** One byte a number where that is enough. */
function narrow(column: Uint16Array, greatest: number): FacetCodes {
  return greatest <= 255 ? Uint8Array.from(column) : column;
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
