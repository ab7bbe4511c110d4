import type { EpochMs, MessageIdentity, MessageState } from '../domain/message.ts';
import { codeText } from '../domain/registry.ts';
import type { DatedReport } from '../domain/report.ts';

/** A message with all that the log knows of it: what is carried from one engine to another. */
export type WholeMessage = {
  readonly identity: MessageIdentity;
  readonly receivedAt: EpochMs;
  /** What it was recorded with. */
  readonly initial: MessageState;
  /** In the order they were accepted. */
  readonly reports: readonly WholeReport[];
};

export type WholeReport = {
  readonly said: DatedReport;
  readonly receivedAt: EpochMs;
  /** The state of the message from then on. */
  readonly after: MessageState;
};

/** The present state. */
export function stateOf({ initial, reports }: WholeMessage): MessageState {
  return reports.at(-1)?.after ?? initial;
}

/**
 * Everything a message holds as text, alike for equal messages of whatever engine: a part for the message as it was
 * recorded, then one for each report.
 */
export function textsOf({ identity, receivedAt, initial, reports }: WholeMessage): readonly string[] {
  const recorded = JSON.stringify([
    identity.messageId,
    identity.sender,
    identity.destination,
    identity.sentAt,
    identity.messageCount,
    identity.contentJson,
    identity.bulkId ?? null,
    identity.entityId ?? null,
    identity.applicationId ?? null,
    identity.campaignReferenceId ?? null,
    receivedAt,
    valuesOf(initial),
  ]);
  return [recorded, ...reports.map(one => JSON.stringify([valuesOf(one.said), one.receivedAt, valuesOf(one.after)]))];
}

function valuesOf({ status, error, at, doneAt, seenAt, price, extraJson }: DatedReport): readonly unknown[] {
  return [
    status === undefined ? null : codeText(status),
    error === undefined ? null : codeText(error),
    at,
    doneAt ?? null,
    seenAt ?? null,
    price === undefined ? null : [price.pricePerMessage, price.currency],
    extraJson ?? null,
  ];
}

/**
 * How a copy stands to its original: `behind` lacks the original's last reports, `ahead` has all of it and later
 * reports besides.
 */
export type Likeness = 'same' | 'behind' | 'ahead' | 'different';

export function likeness(copy: readonly string[], original: readonly string[]): Likeness {
  const common = Math.min(copy.length, original.length);
  for (let i = 0; i < common; i++) if (copy[i] !== original[i]) return 'different';
  if (copy.length === original.length) return 'same';
  return copy.length < original.length ? 'behind' : 'ahead';
}
