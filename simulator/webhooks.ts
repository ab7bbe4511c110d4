import type { EpochMs } from '../src/domain/message.ts';
import { type SimulatedMessage, shownAt } from './messages.ts';

/** A delivery report as the simulated Infobip tells it of a message at a moment: JSON and XML hold the same. */
export type SimulatedReport = Readonly<Record<string, unknown>>;

export type SimulatedSeen = {
  readonly messageId: string;
  readonly from: string;
  readonly to: string;
  readonly sentAt: EpochMs;
  readonly seenAt: EpochMs;
};

const instant = (at: EpochMs) => new Date(at).toISOString().replace('Z', '+0000');

export function simulatedReport(message: SimulatedMessage, at: EpochMs): SimulatedReport {
  const shown: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(shownAt(message, at)));
  const { bulkId, price, status, error, messageId, destination, sender, sentAt, doneAt, messageCount, platform } =
    shown;
  return { bulkId, price, status, error, messageId, to: destination, sender, sentAt, doneAt, messageCount, platform };
}

export function deliveryJson(reports: readonly SimulatedReport[]): string {
  return JSON.stringify({ results: reports });
}

export function deliveryXml(reports: readonly SimulatedReport[]): string {
  const results = reports.map(report => element('result', report)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?><DeliveryReports><results>${results}</results></DeliveryReports>`;
}

export function seenJson(seen: readonly SimulatedSeen[]): string {
  return JSON.stringify({
    results: seen.map(one => ({ ...one, sentAt: instant(one.sentAt), seenAt: instant(one.seenAt) })),
  });
}

function element(name: string, value: unknown): string {
  if (value === undefined) return '';
  const inner =
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([key, one]) => element(key, one))
          .join('')
      : escaped(String(value));
  return `<${name}>${inner}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
