import { limits } from '../limits.ts';
import {
  type Counted,
  type DeliveryMs,
  deliveryTimes,
  Figures,
  type PriceSum,
  priceSums,
  tallyFigures,
} from './figures.ts';
import type { LogRecord } from './message.ts';
import { type DeliveryError, deliveryErrorByKey, isRegistered, nameOf, statusGroupNames } from './registry.ts';
import { failedGroups } from './summary-cell.ts';

/** What figures can be broken down by. */
export const breakdownFields = ['sender', 'campaignReferenceId', 'applicationId', 'entityId', 'error'] as const;
export type BreakdownField = (typeof breakdownFields)[number];

/** The first rows, and how many more there are. */
export type Breakdown = { readonly rows: readonly BreakdownRow[]; readonly more: number };

/** Of each field that is asked for, in that order; `undefined` of messages that have none. An error by what it is called. */
export type PartValues = readonly (string | undefined)[];

/** Figures of the messages that have these values. */
export type BreakdownRow = {
  readonly values: PartValues;
  readonly messages: number;
  /** Of them, undeliverable, expired or rejected. */
  readonly failed: number;
  readonly deliveryMs: DeliveryMs;
  readonly prices: readonly PriceSum[];
};

/** What of a message its part needs. */
export type Divided = Counted & Pick<LogRecord, 'applicationId' | 'entityId'>;

/**
 * What some messages are broken down into. Beyond `limits.breakdownRowsMax` different values they are no longer told
 * apart.
 */
export class Parts {
  readonly by: readonly BreakdownField[];
  readonly #first: number;
  readonly #parts = new Map<string, { readonly values: PartValues; readonly figures: Figures }>();
  #overflowed = false;

  /** `first`: how many rows are told. */
  constructor(by: readonly BreakdownField[], first: number = limits.breakdownRowsMax) {
    this.by = by;
    this.#first = first;
  }

  count(message: Divided): void {
    const values = this.by.map(field => (field === 'error' ? errorCalled(message.error) : message[field]));
    const figures = this.of(values);
    if (figures !== undefined) tallyFigures(message, 1, figures);
  }

  /** Where the messages that have these values are counted; `undefined` when they are no longer told apart. */
  of(values: PartValues): Figures | undefined {
    if (this.#overflowed) return undefined;
    const key = JSON.stringify(values);
    let part = this.#parts.get(key);
    if (part === undefined) {
      if (this.#parts.size >= limits.breakdownRowsMax) {
        this.overflow();
        return undefined;
      }
      part = { values, figures: new Figures() };
      this.#parts.set(key, part);
    }
    return part.figures;
  }

  overflow(): void {
    this.#overflowed = true;
    this.#parts.clear();
  }

  /**
   * By how many messages, the most first; by how many failed where an error is among the fields. `undefined` when they
   * are no longer told apart. Delivery times and prices, which take work, are those of the rows that are told.
   */
  told(): Breakdown | undefined {
    if (this.#overflowed) return undefined;
    const [first, second] = this.by.includes('error')
      ? (['failed', 'messages'] as const)
      : (['messages', 'failed'] as const);
    const parts = [...this.#parts]
      .map(([key, { values, figures }]) => ({ key, values, figures, ...countsOf(figures) }))
      .filter(({ messages }) => messages > 0)
      .sort((a, b) => b[first] - a[first] || b[second] - a[second] || (a.key < b.key ? -1 : 1));
    const rows = parts.slice(0, this.#first).map(({ values, figures }) => rowOf(values, figures));
    return { rows, more: parts.length - rows.length };
  }
}

/** What an error is called in figures: a registered one as the registry has it. */
export function errorCalled(error: DeliveryError): string {
  return nameOf(isRegistered(error) ? deliveryErrorByKey(error.key) : error);
}

/** The row of values that no message has. */
export function emptyRow(values: PartValues): BreakdownRow {
  return rowOf(values, new Figures());
}

function rowOf(values: PartValues, figures: Figures): BreakdownRow {
  return { values, ...countsOf(figures), deliveryMs: deliveryTimes(figures), prices: priceSums(figures) };
}

function countsOf({ groups }: Figures): Pick<BreakdownRow, 'messages' | 'failed'> {
  const countOf = (isCounted: (groupId: number) => boolean) =>
    groups.reduce((sum, count, groupId) => (isCounted(groupId) ? sum + count : sum), 0);
  return {
    messages: countOf(() => true),
    failed: countOf(groupId => failedGroups.has(statusGroupNames[groupId] ?? '')),
  };
}
