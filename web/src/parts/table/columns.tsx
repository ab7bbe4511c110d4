import type { ReactNode } from 'react';
import type { Log } from '../../../../src/client/index.ts';
import { clearMomentText, codeName, deliveryMs, errorWords, shortMomentText, tookText } from '../../view/format.ts';
import { type Decimals, priceText } from '../../view/money.ts';
import { countedAs, errorSought, type Field } from '../../view/view.ts';
import type { Zone } from '../../view/zone.ts';
import { Cut } from '../forms/cut.tsx';
import { contentText } from '../message/content-text.ts';
import { StatusWord } from '../message/status-word.tsx';

/** How cells show what they show. */
export type Terms = { readonly zone: Zone; readonly nowMs: number; readonly decimals: Decimals };

export type Column = {
  readonly name: string;
  readonly label: string;
  readonly minRem: number;
  /** Its share of what room is left. */
  readonly grow: number;
  readonly cell: (log: Log, terms: Terms) => ReactNode;
  readonly number?: boolean;
  /** What messages can be filtered by that have the value of a cell. */
  readonly filter?: { readonly field: Field; readonly value: (log: Log) => string | undefined };
};

const none = <span className="none">–</span>;

/** A column of ids, by which messages can be filtered. */
function idColumn(
  name: string,
  label: string,
  field: Field,
  [minRem, grow]: readonly [number, number],
  value: (log: Log) => string | undefined,
): Column {
  const cell = (log: Log) => {
    const id = value(log);
    return id === undefined ? none : <Cut text={id} />;
  };
  return { name, label, minRem, grow, cell, filter: { field, value } };
}

export const errorOf = ({ error }: Log) => (error.id === 0 ? undefined : codeName(error));

function Delivery({ log }: { readonly log: Log }) {
  const ms = deliveryMs(log);
  return ms === undefined ? none : tookText(ms);
}

/** In the order of the table. */
export const columns: readonly Column[] = [
  {
    name: 'time',
    label: 'Time',
    minRem: 10.2,
    grow: 0,
    cell: (log, { zone, nowMs }) => (
      <time dateTime={log.sentAt} title={clearMomentText(log.sentAt, zone)}>
        {shortMomentText(log.sentAt, zone, nowMs)}
      </time>
    ),
  },
  idColumn('sender', 'Sender', 'sender', [11.5, 0.3], log => log.sender),
  idColumn('destination', 'Destination', 'destination', [12.1, 0.5], log => log.destination),
  {
    name: 'status',
    label: 'Status',
    minRem: 9.6,
    grow: 0,
    cell: log => <StatusWord status={log.status} />,
    filter: { field: 'generalStatus', value: log => countedAs(log.status) },
  },
  {
    name: 'error',
    label: 'Error',
    minRem: 8.8,
    grow: 1.2,
    cell: log => {
      const name = errorOf(log);
      return name === undefined ? none : <Cut text={errorWords(name)} title={name} />;
    },
    filter: { field: 'error', value: ({ error }) => (error.id === 0 ? undefined : errorSought(error)) },
  },
  {
    name: 'content',
    label: 'Content',
    minRem: 9.2,
    grow: 3,
    cell: log => contentText(log.content),
  },
  idColumn('campaign', 'Campaign', 'campaignReferenceId', [7.2, 0.8], log => log.campaignReferenceId),
  idColumn('application', 'Application', 'applicationId', [7.4, 0.8], log => log.platform?.applicationId),
  idColumn('entity', 'Entity', 'entityId', [6.2, 0.8], log => log.platform?.entityId),
  { name: 'delivery', label: 'Took', minRem: 7.2, grow: 0.2, cell: log => <Delivery log={log} />, number: true },
  {
    name: 'price',
    label: 'Price',
    minRem: 8.8,
    grow: 0,
    cell: ({ price }, { decimals }) => (price === undefined ? none : priceText(price, decimals)),
    number: true,
  },
  idColumn('messageId', 'Message id', 'messageId', [15.1, 0.6], log => log.messageId),
  idColumn('bulkId', 'Bulk id', 'bulkId', [15.1, 0.6], log => log.bulkId),
];

/** The columns as tracks of a CSS grid. */
export function tracksOf(shown: readonly Column[]): string {
  return shown.map(({ minRem, grow }) => (grow === 0 ? `${minRem}rem` : `minmax(${minRem}rem, ${grow}fr)`)).join(' ');
}

/** Narrower than this the table scrolls sideways. */
export function widthOf(shown: readonly Column[]): string {
  return `${shown.reduce((sum, { minRem }) => sum + minRem, 0)}rem`;
}

export const hiddenAtFirst: readonly string[] = ['messageId', 'bulkId'];
