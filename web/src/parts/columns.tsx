import type { ReactNode } from 'react';
import type { Log } from '../../../src/client/index.ts';
import { deliveryMs, durationText, inert, priceText, shortMomentText } from '../view/format.ts';
import { contentText } from './content-text.ts';
import { StatusWord } from './status-word.tsx';

export type Column = {
  readonly name: string;
  readonly label: string;
  readonly minPx: number;
  /** Its share of what room is left. */
  readonly grow: number;
  readonly cell: (log: Log, utc: boolean) => ReactNode;
  readonly number?: boolean;
};

const id = (value: string | undefined) => (value === undefined ? <span className="none">–</span> : inert(value));

function Delivery({ log }: { readonly log: Log }) {
  const ms = deliveryMs(log);
  return ms === undefined ? <span className="none">–</span> : durationText(ms);
}

/** In the order of the table. */
export const columns: readonly Column[] = [
  {
    name: 'time',
    label: 'Time',
    minPx: 128,
    grow: 0,
    cell: (log, utc) => <time dateTime={log.sentAt}>{shortMomentText(log.sentAt, utc)}</time>,
  },
  { name: 'sender', label: 'Sender', minPx: 152, grow: 0.3, cell: log => id(log.sender) },
  { name: 'destination', label: 'Destination', minPx: 140, grow: 0.5, cell: log => id(log.destination) },
  { name: 'status', label: 'Status', minPx: 120, grow: 0, cell: log => <StatusWord status={log.status} /> },
  {
    name: 'error',
    label: 'Error',
    minPx: 140,
    grow: 1.2,
    cell: log => (log.error.id === 0 ? <span className="none">–</span> : inert(log.error.name)),
  },
  {
    name: 'content',
    label: 'Content',
    minPx: 170,
    grow: 3,
    cell: log => <bdi>{contentText(log.content)}</bdi>,
  },
  { name: 'campaign', label: 'Campaign', minPx: 100, grow: 0.8, cell: log => id(log.campaignReferenceId) },
  {
    name: 'application',
    label: 'Application',
    minPx: 108,
    grow: 0.8,
    cell: log => id(log.platform?.applicationId),
  },
  { name: 'entity', label: 'Entity', minPx: 108, grow: 0.8, cell: log => id(log.platform?.entityId) },
  { name: 'delivery', label: 'Took', minPx: 84, grow: 0, cell: log => <Delivery log={log} />, number: true },
  {
    name: 'price',
    label: 'Price',
    minPx: 100,
    grow: 0,
    cell: log => (log.price === undefined ? <span className="none">–</span> : priceText(log.price)),
    number: true,
  },
  { name: 'messageId', label: 'Message id', minPx: 196, grow: 0.6, cell: log => id(log.messageId) },
  { name: 'bulkId', label: 'Bulk id', minPx: 196, grow: 0.6, cell: log => id(log.bulkId) },
];

/** The columns as tracks of a CSS grid. */
export function tracksOf(shown: readonly Column[]): string {
  return shown.map(({ minPx, grow }) => (grow === 0 ? `${minPx}px` : `minmax(${minPx}px, ${grow}fr)`)).join(' ');
}

export const hiddenAtFirst: readonly string[] = ['messageId', 'bulkId'];
