import type { ReactNode } from 'react';
import type { Log } from '../../../../src/client/index.ts';
import { codeName, deliveryMs, errorWords, inert, priceText, shortMomentText, tookText } from '../../view/format.ts';
import type { Zone } from '../../view/zone.ts';
import { contentText } from '../message/content-text.ts';
import { StatusWord } from '../message/status-word.tsx';

export type Column = {
  readonly name: string;
  readonly label: string;
  readonly minRem: number;
  /** Its share of what room is left. */
  readonly grow: number;
  readonly cell: (log: Log, zone: Zone) => ReactNode;
  readonly number?: boolean;
};

const id = (value: string | undefined) => (value === undefined ? <span className="none">–</span> : inert(value));

function Delivery({ log }: { readonly log: Log }) {
  const ms = deliveryMs(log);
  return ms === undefined ? <span className="none">–</span> : tookText(ms);
}

/** In the order of the table. */
export const columns: readonly Column[] = [
  {
    name: 'time',
    label: 'Time',
    minRem: 10.4,
    grow: 0,
    cell: (log, zone) => <time dateTime={log.sentAt}>{shortMomentText(log.sentAt, zone)}</time>,
  },
  { name: 'sender', label: 'Sender', minRem: 11.7, grow: 0.3, cell: log => id(log.sender) },
  { name: 'destination', label: 'Destination', minRem: 12.4, grow: 0.5, cell: log => id(log.destination) },
  { name: 'status', label: 'Status', minRem: 10.4, grow: 0, cell: log => <StatusWord status={log.status} /> },
  {
    name: 'error',
    label: 'Error',
    minRem: 10.8,
    grow: 1.2,
    cell: log =>
      log.error.id === 0 ? (
        <span className="none">–</span>
      ) : (
        <span title={inert(codeName(log.error))}>{errorWords(codeName(log.error))}</span>
      ),
  },
  {
    name: 'content',
    label: 'Content',
    minRem: 13.1,
    grow: 3,
    cell: log => <bdi>{contentText(log.content)}</bdi>,
  },
  { name: 'campaign', label: 'Campaign', minRem: 7.7, grow: 0.8, cell: log => id(log.campaignReferenceId) },
  {
    name: 'application',
    label: 'Application',
    minRem: 8.3,
    grow: 0.8,
    cell: log => id(log.platform?.applicationId),
  },
  { name: 'entity', label: 'Entity', minRem: 8.3, grow: 0.8, cell: log => id(log.platform?.entityId) },
  { name: 'delivery', label: 'Took', minRem: 8.6, grow: 0, cell: log => <Delivery log={log} />, number: true },
  {
    name: 'price',
    label: 'Price',
    minRem: 7.7,
    grow: 0,
    cell: log => (log.price === undefined ? <span className="none">–</span> : priceText(log.price)),
    number: true,
  },
  { name: 'messageId', label: 'Message id', minRem: 15.1, grow: 0.6, cell: log => id(log.messageId) },
  { name: 'bulkId', label: 'Bulk id', minRem: 15.1, grow: 0.6, cell: log => id(log.bulkId) },
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
