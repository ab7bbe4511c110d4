import type { ReactNode } from 'react';
import type { Log } from '../../../src/client/index.ts';
import { deliveryMs, durationText, inert, priceText, shortMomentText } from '../view/format.ts';
import { contentText } from './content-text.ts';
import { StatusWord } from './status-word.tsx';

export type Column = {
  readonly name: string;
  readonly label: string;
  /** A track of a CSS grid. */
  readonly width: string;
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
    width: '124px',
    cell: (log, utc) => <time dateTime={log.sentAt}>{shortMomentText(log.sentAt, utc)}</time>,
  },
  { name: 'sender', label: 'Sender', width: 'minmax(124px, 0.9fr)', cell: log => id(log.sender) },
  { name: 'destination', label: 'Destination', width: 'minmax(138px, 1fr)', cell: log => id(log.destination) },
  { name: 'status', label: 'Status', width: '122px', cell: log => <StatusWord status={log.status} /> },
  {
    name: 'error',
    label: 'Error',
    width: 'minmax(130px, 1fr)',
    cell: log => (log.error.id === 0 ? <span className="none">–</span> : inert(log.error.name)),
  },
  {
    name: 'content',
    label: 'Content',
    width: 'minmax(180px, 3fr)',
    cell: log => <bdi>{contentText(log.content)}</bdi>,
  },
  { name: 'campaign', label: 'Campaign', width: 'minmax(104px, 0.8fr)', cell: log => id(log.campaignReferenceId) },
  {
    name: 'application',
    label: 'Application',
    width: 'minmax(104px, 0.8fr)',
    cell: log => id(log.platform?.applicationId),
  },
  { name: 'entity', label: 'Entity', width: 'minmax(104px, 0.8fr)', cell: log => id(log.platform?.entityId) },
  { name: 'delivery', label: 'Took', width: '92px', cell: log => <Delivery log={log} />, number: true },
  {
    name: 'price',
    label: 'Price',
    width: '104px',
    cell: log => (log.price === undefined ? <span className="none">–</span> : priceText(log.price)),
    number: true,
  },
  { name: 'messageId', label: 'Message id', width: 'minmax(190px, 1.2fr)', cell: log => id(log.messageId) },
  { name: 'bulkId', label: 'Bulk id', width: 'minmax(190px, 1.2fr)', cell: log => id(log.bulkId) },
];

export const hiddenAtFirst: readonly string[] = ['messageId', 'bulkId'];
