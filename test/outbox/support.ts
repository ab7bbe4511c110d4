import { afterEach } from 'vitest';
import { evidenceOf, settled } from '../../src/domain/evidence.ts';
import type { Submission } from '../../src/domain/message.ts';
import { deliveryErrorNamed, statusNamed } from '../../src/domain/registry.ts';
import { dated, initialState, reportIn } from '../../src/domain/report.ts';
import type { Claimed, NewMessage, Outbox } from '../../src/outbox/outbox.ts';

/** An outbox in a place of its own, which another process may open again once this one is gone. */
export type OutboxPlace = {
  readonly open: () => Promise<Outbox>;
  readonly remove: () => Promise<void>;
};

export const start = Date.UTC(2026, 0, 1, 12);
export const validityMs = 3_600_000;
export const page = 'page-1';
/** That of `want`. */
export const accounts = [1];

export function message(messageId: string, fields: Partial<NewMessage> = {}): NewMessage {
  const dueAt = fields.dueAt ?? start;
  return {
    messageId,
    isIdGiven: true,
    bulkId: 'bulk-1',
    sender: page,
    destination: 'p1',
    contentJson: `{"type":"TEXT","text":"${messageId}"}`,
    expiresAt: dueAt + validityMs,
    hasFailover: false,
    lane: 'text',
    ...fields,
    dueAt,
  };
}

export const want = { account: 1, sender: page, lane: 'text', count: 100 } as const;
export const idsOf = (claimed: readonly Claimed[]) => claimed.map(one => one.message.messageId);
export const blocked = {
  statusKey: statusNamed('UNDELIVERABLE_REJECTED_OPERATOR').key,
  errorKey: deliveryErrorNamed('EC_BLOCKED_USER').key,
};

/** What the log comes to when it is told all this of one message. */
export function record(submissions: readonly Submission[]) {
  const [first, ...reports] = submissions;
  if (first?.sentAt === undefined) throw new Error('the first that the log hears is not the message');
  const state = settled(
    evidenceOf(
      initialState(first, first.sentAt),
      reports.map(one => dated(reportIn(one), first.sentAt ?? 0)),
    ),
  );
  const { status, error, doneAt, seenAt, price } = state;
  return { status: status.name, error: error.name, doneAt, seenAt, price };
}

/** Everything the outbox has for the log, and tells it so. */
export async function tellAll(outbox: Outbox): Promise<readonly Submission[]> {
  const submissions: Submission[] = [];
  for (;;) {
    const untold = await outbox.untold(7);
    if (untold.length === 0) return submissions;
    submissions.push(...untold.map(one => one.submission));
    await outbox.told(
      untold.map(one => one.id),
      start,
    );
  }
}

/** Outboxes of a suite, closed and removed after each test. */
export function outboxes(make: () => Promise<OutboxPlace>) {
  const places: OutboxPlace[] = [];
  const opened: Outbox[] = [];
  afterEach(async () => {
    for (const outbox of opened.splice(0)) await outbox.close();
    for (const place of places.splice(0)) await place.remove();
  });
  const place = async () => {
    const made = await make();
    places.push(made);
    return made;
  };
  const openAt = async (at: OutboxPlace) => {
    const outbox = await at.open();
    opened.push(outbox);
    return outbox;
  };
  const open = async () => openAt(await place());

  const add = (outbox: Outbox, messages: readonly NewMessage[], now = start) =>
    outbox.add({ account: 1, messages, now });
  const claimOne = async (outbox: Outbox, now = start) => {
    const [claimed] = await outbox.claim([{ ...want, count: 1 }], now);
    if (claimed === undefined) throw new Error('nothing to claim');
    return claimed;
  };
  return { place, openAt, open, add, claimOne };
}

export const first = <T>([one]: readonly T[]): T => {
  if (one === undefined) throw new RangeError('there is none');
  return one;
};
